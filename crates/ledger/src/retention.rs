//! How long what is known about messages is kept, by channel.

use barid_model::{Name, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Cursor;

/// Up to when things are past their retention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// For channels that are not named, and for what has no channel, refusals among it. (Commands stay as long as any
    /// message they may be about.)
    pub before: Timestamp,
    /// For these channels.
    pub channels: Vec<(Name, Timestamp)>,
}

impl Retention {
    /// The same time for all.
    #[must_use]
    pub const fn all(before: Timestamp) -> Self {
        Self { before, channels: Vec::new() }
    }

    /// The earliest time of all: everything older is past its retention, whatever channel it is of.
    #[must_use]
    pub fn earliest(&self) -> Timestamp {
        self.channels.iter().map(|(_, before)| *before).fold(self.before, Timestamp::min)
    }

    /// The latest time of all: nothing newer is touched.
    #[must_use]
    pub fn latest(&self) -> Timestamp {
        self.channels.iter().map(|(_, before)| *before).fold(self.before, Timestamp::max)
    }
}

/// What a call of prune did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pruned {
    /// Messages removed.
    pub messages: u64,
    /// Deliveries removed with them.
    pub deliveries: u64,
    /// Messages past their retention that stay, because something of them is in flight or waits for a person.
    pub kept: u64,
    /// Where to go on; none where the sweep is over.
    pub next: Option<Cursor>,
}
