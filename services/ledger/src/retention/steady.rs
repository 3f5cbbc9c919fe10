//! The time that retention goes by: the machine's, as far as it can be believed.
//!
//! What a clock that stands a year ahead would have removed is gone, and the histories would be told that they know nothing of
//! that year. So no time is believed that is more than an hour ahead of what has passed since this process started, nor more
//! than a day ahead of the newest message in the log, which other machines have written, and of the time since then. A clock
//! that is behind removes nothing early and is believed.
//!
//! What remains: an engine whose clock has made a step, which takes messages at that time and is started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use barid_log::{Log, LogError};
use barid_model::record::{InRecord, Intake, Record as _};
use barid_model::{Clock, Partitions, Timestamp};
use barid_pipeline::subject;
use tokio::time::Instant;

/// How far ahead of the newest message the time may be: a day without any.
const AHEAD: Duration = Duration::from_secs(24 * 3_600);
/// By how much a clock may be set right while the process runs.
const STEP: Duration = Duration::from_secs(3_600);
/// How often it is said that the clock is not believed.
const TOLD_EVERY: Duration = Duration::from_secs(3_600);

/// A clock that makes no large step forward.
pub(super) struct Steady {
    clock: Arc<dyn Clock>,
    begun: Instant,
    /// What the clock said then.
    then: Timestamp,
    /// What of that was believed.
    believed: Timestamp,
    /// The newest message and a day, in microseconds.
    limit: AtomicI64,
    /// Since when it is to be told again that the clock is not believed, in seconds since the beginning.
    tell_at: AtomicU64,
}

impl Steady {
    /// Over this clock, which is compared with what the log holds.
    pub(super) async fn begin(
        log: &Arc<dyn Log>,
        partitions: Partitions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LogError> {
        let newest = newest(log, partitions).await?;
        let (then, limit) = (clock.now(), newest.map(|newest| newest.plus(AHEAD)));
        Ok(Self {
            clock,
            begun: Instant::now(),
            then,
            believed: limit.map_or(then, |limit| limit.min(then)),
            limit: AtomicI64::new(limit.unwrap_or_default().micros()),
            tell_at: AtomicU64::new(0),
        })
    }

    /// Looks for newer messages, where the time is held back for want of them.
    pub(super) async fn look(&self, log: &Arc<dyn Log>, partitions: Partitions) -> Result<(), LogError> {
        if self.since_start() > self.now()
            && let Some(newest) = newest(log, partitions).await?
        {
            self.limit.fetch_max(newest.plus(AHEAD).micros(), Ordering::Relaxed);
        }
        let ahead = self.clock.now().since(self.now());
        let elapsed = self.begun.elapsed();
        if ahead > STEP && elapsed.as_secs() >= self.tell_at.load(Ordering::Relaxed) {
            self.tell_at.store((elapsed + TOLD_EVERY).as_secs(), Ordering::Relaxed);
            let hours = ahead.as_secs() / 3_600;
            tracing::warn!(
                hours,
                "the clock is ahead of what the log and the time since the start say, and is not believed: what has had its \
                 time goes later; where the clock is right, it is believed again with the next messages, or after a restart"
            );
        }
        Ok(())
    }

    /// The clock, without a step that it has made since the start.
    fn since_start(&self) -> Timestamp {
        self.clock.now().min(self.then.plus(self.begun.elapsed()).plus(STEP))
    }
}

impl Clock for Steady {
    fn now(&self) -> Timestamp {
        let limit = Timestamp::from_micros(self.limit.load(Ordering::Relaxed));
        self.since_start().min(limit.max(self.believed.plus(self.begun.elapsed())))
    }
}

/// When the newest message was received that the log holds.
async fn newest(log: &Arc<dyn Log>, partitions: Partitions) -> Result<Option<Timestamp>, LogError> {
    let mut newest = None;
    for partition in partitions.all() {
        for intake in [Intake::Received, Intake::Chained] {
            let last = match log.last(&subject::intake(partition, intake)?).await {
                // What cannot be read says nothing.
                Err(LogError::Damaged(_)) => None,
                other => other?,
            };
            let record = last.and_then(|entry| InRecord::decode(entry.record).ok());
            newest = newest.max(record.map(|record| record.envelope.received));
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests;
