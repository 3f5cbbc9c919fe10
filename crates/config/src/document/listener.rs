//! Listener: where messages enter.

use serde::{Deserialize, Serialize};

use super::{AckMode, AllowedFrom, Period, SecretName, Size, is_empty};

/// Where messages enter. Exactly one of `mllp` and `https`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// HL7 v2 in MLLP frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mllp: Option<MllpListener>,
    /// HL7 v2 in HTTP requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https: Option<HttpsListener>,
    /// TLS. Default: none, the connection is plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
    /// The weakest proof of identity it takes. Default `declared`: MSH-3 and MSH-4 are believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identify: Option<Identify>,
    /// What becomes of a message that no channel takes. Default `reject` (AR, HTTP 422); `accept` keeps it, visible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_unmatched: Option<OnUnknown>,
    /// What becomes of a sender that matches no Facility. Default `reject`; `accept` takes its MSH-4 as its name, unverified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_facility: Option<OnUnknown>,
    /// How its senders are answered, where their channel says nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack: Option<ListenerAck>,
    /// Bounds of each connection and of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<ListenerLimits>,
    /// Which other namespaces' channels may read from it. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_from: Option<AllowedFrom>,
}

/// An MLLP port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MllpListener {
    /// TCP port, 1 to 65535; 0 takes any free one.
    pub port: u16,
    /// IP address to listen on. Default `0.0.0.0`: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// MLLP release: 1, or 2 with its commit acknowledgements. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<u8>,
    /// How frames that bend the rules are taken. Default `tolerant`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<MllpMode>,
    /// Most unanswered frames of one connection, 1 to 1024. Default 64; then its socket is not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<u16>,
}

/// How frames that bend the rules are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MllpMode {
    /// Taken where it is certain what was meant, with a finding.
    Tolerant,
    /// The connection is closed.
    Strict,
}

/// An HTTPS port; plain HTTP where the listener has no `tls`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpsListener {
    /// TCP port, 1 to 65535; 0 takes any free one.
    pub port: u16,
    /// IP address to listen on. Default `0.0.0.0`: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Paths that take messages; others answer 404. Default `/` alone. At most 64.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub paths: Vec<String>,
}

/// TLS of a listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerTls {
    /// The certificate chain and key it shows: `tls.crt` and `tls.key` of a secret. Read again when the files change.
    pub certificate: SecretName,
    /// Whether senders show a certificate. Default `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
    /// Who signs senders' certificates: `ca.crt` of a secret. Default: that of `certificate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<SecretName>,
}

/// Whether senders show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientAuth {
    /// None is asked for.
    None,
    /// Asked for; a connection without one is taken.
    Optional,
    /// A connection without a valid one is refused.
    Required,
}

/// The weakest proof of identity a listener takes, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Identify {
    /// A client certificate.
    Certificate,
    /// A bearer token (HTTPS).
    Token,
    /// The network address.
    Address,
    /// MSH-3 and MSH-4, as declared.
    Declared,
}

/// What becomes of what is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnUnknown {
    /// Refused and recorded.
    Reject,
    /// Accepted and visible.
    Accept,
}

/// How a listener's senders are answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerAck {
    /// Which acknowledgements are sent.
    pub mode: AckMode,
}

/// Bounds of a listener. At a bound the sender is refused or not read; nothing accepted is dropped.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerLimits {
    /// Most bytes of one message, 1Ki to 256Mi. Default `16Mi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_bytes: Option<Size>,
    /// Most connections at once, 1 to 65536. Default 1024.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// A connection that sends nothing for so long is closed. Default `10m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Period>,
    /// How long one frame or request may take to arrive whole. Default `60s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<Period>,
    /// Most bytes kept of a refused message, so that people see why. Default `64Ki`; `0B` keeps none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_bytes: Option<Size>,
}
