//! What the owner of a destination does about an attempt.

use std::time::Duration;

use barid_model::Finding;

/// What the owner of a destination does about an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The destination has it.
    Delivered,
    /// Send it again after the back-off, before anything else of its lanes.
    Retry {
        /// Who backs off.
        scope: Backoff,
        /// The wait the receiver asked for, not yet bounded by `retry.max`.
        after: Option<Duration>,
    },
    /// Set it aside with the reason; the lane goes on.
    Quarantine(Finding),
    /// The lane waits for a person, with the reason.
    Hold(Finding),
    /// The refusal goes to the sender that waits, and custody with it.
    Rejected(Finding),
}

/// Who waits before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    /// Nothing gets through: the whole destination.
    Destination,
    /// This message is refused: its lanes only.
    Lane,
}
