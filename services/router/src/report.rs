//! What is accepted and not yet routed, of the partitions that are routed here.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use barid_log::{Log, LogError, Position, ReadLimit};
use barid_model::record::{InRecord, Intake, Record as _};
use barid_model::{Partition, Timestamp};
use barid_pipeline::{Handle, subject};
use barid_runtime::control::protocol::RouterStatus;

/// What waits for these routers, and since when.
///
/// # Errors
/// As the log.
pub async fn waiting(log: &Arc<dyn Log>, handles: &[(Partition, Arc<Handle>)]) -> Result<RouterStatus, LogError> {
    let (mut waiting, mut oldest): (u64, Option<Timestamp>) = (0, None);
    for (partition, handle) in handles {
        let both = [(Intake::Received, &handle.done), (Intake::Chained, &handle.done_chained)];
        for (intake, done) in both {
            let subject = subject::intake(*partition, intake)?;
            let done = Position(done.load(Ordering::Relaxed));
            let last = *log.changed(&subject).borrow();
            if last <= done {
                continue;
            }
            waiting += last.0 - done.0;
            let batch = log.read(&subject, done.next(), ReadLimit { records: 1, bytes: 1 }).await?;
            let record = batch.entries.into_iter().next().and_then(|entry| InRecord::decode(entry.record).ok());
            let received = record.map(|record| record.envelope.received);
            oldest = [oldest, received].into_iter().flatten().min();
        }
    }
    Ok(RouterStatus { waiting, oldest, ..RouterStatus::default() })
}
