//! What ingress hands messages to: the log, seen from here.
//!
//! The one rule: a [`Ticket`] resolves to success only when the message is on stable storage. Everything else is about
//! saying no in time, so that a sender keeps what cannot be taken.

use std::time::Duration;

use barid_custody::NotAdmitted;
use barid_model::record::RefusedRecord;
use barid_model::{Digest, Envelope, ErrorClass, Finding, MessageUid, Name, Payload};
use barid_pipeline::Chain;
use futures_util::future::BoxFuture;

/// Resolves when the message is durable, or will not be. Dropping it does not take the message back.
pub type Ticket = BoxFuture<'static, Result<(), AcceptError>>;

/// Takes custody of messages.
pub trait Accept: Send + Sync + 'static {
    /// Queues a message for the log, after all that were submitted before it by the same caller; waits while the queue
    /// is full. What stands in a chain is not stored once the chain is cut, and who cannot store it cuts it: where several
    /// are on their way, a later one would else be stored before its sender knows of the earlier one's refusal.
    ///
    /// # Errors
    /// [`AcceptError`] where it is not taken: it is not in the log and will not be.
    fn submit(
        &self,
        envelope: Envelope,
        raw: Payload,
        chain: Option<Chain>,
    ) -> BoxFuture<'_, Result<Ticket, AcceptError>>;

    /// Keeps what was refused, as far as there is room: never waits, may drop.
    fn refused(&self, record: RefusedRecord);

    /// The key under which this message's sender will find its answer: the same for a resend.
    fn answer_key(&self, envelope: &Envelope) -> Digest;

    /// The answer under a key, as soon as it is there; none after `timeout`.
    fn wait_answer(&self, key: Digest, timeout: Duration) -> BoxFuture<'static, Option<AnswerForSender>>;

    /// Whether messages of this channel are taken now; none: of no channel. Cheap: asked for every message.
    ///
    /// # Errors
    /// [`AcceptError`] where they are not.
    fn admission(&self, channel: Option<&Name>) -> Result<(), AcceptError>;

    /// A resend was recognised and is answered again.
    fn resent(&self, _: &Envelope) {}

    /// Whether this is known to be a sender's resend. Cheap, may forget: the owner of the partition is the judge.
    fn seen(&self, envelope: &Envelope) -> Seen;
}

/// Whether a message came before, as far as ingress knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Not that we know.
    No,
    /// The same bytes, durable under this identity: answered again, not taken again.
    Same(MessageUid),
    /// The control id with other bytes: refused with 205.
    OtherBytes,
}

/// What a waiting sender is told.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerForSender {
    /// What the destination answered, passed on as it is where that can be done (it is an acknowledgement); else told in
    /// an acknowledgement of our own.
    Passed {
        /// The answer.
        answer: Payload,
        /// Whether it means that the message was delivered.
        accepted: bool,
    },
    /// An acknowledgement of our own: the message was delivered, or there was nothing to deliver.
    Accepted,
    /// An acknowledgement of our own: it was rejected, with findings.
    Rejected(Vec<Finding>),
}

/// Why a message is not taken: always for our reasons, so that the sender keeps it and tries again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// Too little space is left for the log.
    #[error("there is no space left to store messages")]
    NoSpace,
    /// A destination of the channel has too much waiting.
    #[error("too many messages wait for a destination of this channel")]
    Backlog,
    /// The channel or destination takes nothing now.
    #[error("the channel is closed")]
    Closed,
    /// The process ends.
    #[error("the exchange is shutting down")]
    ShuttingDown,
    /// The log gave no result in time; the message may be in it, and its resend is then recognised.
    #[error("the message could not be stored in time")]
    Late,
    /// Its facility sends faster than it may, and its turn would come too late.
    #[error("this facility sends faster than it may")]
    TooFast,
    /// One before it on its connection was not taken; taken now it would overtake that one.
    #[error("an earlier message of this connection was not taken: send them again in their order")]
    Earlier,
    /// The log cannot be written, with the reason in words.
    #[error("the message cannot be stored: {0}")]
    Unavailable(String),
}

impl From<NotAdmitted> for AcceptError {
    fn from(why: NotAdmitted) -> Self {
        match why {
            NotAdmitted::NoSpace => Self::NoSpace,
            NotAdmitted::Backlog => Self::Backlog,
            NotAdmitted::Closed => Self::Closed,
            NotAdmitted::ShuttingDown => Self::ShuttingDown,
        }
    }
}

impl AcceptError {
    /// What the caller may do.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Retryable
    }

    /// After how many seconds a sender should try again.
    #[must_use]
    pub const fn retry_after(&self) -> u64 {
        match self {
            Self::NoSpace | Self::Backlog | Self::Closed => 30,
            Self::TooFast => 10,
            Self::ShuttingDown | Self::Late | Self::Earlier | Self::Unavailable(_) => 5,
        }
    }

    /// What happens to the sender's messages, in the words of the log; none where that was told already.
    #[must_use]
    pub const fn told(&self) -> Option<&'static str> {
        Some(match self {
            Self::Earlier => return None,
            Self::NoSpace => "messages are refused for the time being: there is no space left to store them",
            Self::Backlog => {
                "messages are refused for the time being: too many wait for a destination of their channel"
            }
            Self::Closed => "messages are refused for the time being: their channel is closed, by command or document",
            Self::ShuttingDown => "messages are refused: the exchange is shutting down",
            Self::TooFast => "messages are refused for the time being: their facility sends faster than it may",
            Self::Late => "messages are refused for the time being: they cannot be stored in time",
            Self::Unavailable(_) => "messages are refused for the time being: they cannot be checked or stored",
        })
    }

    /// The word in metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NoSpace => "no_space",
            Self::Backlog => "backlog",
            Self::Closed => "closed",
            Self::ShuttingDown => "shutting_down",
            Self::TooFast => "rate",
            Self::Late => "late",
            Self::Earlier => "earlier",
            Self::Unavailable(_) => "unavailable",
        }
    }
}
