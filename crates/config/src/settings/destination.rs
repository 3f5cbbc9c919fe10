//! A destination as it is sent to.

use std::time::Duration;

use barid_model::Name;

use super::listener::MllpRelease;
use super::secret::{Secret, SecretFile};
use crate::document::{AnswerThen, AwaitAck, DestinationState, OnFull, OnReject, OnUnmappable, SegmentEnds};
use crate::expression::Expression;

/// A destination as it is sent to.
#[derive(Debug, Clone, PartialEq)]
pub struct DestinationSpec {
    /// Its name.
    pub name: Name,
    /// Its name for people.
    pub display_name: String,
    /// How it is reached.
    pub connect: Connect,
    /// TLS; none: plain, or what an `https:` URL needs.
    pub tls: Option<TlsClient>,
    /// How long it may take to answer.
    pub timeout: Duration,
    /// How it is tried again when it cannot be reached.
    pub retry: RetrySettings,
    /// Messages of a lane sent ahead of their durable outcomes.
    pub repeat_bound: usize,
    /// What its answers mean; the first that matches decides.
    pub answers: Vec<AnswerSettings>,
    /// What becomes of a message it refuses.
    pub on_reject: OnReject,
    /// How messages are written for it.
    pub outbound: OutboundSettings,
    /// How much may wait for it.
    pub backlog: BacklogSettings,
    /// Whether it is sent to; a pause by command overrides it.
    pub state: DestinationState,
}

impl DestinationSpec {
    /// How many connections are held open: how many messages may be on their way at once.
    #[must_use]
    pub const fn connections(&self) -> usize {
        match &self.connect {
            Connect::Mllp(mllp) => mllp.connections,
            Connect::Http(http) => http.connections,
            Connect::File(_) => 1,
        }
    }

    /// Whether a change from `older` needs new connections; all else takes effect on the ones there are.
    #[must_use]
    pub fn needs_new_connections(&self, older: &Self) -> bool {
        self.connect != older.connect || self.tls != older.tls
    }
}

/// How a destination is reached.
#[derive(Debug, Clone, PartialEq)]
pub enum Connect {
    /// MLLP frames.
    Mllp(MllpConnect),
    /// HTTP requests.
    Http(HttpConnect),
    /// One file a message.
    File(FileConnect),
}

impl Connect {
    /// The word for metrics and tables.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Mllp(_) => "mllp",
            Self::Http(_) => "http",
            Self::File(_) => "file",
        }
    }
}

/// An MLLP receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct MllpConnect {
    /// `host:port`, at least one; several are tried in turn.
    pub endpoints: Vec<String>,
    /// Connections held open.
    pub connections: usize,
    /// Its release of MLLP.
    pub release: MllpRelease,
    /// Which of its words makes a message delivered.
    pub await_ack: AwaitAck,
}

/// An HTTP receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpConnect {
    /// Its URL.
    pub url: String,
    /// POST or PUT.
    pub method: String,
    /// Content-Type; none: HL7 v2 with the charset it is written in.
    pub content_type: Option<String>,
    /// Further headers.
    pub headers: Vec<HeaderSettings>,
    /// How Barid proves who it is.
    pub credentials: Option<HttpCredentials>,
    /// Header that carries the delivery's id.
    pub idempotency_header: String,
    /// Connections held open.
    pub connections: usize,
}

/// One HTTP header.
#[derive(Debug, Clone, PartialEq)]
pub struct HeaderSettings {
    /// Its name.
    pub name: String,
    /// What gives its text.
    pub value: Expression,
}

/// How Barid proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpCredentials {
    /// A bearer token.
    Bearer(Secret),
    /// User and password.
    Basic {
        /// The user's name.
        username: String,
        /// Where the password is to be read.
        password: Secret,
    },
}

/// Files.
#[derive(Debug, Clone, PartialEq)]
pub struct FileConnect {
    /// The folder; relative ones are inside the data directory.
    pub directory: String,
    /// What gives the file's name.
    pub name: Expression,
    /// Permission bits of its files, within 0o600 to 0o666.
    pub mode: u32,
}

/// TLS towards a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsClient {
    /// Who signs its certificate; none: the public authorities.
    pub ca: Option<SecretFile>,
    /// The certificate chain and key that Barid shows.
    pub certificate: Option<(SecretFile, SecretFile)>,
    /// The name its certificate has to carry; none: the host of the endpoint.
    pub server_name: Option<String>,
}

/// How a destination is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySettings {
    /// First pause.
    pub initial: Duration,
    /// Longest pause.
    pub max: Duration,
    /// How often in a row a message may get no answer while others are answered.
    pub unanswered: u32,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerSettings {
    /// When.
    pub when: Expression,
    /// What it means then.
    pub then: AnswerThen,
}

/// How messages are written for a destination.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboundSettings {
    /// Charset as HL7 table 0211 names it; none: as received.
    pub charset: Option<String>,
    /// What becomes of characters that charset does not have.
    pub on_unmappable: OnUnmappable,
    /// How segments end.
    pub segment_ends: SegmentEnds,
}

/// How much may wait for a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacklogSettings {
    /// Most messages.
    pub messages: u64,
    /// Longest wait of the oldest; none: no bound.
    pub age: Option<Duration>,
    /// What happens then.
    pub on_full: OnFull,
}
