//! A listener as it runs.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use barid_model::Name;

use super::secret::SecretFile;
use crate::document::{AckMode, ClientAuth, Identify, MllpMode, OnUnknown};

/// A listener as it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct ListenerSpec {
    /// Its name.
    pub name: Name,
    /// IP address and port; port 0 takes any free one.
    pub socket: SocketAddr,
    /// What it speaks.
    pub transport: ListenerTransport,
    /// TLS; none: plain.
    pub tls: Option<TlsServer>,
    /// The weakest proof of identity it takes.
    pub identify: Identify,
    /// What becomes of a message that no channel takes.
    pub on_unmatched: OnUnknown,
    /// What becomes of a sender that matches no facility.
    pub unknown_facility: OnUnknown,
    /// Which acknowledgements are sent where no channel says it.
    pub ack_mode: AckMode,
    /// Its bounds.
    pub limits: LimitSettings,
}

impl ListenerSpec {
    /// Whether a change from `older` needs another socket; all else takes effect without touching connections.
    #[must_use]
    pub fn needs_new_socket(&self, older: &Self) -> bool {
        self.socket != older.socket
            || std::mem::discriminant(&self.transport) != std::mem::discriminant(&older.transport)
            || self.tls.is_some() != older.tls.is_some()
    }

    /// The IP address it listens on.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.socket.ip()
    }
}

/// What a listener speaks.
#[derive(Debug, Clone, PartialEq)]
pub enum ListenerTransport {
    /// HL7 v2 in MLLP frames.
    Mllp(MllpSettings),
    /// HL7 v2 in HTTP requests.
    Http(HttpSettings),
}

/// The release of MLLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MllpRelease {
    /// Frames alone.
    One,
    /// With commit acknowledgements.
    Two,
}

/// MLLP.
#[derive(Debug, Clone, PartialEq)]
pub struct MllpSettings {
    /// Its release.
    pub release: MllpRelease,
    /// How frames that bend the rules are taken.
    pub mode: MllpMode,
    /// Most unanswered frames of a connection.
    pub pipeline: usize,
}

/// HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpSettings {
    /// Paths that take messages.
    pub paths: Vec<String>,
}

/// TLS of a listener.
#[derive(Debug, Clone, PartialEq)]
pub struct TlsServer {
    /// Its certificate chain.
    pub certificate: SecretFile,
    /// Its private key.
    pub key: SecretFile,
    /// Whether senders show a certificate.
    pub client_auth: ClientAuth,
    /// Who signs senders' certificates; none where none is asked for.
    pub ca: Option<SecretFile>,
}

/// Bounds of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSettings {
    /// Most bytes of one message.
    pub message_bytes: usize,
    /// Most connections at once.
    pub connections: usize,
    /// A connection that sends nothing for so long is closed.
    pub idle: Duration,
    /// How long one frame or request may take to arrive whole.
    pub frame: Duration,
    /// Most bytes kept of a refused message.
    pub refused_bytes: usize,
}
