//! What became of one attempt to send: an answer with its class, a failure on the way, or a message that this
//! connector cannot send at all.

use std::fmt;
use std::time::Duration;

use barid_model::record::Answer;
use barid_model::{ErrorClass, Finding};
use bytes::Bytes;

/// What became of one attempt.
#[derive(Debug, Clone)]
pub enum Sent {
    /// The receiver answered this very message.
    Answered(Answered),
    /// No answer that is certainly this message's: it is sent again, for ever, in order.
    Failed(TransportError),
    /// The message cannot be sent here, now or later (a block character in an MLLP payload, no MSH-10 to match the
    /// answer by, a file name that does not evaluate). Retrying would block its lane for ever, so it is set aside.
    Unsendable(Finding),
}

impl Sent {
    /// Why this attempt may be the message's own fault, where it may: it was on an open connection, and what came back
    /// was nothing, a closed connection, or a server's crash. A receiver that is away looks the same, so only what
    /// becomes of other messages tells the two apart. Without a word of the receiver's own text.
    #[must_use]
    pub fn suspicion(&self) -> Option<String> {
        match self {
            Self::Failed(error) => error.kind.may_be_the_message().then(|| error.to_string()),
            Self::Answered(Answered { class: AnswerClass::Unavailable { .. }, status: Some(status), .. }) => {
                CRASHES.contains(status).then(|| format!("HTTP status {status}"))
            }
            Self::Answered(_) | Self::Unsendable(_) => None,
        }
    }

    /// What came of it in words, without a word of the receiver's own text: that may hold patient data.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Failed(error) => error.to_string(),
            Self::Unsendable(finding) => finding.text.clone(),
            Self::Answered(answered) if answered.error.is_empty() => format!("answered {}", answered.answer.code),
            Self::Answered(answered) => format!("answered {}, {}", answered.answer.code, answered.error_in_words()),
        }
    }
}

/// HTTP statuses of a server, or of a proxy before it, that failed on a request.
const CRASHES: [u16; 3] = [500, 502, 504];

/// A receiver's answer.
#[derive(Clone)]
pub struct Answered {
    /// What it means before any rule of the destination.
    pub class: AnswerClass,
    /// HTTP status, where the receiver speaks HTTP.
    pub status: Option<u16>,
    /// MSA-1 of its acknowledgement; empty where it sent none.
    pub code: String,
    /// The first table 0357 code it names, such as `207`; empty where it names none.
    pub error: String,
    /// The receiver's own words (MSA-3, ERR-8 or the HTTP reason), for rules only: it may hold patient data.
    pub text: String,
    /// Code and bytes as they are recorded.
    pub answer: Answer,
}

impl Answered {
    /// An acceptance without an HL7 acknowledgement, recorded under this code.
    #[must_use]
    pub fn accepted(code: &str, bytes: Bytes) -> Self {
        Self {
            class: AnswerClass::Accepted,
            status: None,
            code: String::new(),
            error: String::new(),
            text: String::new(),
            answer: Answer { code: code.to_owned(), bytes: bytes.into() },
        }
    }

    /// The error it names; receivers put anything there, so only what is certainly a code is repeated.
    pub(super) fn error_in_words(&self) -> String {
        let is_code = self.error.len() <= 5 && self.error.bytes().all(|byte| byte.is_ascii_digit());
        if is_code { format!("error {}", self.error) } else { "an error code of its own".to_owned() }
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered")
            .field("class", &self.class)
            .field("status", &self.status)
            .field("answer", &self.answer)
            .finish_non_exhaustive()
    }
}

/// What an answer means by its protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerClass {
    /// AA, CA, 2xx, written.
    Accepted,
    /// AE, AR, CE, CR, 3xx, 4xx.
    Rejected,
    /// The receiver says that it cannot take anything now: HTTP 401, 407, 408, 425, 429 and 5xx. As good as a
    /// transport failure, but an answer that rules can judge.
    Unavailable {
        /// How long it asked us to wait (Retry-After); the owner bounds it by `retry.max`.
        retry_after: Option<Duration>,
    },
}

/// Why no answer was had. The text names places and limits, never content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {text}")]
pub struct TransportError {
    /// What failed.
    pub kind: TransportKind,
    /// In words, with the endpoint and the remedy where there is one.
    pub text: String,
    /// Whether the receiver may have the message: all of it was written before the failure. The next attempt is then
    /// a possible duplicate.
    pub may_have_arrived: bool,
}

impl TransportError {
    /// A failure before the message was out.
    #[must_use]
    pub fn new(kind: TransportKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), may_have_arrived: false }
    }

    /// A failure after the whole message was written.
    #[must_use]
    pub fn after_write(kind: TransportKind, text: impl Into<String>) -> Self {
        Self { may_have_arrived: true, ..Self::new(kind, text) }
    }

    /// What the caller may do: all of these may pass, so none is given up.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Retryable
    }
}

/// What failed on the way: a closed list, for metrics and the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportKind {
    /// No endpoint could be resolved or connected to.
    Connect,
    /// TLS was refused or broke; certificates could not be read.
    Tls,
    /// Nothing came within the time.
    Timeout,
    /// The receiver closed or reset the connection.
    Closed,
    /// An answer came that names another message.
    Mismatch,
    /// What came is no answer: garbage, too large, or more than one.
    Garbled,
    /// The receiver could not store it (MLLP release 2 negative commit).
    Busy,
    /// The target directory or disk failed.
    Storage,
    /// A credential is missing or unreadable.
    Secret,
}

impl TransportKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Closed,
        Self::Mismatch,
        Self::Garbled,
        Self::Busy,
        Self::Storage,
        Self::Secret,
    ];

    /// Whether a message that the receiver cannot bear ends like this: it had a connection, and no answer.
    #[must_use]
    pub const fn may_be_the_message(self) -> bool {
        match self {
            Self::Timeout | Self::Closed | Self::Mismatch | Self::Garbled | Self::Busy => true,
            Self::Connect | Self::Tls | Self::Storage | Self::Secret => false,
        }
    }

    /// The word in metrics and the status.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Mismatch => "mismatch",
            Self::Garbled => "garbled",
            Self::Busy => "busy",
            Self::Storage => "storage",
            Self::Secret => "secret",
        }
    }
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
