//! What a connector is given to send.

use std::sync::Arc;

use barid_model::DeliveryId;
use barid_model::record::OutRecord;
use barid_trace::Context;

/// One delivery on its way out. Cheap to clone: the record and its payload are shared.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The delivery as the router wrote it, payload included.
    pub record: Arc<OutRecord>,
    /// Sent at or below the send limit of a crashed owner, or again after a failure that may have delivered it: the
    /// receiver may have it already, and is told so where its protocol can carry it.
    pub possible_duplicate: bool,
    /// The span of this attempt, for a receiver whose protocol can carry it.
    pub trace: Option<Context>,
}

impl Outgoing {
    /// A delivery, not known to have been sent before.
    #[must_use]
    pub fn new(record: Arc<OutRecord>) -> Self {
        Self { record, possible_duplicate: false, trace: None }
    }

    /// Its identity, which is also its idempotency key.
    #[must_use]
    pub fn id(&self) -> DeliveryId {
        self.record.id
    }

    /// Whether a sender waits for the whole answer, so that it must not be cut.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.record.waits.is_some()
    }
}
