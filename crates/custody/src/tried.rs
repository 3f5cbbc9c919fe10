//! The last tries of deliveries that did not go well at once, as the owner of their destination knows them: the same words
//! whether who asks and the owner share a process or a network lies between them.
//!
//! They are in no log and gone with the owner. A text here holds no word of a receiver: those may be patient data.

use std::collections::VecDeque;

use barid_model::{DeliveryId, Name, Timestamp};
use serde::{Deserialize, Serialize};

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Try {
    /// Which.
    pub number: u32,
    /// When it ended.
    pub at: Timestamp,
    /// What came of it, without data.
    pub text: String,
}

/// A delivery that did not go well at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// Its last tries, oldest first.
    pub tries: VecDeque<Try>,
    /// When it may be tried again; none where it has ended or is on its way.
    pub next: Option<Timestamp>,
}

/// Which deliveries an owner in another process is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Asked {
    /// Of which destination.
    pub destination: Name,
    /// Which.
    pub deliveries: Vec<DeliveryId>,
}

/// What it knows of them; of what went well it knows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Known {
    /// Those it knows.
    pub troubles: Vec<(DeliveryId, Trouble)>,
}
