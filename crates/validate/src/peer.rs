//! What a connection proves of its other end, found out once a connection or request.

use std::net::IpAddr;
use std::sync::Arc;

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peer {
    /// Its address; none where the message came another way.
    pub address: Option<IpAddr>,
    /// What its verified client certificate says.
    pub certificate: Option<Arc<CertificateFacts>>,
    /// The places (`namespace/secret/key`) of the tokens it has shown; the transport compared the values.
    pub tokens: Vec<Arc<str>>,
    /// Its address and port as recorded with the message.
    pub origin: Arc<str>,
}

/// What identities ask of a client certificate that the transport has verified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CertificateFacts {
    /// DNS names (subject alternative names).
    pub dns_names: Vec<String>,
    /// The subject's common name.
    pub common_name: Option<String>,
    /// The subject's organization.
    pub organization: Option<String>,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
}
