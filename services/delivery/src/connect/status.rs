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
}
