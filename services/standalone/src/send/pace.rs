//! Who sends the next message, and when: one counter that all connections draw from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// What is seen while it goes on.
#[derive(Debug, Default)]
pub struct Progress {
    /// Messages answered, whatever the answer.
    answered: AtomicU64,
    /// Messages that failed or were refused.
    failed: AtomicU64,
}

impl Progress {
    /// Messages answered and messages that failed so far.
    #[must_use]
    pub fn seen(&self) -> (u64, u64) {
        (self.answered.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}

/// One message to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Its number, from 0.
    pub(super) number: u64,
    /// When it is due: now, where no rate is asked for.
    pub(super) due: Instant,
}

/// The counter.
#[derive(Debug)]
pub(super) struct Pace {
    next: AtomicU64,
    count: Option<u64>,
    rate: Option<f64>,
    start: Instant,
    end: Option<Instant>,
    progress: Arc<Progress>,
}

impl Pace {
    pub(super) fn new(
        count: Option<u64>,
        rate: Option<f64>,
        duration: Option<Duration>,
        progress: Arc<Progress>,
    ) -> Self {
        let start = Instant::now();
        Self { next: AtomicU64::new(0), count, rate, start, end: duration.map(|duration| start + duration), progress }
    }

    /// The next message, once it is due; none where all are sent or time is up.
    pub(super) async fn turn(&self) -> Option<Turn> {
        if self.end.is_some_and(|end| Instant::now() >= end) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if self.count.is_some_and(|count| number >= count) {
            return None;
        }
        let Some(rate) = self.rate else { return Some(Turn { number, due: Instant::now() }) };
        #[expect(clippy::cast_precision_loss, reason = "a message number fits")]
        let due = self.start + Duration::try_from_secs_f64(number as f64 / rate).unwrap_or(Duration::MAX / 4);
        if self.end.is_some_and(|end| due >= end) {
            return None;
        }
        tokio::time::sleep_until(due).await;
        Some(Turn { number, due })
    }

    /// One answer, or none for ever.
    pub(super) fn answered(&self, well: bool) {
        self.progress.answered.fetch_add(1, Ordering::Relaxed);
        if !well {
            self.progress.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Messages that nobody took, where a count was asked for.
    pub(super) fn unsent(&self) -> u64 {
        let taken = self.next.load(Ordering::Relaxed);
        self.count.map_or(0, |count| count.saturating_sub(taken))
    }
}
