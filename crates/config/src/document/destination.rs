//! Destination: a system that receives.

use serde::{Deserialize, Serialize};

use barid_transform::document::Outbound;

use super::{AllowedFrom, Period, SecretName, SecretValue, is_empty};

/// A system that receives. Exactly one of `mllp`, `http` and `file`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Destination {
    /// Its name for people. Default: the document's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// HL7 v2 in MLLP frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mllp: Option<MllpTarget>,
    /// HTTP requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpTarget>,
    /// One file a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileTarget>,
    /// TLS towards it; with `http` only what an `https:` URL does not say. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TargetTls>,
    /// How long it may take to answer, `100ms` to `10m`. Default `30s`; then the connection is closed and the message tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
    /// How it is tried again when it cannot be reached: for ever, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Messages of a lane sent ahead of their durable outcomes: how many a crash can repeat, 1 to 64. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_bound: Option<u16>,
    /// What its answers mean, where their own class is not what is meant; the first that matches decides. At most 32.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub answers: Vec<AnswerRule>,
    /// What becomes of a message it refuses (AE, AR, HTTP 4xx). Default `quarantine`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_reject: Option<OnReject>,
    /// How messages are written for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outbound: Option<Outbound>,
    /// How much may wait for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backlog: Option<Backlog>,
    /// Whether it is sent to. Default `running`. A pause by command overrides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<DestinationState>,
    /// Which other namespaces' channels may send to it. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_from: Option<AllowedFrom>,
}

/// An MLLP receiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MllpTarget {
    /// `host:port`; several are tried in turn when one fails. 1 to 8.
    pub endpoints: Vec<String>,
    /// Connections held open, 1 to 64. Default 1. Order within a lane holds with any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u16>,
    /// MLLP release: 1, or 2 with its commit acknowledgements. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<u8>,
    /// Which word of the receiver makes a message delivered, where it sends several (enhanced mode, release 2). Default
    /// `first`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub await_ack: Option<AwaitAck>,
}

/// Which word of an MLLP receiver makes a message delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AwaitAck {
    /// Its first acknowledgement: AA, or CA in enhanced mode.
    #[default]
    First,
    /// Its application acknowledgement; a CA before it is let pass.
    Application,
    /// Its commit block alone; needs release 2.
    Commit,
}

/// An HTTP receiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpTarget {
    /// `http://` or `https://` URL, without user and password.
    pub url: String,
    /// POST or PUT. Default `POST`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Content-Type. Default `application/hl7-v2`, with the charset where `outbound` sets one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Further headers. At most 32.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub headers: Vec<Header>,
    /// How Barid proves who it is. Default: not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<HttpAuth>,
    /// Header that carries the delivery's id: equal for every repeat. Default `Idempotency-Key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_header: Option<String>,
    /// Connections held open, 1 to 64. Default 4. Order within a lane holds with any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u16>,
}

/// One HTTP header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Expression that gives its text; an empty text leaves the header out.
    pub value: String,
}

/// How Barid proves who it is: exactly one of `bearer` and `basic`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpAuth {
    /// A bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer: Option<SecretValue>,
    /// User and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuth>,
}

/// User and password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicAuth {
    /// The user's name.
    pub username: String,
    /// The password.
    pub password: SecretValue,
}

/// Files: each written whole under a temporary name, synced, then renamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileTarget {
    /// The folder; relative ones are inside the data directory. Made where it is missing.
    pub directory: String,
    /// Expression that gives the file's name. Folders in it are made; characters that systems stumble over become `_`;
    /// a message whose name has `..` is set aside. Default: uid, route and part, with `.hl7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who may read the files, in octal: `"0600"`, `"0640"`, `"0660"` and the like, owners always read and write. Folders
    /// that are made for them get the same, and may be entered. The data directory is its owner's alone, so readers
    /// of another user need a folder outside of it. Default: `"0600"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// TLS towards a destination.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetTls {
    /// Who signs its certificate: `ca.crt` of a secret. Default: the public authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<SecretName>,
    /// What Barid shows: `tls.crt` and `tls.key` of a secret. Default: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<SecretName>,
    /// The name its certificate has to carry. Default: the host of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// How a destination is tried again: the pause doubles from `initial` to `max`, with jitter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// First pause, `10ms` or more. Default `1s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial: Option<Period>,
    /// Longest pause, at most `1h`. Default `5m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Period>,
    /// How often in a row one and the same message may get no answer (silence, a closed connection, garbage, HTTP 500, 502
    /// or 504) while others are answered in between, 2 to 1000. Default 5. Then `onReject` decides, as if it had been
    /// refused. Where nothing else is answered it counts for nothing: the destination may be down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<u32>,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnswerRule {
    /// Expression over `answer.code`, `answer.status`, `answer.error`, `answer.text`, `attempts`.
    pub when: String,
    /// What it means then.
    pub then: AnswerThen,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AnswerThen {
    /// The destination has it.
    Delivered,
    /// Try again; the lane waits.
    Retry,
    /// Set aside; the lane goes on.
    Quarantine,
    /// The lane waits for a person.
    Hold,
}

/// What becomes of a message that a destination refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnReject {
    /// Set aside; the lane goes on.
    #[default]
    Quarantine,
    /// The lane waits for a person.
    Hold,
    /// Try again; the lane waits.
    Retry,
}

/// How much may wait for a destination; at a bound only channels that route there are touched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backlog {
    /// Most messages. Default 1000000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
    /// Longest wait of the oldest. Default: no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<Period>,
    /// What happens then. Default `refuse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_full: Option<OnFull>,
}

/// What happens when a destination's backlog is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnFull {
    /// New messages of channels that route there are refused (207, HTTP 503).
    #[default]
    Refuse,
    /// New deliveries for it are quarantined.
    Quarantine,
}

/// Whether a destination is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DestinationState {
    /// It is sent to.
    #[default]
    Running,
    /// Its messages wait.
    Paused,
}
