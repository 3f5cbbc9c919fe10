//! A message's way, in rows and in full.

use barid_model::{DeliveryId, Digest, Finding, MessageUid, Name, Revision, Timestamp};
use serde::{Deserialize, Serialize};

/// The words for where a message or delivery is: the outcomes of the balance, and what comes before one.
pub mod state {
    /// Accepted, not yet routed.
    pub const ACCEPTED: &str = "accepted";
    /// Routed, with a delivery that has not ended.
    pub const IN_FLIGHT: &str = "inFlight";
    /// A delivery waits for a person, its lane with it.
    pub const HELD: &str = "held";
    /// A resend of a message that was accepted before.
    pub const DUPLICATE: &str = "duplicate";
    /// Set aside, before routing or at a destination: a person has to decide.
    pub const QUARANTINED: &str = "quarantined";
    /// All deliveries ended well.
    pub const DELIVERED: &str = "delivered";
    /// Nobody wanted it.
    pub const FILTERED: &str = "filtered";
    /// Its refusal was passed to the sender that waited.
    pub const REJECTED: &str = "rejected";
    /// Its caller left.
    pub const EXPIRED: &str = "expired";
    /// Merged into another delivery.
    pub const MERGED: &str = "merged";
    /// Given up by a person.
    pub const DISCARDED: &str = "discarded";
    /// Set aside before routing, and run again by a person as a message of its own.
    pub const RERUN: &str = "rerun";
    /// All of them.
    pub const ALL: [&str; 12] = [
        ACCEPTED,
        IN_FLIGHT,
        HELD,
        DUPLICATE,
        QUARANTINED,
        DELIVERED,
        FILTERED,
        REJECTED,
        EXPIRED,
        MERGED,
        DISCARDED,
        RERUN,
    ];
}

/// One accepted message in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageRow {
    /// Its identity.
    pub uid: MessageUid,
    /// When its last byte was read.
    #[serde(with = "crate::time")]
    pub received: Timestamp,
    /// Who sent it.
    pub facility: String,
    /// Whether a declared identity matched.
    pub verified: bool,
    /// Where it came in.
    pub listener: Name,
    /// The channel that took it.
    pub channel: Option<Name>,
    /// `ADT^A01`.
    pub message_type: String,
    /// MSH-10.
    pub control_id: String,
    /// Why it exists.
    pub cause: String,
    /// Bytes as received.
    pub bytes: u64,
    /// Where it is: a word of [`state`]; of several deliveries the one that needs most attention.
    pub state: String,
    /// Its deliveries: the last run of each.
    pub deliveries: Vec<DeliverySummary>,
}

/// One delivery in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliverySummary {
    /// The route.
    pub route: String,
    /// Where to; none for a route to a channel.
    pub destination: Option<Name>,
    /// A word of [`state`].
    pub state: String,
    /// Whether the destination may have it twice, of whatever run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub possible_duplicate: bool,
}

/// One refused message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedRow {
    /// Its place among the refused.
    pub position: u64,
    /// When.
    #[serde(with = "crate::time")]
    pub at: Timestamp,
    /// Where it came in.
    pub listener: Name,
    /// The sender's network address.
    pub origin: String,
    /// The facility, where one was recognised.
    pub facility: Option<String>,
    /// The channel, where one was chosen.
    pub channel: Option<Name>,
    /// `ADT^A01`, where it could be read.
    pub message_type: String,
    /// MSH-10, where it could be read.
    pub control_id: String,
    /// The acknowledgement code it got.
    pub code: String,
    /// Why.
    pub findings: Vec<Finding>,
}

/// One delivery that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParkedRow {
    /// The delivery; none where the message was set aside before routing.
    pub id: Option<DeliveryId>,
    /// Its message.
    pub uid: MessageUid,
    /// When it was parked.
    #[serde(with = "crate::time")]
    pub at: Timestamp,
    /// When its message was received.
    #[serde(with = "crate::time")]
    pub received: Timestamp,
    /// `held`, `stalled`, `follows`, `paused`, `rerun`, `quarantined`.
    pub why: String,
    /// Where to; none where the message was set aside before routing.
    pub destination: Option<Name>,
    /// The channel.
    pub channel: Option<Name>,
    /// The route.
    pub route: String,
    /// Who sent the message.
    pub facility: String,
    /// `ADT^A01`.
    pub message_type: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Its lanes, as the keyed hashes that `release --lane` takes.
    pub lanes: Vec<String>,
    /// What the destination answered, such as `AE`.
    pub answer: Option<String>,
    /// Why, in findings without data.
    pub findings: Vec<Finding>,
}

/// One message's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageDetail {
    /// What a list shows.
    #[serde(flatten)]
    pub row: MessageRow,
    /// The facility it speaks for, where a gateway sent it.
    pub speaks_for: Option<String>,
    /// The revision of the channel it runs under.
    pub revision: Revision,
    /// SHA-256 of the bytes as received.
    pub sha256: Digest,
    /// The sender's network address, or what made it.
    pub origin: String,
    /// MSH-9.3.
    pub structure: String,
    /// MSH-12.
    pub version: String,
    /// Its lanes, as keyed hashes; `barrier` alone for a barrier.
    pub lanes: Vec<String>,
    /// Its place in the log, such as `in.03@1234`; none where only the ledger remembers it.
    pub place: Option<String>,
    /// What it was made from.
    pub parents: Vec<MessageUid>,
    /// What was made from it: replays, edits, chained messages. At most 100.
    pub children: Vec<MessageUid>,
    /// The message it repeats, where it is a duplicate.
    pub duplicate_of: Option<MessageUid>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Who asked for it and why, where a person did.
    pub reason: Option<String>,
    /// What parse and validation found.
    pub findings: Vec<Finding>,
    /// Names of its search keys; values stay in the ledger.
    pub keys: Vec<String>,
    /// Whether its payload is still kept.
    pub payload_kept: bool,
    /// Every run of every delivery.
    pub runs: Vec<DeliveryDetail>,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// One run of one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryDetail {
    /// Its identity and idempotency key.
    pub id: DeliveryId,
    /// The route.
    pub route: String,
    /// Which piece.
    pub part: u32,
    /// Which re-run.
    pub run: u32,
    /// Where to; none for a route to a channel.
    pub destination: Option<Name>,
    /// The message made for another channel.
    pub chained: Option<MessageUid>,
    /// A word of [`state`].
    pub state: String,
    /// When it came there.
    #[serde(with = "crate::time::option")]
    pub at: Option<Timestamp>,
    /// How often it was sent or tried.
    pub attempts: u32,
    /// The destination may have it twice.
    pub possible_duplicate: bool,
    /// What the destination answered, such as `AA` or `200`.
    pub answer: Option<String>,
    /// Why.
    pub findings: Vec<Finding>,
    /// Who decided, where a person did.
    pub actor: Option<String>,
    /// Why that person did.
    pub reason: Option<String>,
    /// What keeps it from being delivered right now, as far as the running engine remembers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
}

/// The last try of a delivery that goes on being tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failing {
    /// When it ended.
    #[serde(with = "crate::time")]
    pub at: Timestamp,
    /// What came of it, without a word of the receiver's own text.
    pub text: String,
    /// When it may be tried again; none while it is on its way.
    #[serde(with = "crate::time::option")]
    pub next: Option<Timestamp>,
}

/// One thing that happened to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    #[serde(with = "crate::time")]
    pub at: Timestamp,
    /// What: `accepted`, `routed`, `parked`, `delivered` and the like.
    pub what: String,
    /// The route it concerns.
    pub route: Option<String>,
    /// In words, without data values.
    pub text: String,
}

/// Which bytes of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", deny_unknown_fields)]
pub enum PayloadKind {
    /// As received.
    Raw,
    /// As made for a route: the last run, first part, where not said.
    Transformed {
        /// The route.
        route: String,
        /// Which piece.
        #[serde(default)]
        part: u32,
        /// Which run; the last where absent.
        #[serde(default)]
        run: Option<u32>,
    },
    /// What the destination answered.
    Answer {
        /// The route.
        route: String,
        /// Which piece.
        #[serde(default)]
        part: u32,
        /// Which run; the last where absent.
        #[serde(default)]
        run: Option<u32>,
    },
}

/// Asks for bytes of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PayloadRequest {
    /// Which message.
    pub uid: MessageUid,
    /// Which bytes.
    pub which: PayloadKind,
}
