//! Commands: kept for the retention of what is known, and as long as a message is in the log on which one may have decided.
//! A ledger that is filled anew must not take what a person decided on for what waits for one.

use std::sync::Arc;

use barid_log::{Log, LogError, Position, ReadLimit};
use barid_model::record::{CommandRecord, InRecord, Intake, Record as _};
use barid_model::{Partitions, Timestamp};
use barid_pipeline::subject;

use crate::trimmed::Trimmed;

/// Commands looked at in one run.
const LOOKED_MAX: usize = 20_000;

/// When the oldest message was received that counts in the log; none where there is none.
pub(super) async fn oldest(log: &Arc<dyn Log>, partitions: Partitions) -> Result<Option<Timestamp>, LogError> {
    let trimmed = Trimmed::all(&**log).await?;
    let mut oldest: Option<Timestamp> = None;
    for partition in partitions.all() {
        for intake in [Intake::Received, Intake::Chained] {
            let subject = subject::intake(partition, intake)?;
            // The last record of a subject stays, but does not count any more.
            let counts = Trimmed::first(&trimmed, subject.as_str()).unwrap_or(1).max(1);
            let limit = ReadLimit { records: 1, bytes: 1 };
            let batch = log.read(&subject, Position(counts), limit).await?;
            let first = batch.entries.into_iter().next().and_then(|entry| InRecord::decode(entry.record).ok());
            oldest = [oldest, first.map(|record| record.envelope.received)].into_iter().flatten().min();
        }
    }
    Ok(oldest)
}

/// Trims commands from before a time, as far as the ledger has `read`.
pub(super) async fn trim(log: &Arc<dyn Log>, before: Timestamp, read: u64) -> Result<(), LogError> {
    let subject = subject::command()?;
    let bounds = log.bounds(&subject).await?;
    let first = bounds.first.0.max(1);
    let last = read.min(bounds.last.0);
    let (mut kept, mut looked) = (first, 0);
    'all: while kept <= last && looked < LOOKED_MAX {
        let batch = log.read(&subject, Position(kept), ReadLimit::default()).await?;
        for entry in &batch.entries {
            // What cannot be read tells nothing.
            let old = CommandRecord::decode(entry.record.clone()).map_or(true, |record| record.at < before);
            if entry.position.0 > last || !old {
                kept = entry.position.0;
                break 'all;
            }
        }
        looked += batch.entries.len();
        if batch.next.0 <= kept {
            break;
        }
        kept = batch.next.0;
    }
    if kept > first {
        log.trim(&subject, Position(kept)).await?;
        tracing::debug!(commands = kept - first, "commands past their retention are removed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use barid_log::Writer;
    use barid_log::memory::MemoryLog;

    use super::*;

    #[tokio::test]
    async fn commands_go_by_their_time_once_the_ledger_has_read_them() {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
        let begin = Timestamp::from_millis(1_795_341_600_000);
        let at = |minutes: u32| begin.plus(Duration::from_secs(60) * minutes);
        let (mut writer, _) = Writer::open(Arc::clone(&log), subject::command().unwrap()).await.unwrap();
        let records = (0..10).map(|minute| {
            let [actor, reason, verb, target, detail] = ["a", "b", "pause", "channel x", ""].map(str::to_owned);
            CommandRecord { at: at(minute), actor, reason, verb, target, detail }.encode()
        });
        writer.append(records.collect()).await.unwrap().await.unwrap();
        let first = async || log.bounds(&subject::command().unwrap()).await.unwrap().first.0;
        trim(&log, at(5), 3).await.unwrap();
        assert_eq!(first().await, 4, "no further than the ledger has read");
        trim(&log, at(5), 10).await.unwrap();
        assert_eq!(first().await, 6);
        trim(&log, at(1_000), 10).await.unwrap();
        assert_eq!(first().await, 10, "the last record of a subject stays");
    }
}
