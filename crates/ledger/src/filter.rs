//! What people ask for, and how much of it at a time.
//!
//! Every answer is bounded twice: by the number of items, and by the number of rows looked at. A page that ends early
//! for the second reason has fewer items, or none, and says where to go on.

use barid_model::{MessageUid, Name, Revision, Timestamp};
use serde::{Deserialize, Serialize};

use crate::State;

/// Most items of one page: what fits a screen many times over and a few megabytes of JSON.
pub const PAGE_MAX: usize = 1_000;
/// Items of a page where nobody says: a screen or two.
pub const PAGE_DEFAULT: usize = 100;
/// Most items of one page of a replay selection: 10 MB of places and ids.
pub const REPLAY_PAGE_MAX: usize = 20_000;
/// Most rows looked at for one page: a quarter of a second. (Few in this crate's tests, so that they reach it.)
pub const SCAN_MAX: usize = if cfg!(test) { 2_000 } else { 200_000 };

/// Where to go on: opaque, valid for the same question only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// How much, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Paging {
    /// Most items, up to [`PAGE_MAX`].
    pub limit: usize,
    /// From where; none for the beginning.
    pub after: Option<Cursor>,
}

impl Default for Paging {
    fn default() -> Self {
        Self { limit: PAGE_DEFAULT, after: None }
    }
}

impl Paging {
    /// The first so many.
    #[must_use]
    pub const fn first(limit: usize) -> Self {
        Self { limit, after: None }
    }
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// What was found.
    pub items: Vec<T>,
    /// Where to go on; none where there is no more. With few or no items it means that the search was cut short.
    pub next: Option<Cursor>,
}

/// Which messages. Empty fields ask for nothing; all that are set must hold.
///
/// Time is the time in the uid (when the message, or the one it was made from, was received), in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageFilter {
    /// Received at this time or later.
    pub from: Option<Timestamp>,
    /// Received before this time.
    pub to: Option<Timestamp>,
    /// The channel that took it.
    pub channel: Option<Name>,
    /// Who sent it, or whom it was sent for, as recorded (`namespace/name`).
    pub facility: Option<String>,
    /// Where it came in.
    pub listener: Option<Name>,
    /// `ADT`, `ADT^A01` or `ADT^A01^ADT_A01`.
    pub message_type: Option<String>,
    /// MSH-10.
    pub control_id: Option<String>,
    /// Search keys; of a sensitive one the hash.
    pub keys: Vec<Key>,
    /// Where it, or one of its deliveries, stands.
    pub state: Option<State>,
    /// A destination one of its deliveries goes to.
    pub destination: Option<Name>,
    /// Why it exists: `received`, `replayed`, ...
    pub cause: Option<String>,
    /// The channel's revision it was accepted under.
    pub revision: Option<Revision>,
    /// HL7 table 0357 code of a finding of it or of one of its deliveries.
    pub finding: Option<u16>,
    /// Only those that a destination may have twice.
    pub possible_duplicate: bool,
}

/// A search key's name and value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// `patient`, or what the channel's `index` names.
    pub name: String,
    /// The value; of a sensitive one the keyed hash in hexadecimal.
    pub value: String,
}

impl std::fmt::Debug for Key {
    /// Without the value, which may be a visit number.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.name)
    }
}

/// Which deliveries. Empty fields ask for nothing; all that are set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeliveryFilter {
    /// Of messages received at this time or later.
    pub from: Option<Timestamp>,
    /// Of messages received before this time.
    pub to: Option<Timestamp>,
    /// Of this message.
    pub uid: Option<MessageUid>,
    /// Of messages of this channel.
    pub channel: Option<Name>,
    /// Of messages of this facility.
    pub facility: Option<String>,
    /// To this destination.
    pub destination: Option<Name>,
    /// By this route.
    pub route: Option<String>,
    /// Where it stands; any of these, or any at all where empty.
    pub states: Vec<State>,
    /// Parked last for this reason: `held`, `rerun`, `paused`, `stalled`, `follows`, `quarantined`.
    pub parked: Option<String>,
    /// Only those that have not been run again since.
    pub latest_run: bool,
}

/// Which refused messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RefusedFilter {
    /// At this time or later.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// From this facility.
    pub facility: Option<String>,
    /// Chosen channel.
    pub channel: Option<Name>,
    /// Where it came in.
    pub listener: Option<Name>,
    /// MSH-10.
    pub control_id: Option<String>,
}
