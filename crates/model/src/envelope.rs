//! The envelope: what is known of a message from the moment it was accepted, and never changes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::finding::Finding;
use crate::id::{Digest, MessageUid, Revision};
use crate::lane::Lanes;
use crate::name::Name;

/// What is known of an accepted message besides its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// Its identity.
    pub uid: MessageUid,
    /// Where it came in.
    pub listener: Name,
    /// Who sent it.
    pub facility: FacilityRef,
    /// The channel that took it; none where the listener keeps what matches no channel.
    pub channel: Option<Name>,
    /// The channel's revision at acceptance: it is mapped and routed under this one.
    pub revision: Revision,
    /// What it must stay in order with.
    pub lanes: Lanes,
    /// When its last byte was read: the clock a mapping sees.
    pub received: Timestamp,
    /// SHA-256 of the bytes as received.
    pub digest: Digest,
    /// What the bytes are.
    pub format: Format,
    /// MSH-10 as received, bytes and all.
    pub control_id: Bytes,
    /// MSH-9 and MSH-12.
    pub message_type: MessageType,
    /// Why it exists.
    pub cause: Cause,
    /// What it was made from.
    pub parents: Vec<MessageUid>,
    /// The sender's network address, or what made the message.
    pub origin: String,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// What parse and validation found and let pass.
    pub findings: Vec<Finding>,
    /// What it can be searched by.
    pub keys: Vec<SearchKey>,
    /// Whether its sender waits for a destination's answer.
    pub waits: Option<Waits>,
    /// Who asked for it and why, where a person did (replay, edit).
    pub reason: Option<String>,
    /// How many channel-to-channel hops it has made; bounded, so that a loop ends.
    pub hops: u8,
}

/// Who sent a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacilityRef {
    /// The facility's document as `namespace/name`, or the declared MSH-4 where none matched.
    pub name: Arc<str>,
    /// The facility it speaks for, where a gateway sent it.
    pub speaks_for: Option<Arc<str>>,
    /// Whether a declared identity matched.
    pub verified: bool,
}

/// MSH-9 and MSH-12, as received; empty where not valued.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct MessageType {
    /// MSH-9.1, such as `ADT`.
    pub code: Arc<str>,
    /// MSH-9.2, such as `A01`.
    pub event: Arc<str>,
    /// MSH-9.3 or what the event map says, such as `ADT_A01`.
    pub structure: Arc<str>,
    /// MSH-12.1, such as `2.5.1`.
    pub version: Arc<str>,
}

impl MessageType {
    /// `ADT^A01`, for people.
    #[must_use]
    pub fn short(&self) -> String {
        if self.event.is_empty() { self.code.to_string() } else { format!("{}^{}", self.code, self.event) }
    }
}

/// What a message's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Format {
    /// HL7 v2, delimiters (ER7).
    #[default]
    Hl7v2,
}

/// Why a message exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Cause {
    /// A sender sent it.
    #[default]
    Received,
    /// It is a piece of another.
    Split,
    /// It was made from several.
    Merged,
    /// A route of another channel sent it.
    Chained,
    /// It is a destination's answer.
    Response,
    /// A person had it sent again.
    Replayed,
    /// A person edited another and sent it.
    Edited,
    /// A timer made it.
    Scheduled,
}

impl Cause {
    /// The word in text and in the ledger.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Split => "split",
            Self::Merged => "merged",
            Self::Chained => "chained",
            Self::Response => "response",
            Self::Replayed => "replayed",
            Self::Edited => "edited",
            Self::Scheduled => "scheduled",
        }
    }

    /// Whether the duplicate judge leaves it alone: only what a sender sent can be a sender's resend.
    #[must_use]
    pub const fn is_exempt_from_duplicates(self) -> bool {
        !matches!(self, Self::Received)
    }
}

/// One value a message can be found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchKey {
    /// `patient`, or the name in the channel's `index`.
    pub name: Arc<str>,
    /// The value; of a sensitive one the keyed hash in hexadecimal.
    pub value: String,
}

/// A sender that waits for a destination's answer (`ack.after: delivered`, queries).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// The route whose answer it waits for; none where the channel has one route.
    pub route: Option<Arc<str>>,
    /// How long it waits.
    pub timeout: Duration,
    /// Whether the message is a query: nobody wants its answer later, so it ends as expired.
    pub query: bool,
}

impl Waits {
    /// Of a sender that has left: nothing is given back to it and nothing expires, but when it asks again, it is told how
    /// its message ended.
    #[must_use]
    pub fn left(self) -> Self {
        Self { timeout: Duration::ZERO, query: false, ..self }
    }
}
