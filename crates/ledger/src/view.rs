//! Messages, deliveries, refusals and commands as people and JSON see them.
//!
//! Everything is text and numbers here, without payloads: [`Place`] and [`OutPlace`] say where the log has them.
//! `Debug` of a message shows its uid only, because control ids and search keys have no business in a log line.

use std::fmt;

use barid_model::{DeliveryId, Digest, Disposition, Finding, MessageUid, Name, Outcome, Revision, Timestamp};
use serde::{Deserialize, Serialize};

use crate::State;
use crate::filter::Key;

/// A record's place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The subject.
    pub subject: String,
    /// The position there.
    pub position: u64,
}

/// A place in the OUT subject of a delivery's destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutPlace {
    /// The partition.
    pub partition: u16,
    /// The position there.
    pub position: u64,
}

/// What is known of a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageView {
    /// Its identity.
    pub uid: MessageUid,
    /// Where it stands: the state of its delivery that most needs attention.
    pub state: State,
    /// What its IN record says; none where only later records were read so far.
    pub accepted: Option<Accepted>,
    /// What became of it at the router; none while it is not yet routed.
    pub disposition: Option<Disposition>,
    /// When the router decided that.
    pub routed_at: Option<Timestamp>,
    /// The message it repeats.
    pub duplicate_of: Option<MessageUid>,
    /// Why the router set it aside.
    pub routing_findings: Vec<Finding>,
    /// It was set aside before routing, and a person has decided on it since: given up, or run again as another message.
    pub settled: bool,
    /// Whether its payloads are past their retention: nothing shows them any more.
    pub payload_expired: bool,
    /// Its deliveries.
    pub deliveries: Vec<DeliveryView>,
}

/// What the IN record of a message says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// When its last byte was read.
    pub received: Timestamp,
    /// Where it came in.
    pub listener: Name,
    /// Who sent it.
    pub facility: String,
    /// The facility it was sent for.
    pub speaks_for: Option<String>,
    /// Whether a declared identity matched.
    pub verified: bool,
    /// The channel that took it.
    pub channel: Option<Name>,
    /// The channel's revision.
    pub revision: Revision,
    /// Why it exists.
    pub cause: String,
    /// MSH-9.1 and .2, such as `ADT^A01`.
    pub message_type: String,
    /// MSH-9.3, such as `ADT_A01`.
    pub structure: String,
    /// MSH-12.1.
    pub version: String,
    /// MSH-10; what is not UTF-8 shows as U+FFFD.
    pub control_id: String,
    /// The sender's network address, or what made it.
    pub origin: String,
    /// The size of its payload in bytes.
    pub bytes: u64,
    /// SHA-256 of its payload.
    pub digest: Digest,
    /// What it was made from.
    pub parents: Vec<MessageUid>,
    /// Its lanes; `barrier` alone for a barrier.
    pub lanes: Vec<String>,
    /// How many channels it came through before.
    pub hops: u8,
    /// Who asked for it and why.
    pub reason: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Whether its sender waits for a destination's answer.
    pub waits: bool,
    /// What parse and validation let pass.
    pub findings: Vec<Finding>,
    /// What it can be found by.
    pub keys: Vec<Key>,
    /// Its place in IN.
    pub place: Place,
}

impl fmt::Debug for MessageView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageView").field("uid", &self.uid).field("state", &self.state).finish_non_exhaustive()
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted").field("place", &self.place).finish_non_exhaustive()
    }
}

impl MessageView {
    /// The one word for all of it: what needs a person first, then what is under way, then what has ended.
    #[must_use]
    pub fn overall(&self) -> State {
        match self.disposition {
            Some(Disposition::Duplicate) => return State::Duplicate,
            Some(Disposition::Quarantined) => return State::Quarantined,
            None if self.deliveries.is_empty() => return State::NotYetRouted,
            None | Some(Disposition::Routed) => {}
        }
        let rank = |state: State| match state {
            State::Quarantined => 0,
            State::Held => 1,
            State::Parked => 2,
            State::InFlight => 3,
            other => 4 + other.code(),
        };
        let latest = self.deliveries.iter().filter(|delivery| delivery.rerun_as.is_none());
        latest.map(|delivery| delivery.state).min_by_key(|state| rank(*state)).unwrap_or(State::Filtered)
    }
}

/// What is known of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryView {
    /// Its identity, sent as idempotency key.
    pub id: DeliveryId,
    /// Its message.
    pub uid: MessageUid,
    /// Its route.
    pub route: String,
    /// Which piece of a split.
    pub part: u32,
    /// Which re-run.
    pub run: u32,
    /// The run that followed this one.
    pub rerun_as: Option<u32>,
    /// Where it goes; none for a route to a channel.
    pub destination: Option<Name>,
    /// The message made for another channel.
    pub chained: Option<MessageUid>,
    /// Where it stands.
    pub state: State,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// From the message's last byte to the end, in microseconds.
    pub latency_micros: Option<u64>,
    /// How many times it was tried.
    pub attempts: u32,
    /// The destination may have it twice.
    pub possible_duplicate: bool,
    /// What the destination said: `AA`, `200`, `written`.
    pub answer: Option<String>,
    /// Why: of the router, of PARK, of the end.
    pub findings: Vec<Finding>,
    /// Who decided, where a person did.
    pub actor: Option<String>,
    /// Why that person did.
    pub reason: Option<String>,
    /// Why it waits in PARK, or waited: `held`, `rerun`, `paused`, `stalled`, `follows`, `quarantined`.
    pub parked: Option<String>,
    /// Since when.
    pub parked_at: Option<Timestamp>,
    /// The lanes it waits in, while it does; `barrier` alone for a barrier.
    pub lanes: Vec<String>,
    /// Its place in the PARK subject of its destination.
    pub park: Option<u64>,
    /// Its place in OUT.
    pub out: Option<OutPlace>,
    /// The OUTCOME record that ended it: the answer's bytes are there.
    pub outcome_place: Option<Place>,
}

/// A message waiting for a person: itself, or one of its deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantined {
    /// The message, with all its deliveries.
    pub message: MessageView,
    /// The delivery; none where the message was set aside before routing.
    pub delivery: Option<DeliveryView>,
}

/// A message that was not accepted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedView {
    /// When.
    pub at: Timestamp,
    /// Where it came in.
    pub listener: Name,
    /// The sender's network address.
    pub origin: String,
    /// The facility, where one was recognised.
    pub facility: Option<String>,
    /// The channel, where one was chosen.
    pub channel: Option<Name>,
    /// MSH-10, where it could be read.
    pub control_id: String,
    /// MSH-9.1 and .2, where they could be read.
    pub message_type: String,
    /// The acknowledgement code it got.
    pub code: String,
    /// Why.
    pub findings: Vec<Finding>,
    /// Its place in the log, where its first bytes are.
    pub place: Place,
}

impl fmt::Debug for RefusedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusedView").field("place", &self.place).field("code", &self.code).finish_non_exhaustive()
    }
}

/// What a person told the engine to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandView {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What.
    pub verb: String,
    /// On what.
    pub target: String,
    /// Further settings as JSON.
    pub detail: String,
}

/// A message to replay, in the order they are to be replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayItem {
    /// The message.
    pub uid: MessageUid,
    /// Where its payload is.
    pub place: Place,
    /// Its channel.
    pub channel: Option<Name>,
    /// Its facility.
    pub facility: String,
    /// When it was received.
    pub received: Timestamp,
    /// Whether its payload is past its retention: it cannot be replayed.
    pub payload_expired: bool,
}
