//! The records of the log: what each subject holds, and how it is written as bytes.
//!
//! A record is a protobuf message with a version, so that a newer Barid reads what an older one wrote and unknown
//! fields of a newer one are passed over. The payload is a field of its own, sliced out of the record without a copy.
//! Reading is strict: a record that lacks what its kind needs is an error that names the field, never a guess.

mod decode;
mod encode;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::envelope::{Envelope, MessageType, Waits};
use crate::finding::Finding;
use crate::id::{DeliveryId, Digest, MessageUid, Revision};
use crate::lane::{Lanes, Partition};
use crate::name::Name;
use crate::outcome::{Disposition, Outcome};
use crate::payload::Payload;

/// The version this Barid writes.
pub const RECORD_VERSION: u32 = 1;

/// A record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The bytes are no record at all.
    #[error("not a record: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// It was written by a version this Barid does not know.
    #[error("record version {0} is newer than this Barid reads ({RECORD_VERSION}): upgrade before opening this log")]
    Version(u32),
    /// A field that its kind needs is missing or out of range.
    #[error("record lacks a valid {0}")]
    Field(&'static str),
}

/// IN: an accepted message.
#[derive(Debug, Clone, PartialEq)]
pub struct InRecord {
    /// What is known of it.
    pub envelope: Envelope,
    /// What the router made it from, where it is a chained message: how a rerun knows that it is there already.
    pub source: Option<Source>,
    /// The bytes as received.
    pub raw: Payload,
}

/// Which of a partition's two IN subjects a position belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Intake {
    /// What listeners, replays and edits wrote.
    Received,
    /// What the router wrote for routes to other channels.
    Chained,
}

/// The place in IN an output was made from: how a rerun knows what is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The partition.
    pub partition: Partition,
    /// Which of its IN subjects.
    pub intake: Intake,
    /// The position there.
    pub position: u64,
    /// The order of the route and part within the message's outputs.
    pub output: u32,
    /// How far the router had come in the *other* IN subject of the partition when it wrote this. The last record of a
    /// subject so tells a new owner all that was written there before, from both.
    pub other: u64,
}

impl Source {
    /// Whether an output made from `candidate` is already there, where `self` is the source of the subject's last
    /// record.
    #[must_use]
    pub fn covers(&self, candidate: &Self) -> bool {
        if self.intake == candidate.intake {
            (candidate.position, candidate.output) <= (self.position, self.output)
        } else {
            candidate.position <= self.other
        }
    }
}

/// OUT: one piece for one route, ready for its destination or set aside.
#[derive(Debug, Clone, PartialEq)]
pub struct OutRecord {
    /// Its identity and idempotency key.
    pub id: DeliveryId,
    /// The message it belongs to.
    pub uid: MessageUid,
    /// What it was made from.
    pub source: Source,
    /// The channel.
    pub channel: Name,
    /// The revision it was made under.
    pub revision: Revision,
    /// The route's name.
    pub route: Arc<str>,
    /// Which piece of a split.
    pub part: u32,
    /// Which re-run.
    pub run: u32,
    /// Where it goes.
    pub destination: Name,
    /// Who sent the message.
    pub facility: Arc<str>,
    /// What it must stay in order with.
    pub lanes: Lanes,
    /// When the message was received.
    pub received: Timestamp,
    /// MSH-9 and MSH-12 of the received message.
    pub message_type: MessageType,
    /// Set where it is not to be sent: why it was quarantined before delivery.
    pub set_aside: Option<Vec<Finding>>,
    /// A sender that waits for this delivery's answer.
    pub waits: Option<WaitingCaller>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The bytes to send.
    pub payload: Payload,
}

/// The key under which a waiting sender finds the answer, and what it waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingCaller {
    /// Hash of facility, control id and SHA-256: the same for a resend.
    pub key: Digest,
    /// What it waits for.
    pub waits: Waits,
}

/// ROUTED: what the router made of a message; one a message.
#[derive(Debug, Clone, PartialEq)]
pub struct RoutedRecord {
    /// The message.
    pub uid: MessageUid,
    /// Its place in IN (`output` is 0).
    pub source: Source,
    /// When.
    pub at: Timestamp,
    /// What became of it.
    pub disposition: Disposition,
    /// The message it repeats, where it is a duplicate.
    pub duplicate_of: Option<MessageUid>,
    /// Why it was quarantined.
    pub findings: Vec<Finding>,
    /// Its deliveries.
    pub deliveries: Vec<RoutedDelivery>,
}

/// One delivery as the router made it.
#[derive(Debug, Clone, PartialEq)]
pub struct RoutedDelivery {
    /// Its identity.
    pub id: DeliveryId,
    /// The route.
    pub route: Arc<str>,
    /// Which piece.
    pub part: u32,
    /// Its destination; none for a route to a channel.
    pub destination: Option<Name>,
    /// Its place in OUT, in the partition of the message; none for a route to a channel, for what ended at once, and
    /// where a rerun found the record already there (PARK and OUTCOME name the place again).
    pub out: Option<u64>,
    /// Where it ended at once: filtered, or delivered into another channel.
    pub outcome: Option<Outcome>,
    /// The message made for another channel.
    pub chained: Option<MessageUid>,
    /// Why it is set aside or was filtered.
    pub findings: Vec<Finding>,
}

/// OUTCOME: how a delivery ended, or that it waits for a person.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeRecord {
    /// The delivery.
    pub id: DeliveryId,
    /// Its message.
    pub uid: MessageUid,
    /// Its route.
    pub route: Arc<str>,
    /// Its piece.
    pub part: u32,
    /// Its re-run.
    pub run: u32,
    /// Its destination.
    pub destination: Name,
    /// Its place in OUT.
    pub out: (Partition, u64),
    /// Its place in PARK, where it came from there or waits there.
    pub park: Option<u64>,
    /// How it ended; none while it is parked.
    pub outcome: Option<Outcome>,
    /// When.
    pub at: Timestamp,
    /// How many times it was sent or tried.
    pub attempts: u32,
    /// Sent at or below the send limit of a crashed owner: the destination may have it twice.
    pub possible_duplicate: bool,
    /// What the destination said.
    pub answer: Option<Answer>,
    /// Why: findings without data.
    pub findings: Vec<Finding>,
    /// Who decided, where a person did.
    pub actor: Option<String>,
    /// Why that person did.
    pub reason: Option<String>,
    /// The key under which a sender that waits finds its answer: who finds this record without that answer writes it.
    pub awaited: Option<Digest>,
}

/// What a destination answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// `AA`, `AE`, `200`, `written` and the like.
    pub code: String,
    /// The answer's bytes, cut at [`ANSWER_BYTES_MAX`] unless a sender waits for them.
    pub bytes: Payload,
}

/// Most bytes of an answer that are kept for people; a waiting sender gets its answer whole.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// An answer for a sender that waits: written under its key when the delivery's outcome is durable, and kept for the
/// duplicate window, so that the first sending and every resend get the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerRecord {
    /// How the delivery ended: delivered or rejected are the destination's word, all others ours.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// What the destination answered, whole.
    pub answer: Answer,
    /// Why there is no answer of a destination, in findings without data.
    pub findings: Vec<Finding>,
}

/// PARK: a delivery that waits, with the reason.
#[derive(Debug, Clone, PartialEq)]
pub struct ParkRecord {
    /// Why it waits.
    pub why: Parked,
    /// When it was parked.
    pub at: Timestamp,
    /// Its place in OUT, or of the run before.
    pub out: (Partition, u64),
    /// How often it had been tried.
    pub attempts: u32,
    /// The destination may have it already.
    pub possible_duplicate: bool,
    /// Why, in findings without data.
    pub findings: Vec<Finding>,
    /// What the destination said.
    pub answer: Option<Answer>,
    /// The delivery.
    pub delivery: OutRecord,
}

/// Why a delivery is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Parked {
    /// Its lane waits for a person because of it.
    Held,
    /// A person has it sent again; it waits its turn at the end of its lanes.
    Rerun,
    /// Its channel is paused.
    Paused,
    /// Its lane kept the window's start for too long.
    Stalled,
    /// It follows a parked one in a lane.
    Follows,
    /// It is set aside; its lane goes on.
    Quarantined,
}

impl Parked {
    /// The word in text and in the ledger.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Rerun => "rerun",
            Self::Paused => "paused",
            Self::Stalled => "stalled",
            Self::Follows => "follows",
            Self::Quarantined => "quarantined",
        }
    }
}

/// What a PARK subject holds, in order: what was parked, and what is over. It so tells its own state: after a restart
/// nothing else has to be read to know who still waits.
#[derive(Debug, Clone, PartialEq)]
pub enum ParkEvent {
    /// A delivery was parked.
    Parked(Box<ParkRecord>),
    /// The delivery parked at this position waits no more.
    Ended(u64),
    /// The delivery parked at this position came back, was refused, and now its lanes wait for a person.
    Held {
        /// The position.
        position: u64,
        /// The destination may have it already.
        possible_duplicate: bool,
    },
    /// A person let the delivery that was held at this position, and its lanes, go on: from here on it may be sent.
    Released(u64),
}

/// REFUSED: a message that was not accepted, kept apart up to a bound so that a person can see why.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusedRecord {
    /// When.
    pub at: Timestamp,
    /// Where it came in.
    pub listener: Name,
    /// The sender's network address.
    pub origin: String,
    /// The facility, where one was recognised.
    pub facility: Option<Arc<str>>,
    /// The channel, where one was chosen.
    pub channel: Option<Name>,
    /// MSH-10, where it could be read.
    pub control_id: Bytes,
    /// MSH-9 and MSH-12, where they could be read.
    pub message_type: MessageType,
    /// The acknowledgement code it got, such as `AE`.
    pub code: String,
    /// Why.
    pub findings: Vec<Finding>,
    /// The first bytes of it, up to the listener's bound for refused messages.
    pub raw: Payload,
}

/// COMMAND: what a person told the engine to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRecord {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What: `pause`, `resume`, `replay`, `discard`, `rerun`, `resend`, `release`.
    pub verb: String,
    /// On what: a channel, destination, uid, delivery or lane.
    pub target: String,
    /// Further settings as JSON, without patient data.
    pub detail: String,
}

/// A kind of record that can be written to and read from the log.
pub trait Record: Sized {
    /// The record as bytes.
    fn encode(&self) -> Bytes;
    /// Reads it back.
    ///
    /// # Errors
    /// [`RecordError`] where the bytes are not a record of this kind.
    fn decode(bytes: Bytes) -> Result<Self, RecordError>;
}
