//! When each message is due.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Hands out due times: evenly spaced over all connections at a rate, at once without one.
pub(super) struct Schedule {
    start: Instant,
    gap: Option<Duration>,
    next: AtomicU64,
}

impl Schedule {
    pub(super) fn new(rate: Option<f64>) -> Self {
        let gap = rate.filter(|rate| rate.is_finite() && *rate > 0.0).map(|rate| Duration::from_secs_f64(1.0 / rate));
        Self { start: Instant::now(), gap, next: AtomicU64::new(0) }
    }

    /// When the next message is due, since the start; none: now.
    pub(super) fn take(&self) -> Option<Duration> {
        let gap = self.gap?;
        let nth = self.next.fetch_add(1, Ordering::Relaxed);
        Some(gap.mul_f64(nth as f64))
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// A time since the start as an instant.
    pub(super) fn instant(&self, at: Duration) -> tokio::time::Instant {
        (self.start + at).into()
    }
}
