//! One message by hand, for `barid try`: what the parse stage says of it at a listener, or where a channel is asked alone.

use std::sync::Arc;

use barid_model::stage::{Stage as _, StageError};
use barid_model::{LaneHasher, MessageUid, Name, Payload, Timestamp};
use barid_validate::{Parse, ParseInput, ParseTable, Verdict};

use super::message;
use crate::compile::table_for_test;
use crate::snapshot::{Channel, Snapshot};

/// A message, and who sends it when.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its bytes.
    pub raw: Payload,
    /// The facility whose first identity is proven; none: a sender that only declares MSH-3 and MSH-4.
    pub facility: Option<Name>,
    /// When its last byte is read.
    pub received: Timestamp,
}

impl Sample {
    /// What the parse stage says of it at a listener.
    ///
    /// # Errors
    /// As the stage.
    pub fn at(&self, snapshot: &Snapshot, listener: &Name) -> Result<Verdict, StageError> {
        self.parse(snapshot, Arc::clone(&snapshot.parse), listener)
    }

    /// What the parse stage says of it where this channel alone is asked and takes messages from anybody.
    ///
    /// # Errors
    /// As the stage.
    pub fn for_channel(&self, snapshot: &Snapshot, channel: &Channel) -> Result<Verdict, StageError> {
        let listener = Name::new(channel.name.namespace(), "try");
        self.parse(snapshot, table_for_test(snapshot, channel, &listener), &listener)
    }

    fn parse(&self, snapshot: &Snapshot, table: Arc<ParseTable>, listener: &Name) -> Result<Verdict, StageError> {
        let facility = self.facility.as_ref().and_then(|name| snapshot.facilities.get(name));
        Parse::new(LaneHasher::new([0; 16])).apply(&ParseInput {
            uid: MessageUid::derived(MessageUid::from_bytes([0; 16]), "try", 0),
            raw: self.raw.clone(),
            received: self.received,
            listener: listener.clone(),
            peer: Arc::new(facility.map(|facility| message::peer(facility)).unwrap_or_default()),
            traceparent: None,
            table,
        })
    }
}
