//! What a person can have done, always with who and why.

use std::fmt;

use barid_model::{DeliveryId, Lane, MessageUid, Name};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::configuration::ProblemView;
use super::query::{MessageQuery, ParkedQuery};

/// Who acts, and why; recorded in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct By {
    /// Who.
    pub actor: String,
    /// Why; not empty.
    pub reason: String,
}

/// Which messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Selection {
    /// These.
    Uids(Vec<MessageUid>),
    /// All that match, oldest first; `limit` and `cursor` of the query do not count here.
    Query(Box<MessageQuery>),
}

/// Under which revision a replayed message runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReplayRevision {
    /// The channel's newest.
    #[default]
    Now,
    /// The one it ran under.
    Then,
}

/// Sends messages again as new ones (cause replayed), in lane order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayRequest {
    /// Who and why.
    pub by: By,
    /// Which messages.
    pub select: Selection,
    /// Under which revision.
    #[serde(default)]
    pub revision: ReplayRevision,
    /// Most messages; more matches are an error, nothing is replayed then.
    pub limit: u64,
    /// Says what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a replay did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// Messages that matched.
    pub matched: u64,
    /// Messages made.
    pub made: u64,
    /// The first 1,000 of them.
    pub messages: Vec<ReplayedMessage>,
    /// Those that could not be, and why; at most 1,000.
    pub missed: Vec<Missed>,
}

/// One message and its replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayedMessage {
    /// The message.
    pub from: MessageUid,
    /// The new one; none in a dry run.
    pub uid: Option<MessageUid>,
}

/// One that was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Missed {
    /// Which: a uid, delivery or lane.
    pub id: String,
    /// Why.
    pub why: String,
}

/// Sends edited bytes as a child of a message (cause edited).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResendRequest {
    /// Who and why.
    pub by: By,
    /// The message it was made from.
    pub uid: MessageUid,
    /// The edited bytes; base64 in JSON.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub raw: Bytes,
}

/// Shows how many bytes, not which: an edited message is patient data.
impl fmt::Debug for ResendRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResendRequest({:?}, {}, {} B)", self.by, self.uid, self.raw.len())
    }
}

pub(super) fn to_base64<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

pub(super) fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map(Bytes::from).map_err(|_| serde::de::Error::custom("raw is not base64"))
}

/// What a resend did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resent {
    /// The new message.
    pub uid: MessageUid,
}

/// Which deliveries that wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeliverySelection {
    /// These.
    Deliveries(Vec<DeliveryId>),
    /// Those of a message; a message that was set aside before routing as a whole.
    Message {
        /// The message.
        uid: MessageUid,
        /// Only this route.
        route: Option<String>,
    },
    /// All that match; `limit` and `cursor` of the query do not count here.
    Query(Box<ParkedQuery>),
}

/// Runs quarantined deliveries again: the same message, run + 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RerunRequest {
    /// Who and why.
    pub by: By,
    /// Which.
    pub select: DeliverySelection,
    /// Most deliveries; more matches are an error, nothing is done then.
    pub limit: u64,
    /// Says what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// Gives quarantined or held deliveries up, or sets aside what is held or on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiscardRequest {
    /// Who and why.
    pub by: By,
    /// Which.
    pub select: DeliverySelection,
    /// Most deliveries; more matches are an error, nothing is done then.
    pub limit: u64,
    /// Says what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// Sets aside instead, so that it can be run again: what is held, parked or on its way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
}

/// What becomes of the delivery that a lane was held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HeldHead {
    /// It is sent again, then the rest.
    #[default]
    Retry,
    /// It is set aside, the rest goes on.
    Quarantine,
    /// It is given up, the rest goes on.
    Discard,
}

/// Lets held lanes of a destination go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseRequest {
    /// Who and why.
    pub by: By,
    /// Which destination.
    pub destination: Name,
    /// Which lane, as `parked` shows it; all held ones where absent.
    #[serde(default)]
    pub lane: Option<LaneText>,
    /// What becomes of the delivery at its head.
    #[serde(default)]
    pub head: HeldHead,
}

/// A lane as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneText(pub Lane);

impl Serialize for LaneText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for LaneText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Lane::read(&text).map(Self).ok_or_else(|| serde::de::Error::custom("a lane is 16 hexadecimal digits"))
    }
}

/// How many of what was asked for were done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// How many matched.
    pub matched: u64,
    /// How many were done.
    pub done: u64,
    /// Those that were not, and why; at most 1,000.
    pub missed: Vec<Missed>,
    /// Messages that were set aside before routing, with what they were run again as; at most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<ReplayedMessage>,
}

/// What to pause or resume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PauseTarget {
    /// A channel.
    Channel(Name),
    /// A destination.
    Destination(Name),
}

/// What a paused channel does with new messages; a destination always holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PauseMode {
    /// Accepts and holds them.
    #[default]
    Paused,
    /// Refuses them (207, 503) and drains what it has.
    Closed,
}

/// Pauses a channel or destination, beyond restarts, until it is resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PauseRequest {
    /// Who and why.
    pub by: By,
    /// What.
    pub target: PauseTarget,
    /// How.
    #[serde(default)]
    pub mode: PauseMode,
}

/// Ends a pause by command; what the document says holds again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResumeRequest {
    /// Who and why.
    pub by: By,
    /// What.
    pub target: PauseTarget,
}

/// Reads the documents again now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReloadRequest {
    /// Who and why.
    pub by: By,
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reloaded {
    /// The number of the snapshot that now runs.
    pub snapshot: u64,
    /// Documents that changed, as `kind namespace/name`.
    pub changed: Vec<String>,
    /// What is wrong; those documents keep their last good version.
    pub problems: Vec<ProblemView>,
}
