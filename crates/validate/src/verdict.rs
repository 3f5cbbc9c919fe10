//! What the parse stage says of a message.

use std::sync::Arc;

use barid_hl7::{Header, ack};
use barid_model::{Envelope, Finding, MessageType, Name};

/// The verdict.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Acceptable: make it durable, then acknowledge.
    Accept(Box<Accepted>),
    /// Not acceptable.
    Reject(Box<Rejected>),
    /// An acknowledgement that was sent to a listener: answering it would be a loop.
    NoReply(Box<Unanswered>),
}

/// An acceptable message.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// What is known of it, to be recorded with it. A finding of severity error in it asks for quarantine before
    /// routing; one that is only logged is a warning.
    pub envelope: Envelope,
    /// Its header, to answer with.
    pub header: Header,
    /// Which acknowledgement it gets.
    pub ack: ack::Mode,
    /// Whether it is itself a response (it has MSA): those are answered only where MSH-15 asks.
    pub is_response: bool,
}

/// A message that is not accepted.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// What its sender is told.
    pub refusal: Refusal,
    /// Why.
    pub findings: Vec<Finding>,
    /// Its header, or what could be read of it, to answer with.
    pub header: Header,
    /// MSH-9 and MSH-12, where they could be read.
    pub message_type: MessageType,
    /// The facility, where one was recognised.
    pub facility: Option<Arc<str>>,
    /// The channel, where one was chosen.
    pub channel: Option<Name>,
    /// Which acknowledgement it gets.
    pub ack: ack::Mode,
    /// Whether it is itself a response.
    pub is_response: bool,
}

/// What kind of refusal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Its content is wrong (AE, CE).
    Error,
    /// It is nothing that is taken here (AR, CR).
    Reject,
    /// For our reasons: the same message may be taken later (AE or CE with 207). Not kept with the refused.
    Retry,
}

/// An acknowledgement that came to a listener.
#[derive(Debug, Clone)]
pub struct Unanswered {
    /// MSH-9 and MSH-12.
    pub message_type: MessageType,
}
