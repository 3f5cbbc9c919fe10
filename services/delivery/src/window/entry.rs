//! One delivery in the window.

use std::sync::Arc;

use barid_model::record::{OutRecord, Parked};
use barid_model::{Partition, Timestamp};

use crate::traced::Traced;

/// The order of admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntryId(u64);

impl EntryId {
    pub(super) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Where the delivery is kept while it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// In OUT; its partition's prefix waits for it.
    Out {
        /// The partition.
        partition: Partition,
        /// The position there.
        position: u64,
    },
    /// In PARK, at this position; nothing waits for it but its lanes.
    Park(u64),
}

/// How far a delivery in the window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Something before it in its lanes is not finished.
    Waiting,
    /// It may be sent.
    Ready,
    /// It is on a connection.
    Sending,
    /// It was refused and is sent again later.
    BackingOff,
    /// Its outcome is being made durable.
    Recording,
}

impl Phase {
    /// Whether it may be taken out of the window: nothing of it is on its way.
    #[must_use]
    pub const fn is_movable(self) -> bool {
        matches!(self, Self::Waiting | Self::Ready | Self::BackingOff)
    }
}

/// One delivery in the window.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The delivery.
    pub record: Arc<OutRecord>,
    /// Where it is kept.
    pub place: Place,
    /// Its place in OUT, for its outcome; of a parked one as it was there.
    pub out: (Partition, u64),
    /// How far it is.
    pub phase: Phase,
    /// How often it was tried.
    pub attempts: u32,
    /// The destination may have it already.
    pub possible_duplicate: bool,
    /// When it came into the window.
    pub admitted: Timestamp,
    /// When it may be sent again.
    pub not_before: Option<Timestamp>,
    /// Why it is parked, where it came back from PARK.
    pub why: Option<Parked>,
    /// The next of its lanes has been let go ahead of its record.
    pub gone_ahead: bool,
    /// What is told of its way.
    pub trace: Option<Box<Traced>>,
}

impl Entry {
    /// A delivery read from OUT.
    #[must_use]
    pub fn from_out(record: Arc<OutRecord>, partition: Partition, position: u64, now: Timestamp) -> Self {
        Self {
            trace: Traced::taken(&record).map(Box::new),
            record,
            place: Place::Out { partition, position },
            out: (partition, position),
            phase: Phase::Waiting,
            attempts: 0,
            possible_duplicate: false,
            admitted: now,
            not_before: None,
            why: None,
            gone_ahead: false,
        }
    }
}
