//! What a connector tells about itself, for the status of a running engine.

/// The state of a destination's connections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The endpoint, URL or directory in use.
    pub target: String,
    /// Connections that are open.
    pub open: u64,
    /// How often something came that no message had asked for (a late or second answer, noise), since the start; the
    /// connection was closed each time.
    pub unexpected: u64,
    /// What its receivers showed last, by endpoint.
    pub certificates: Vec<ReceiverCertificate>,
}

/// The certificate that a receiver showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverCertificate {
    /// The endpoint.
    pub endpoint: String,
    /// Its subject.
    pub subject: String,
    /// When it expires, in seconds since 1970.
    pub expires: i64,
}
