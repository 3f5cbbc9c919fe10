//! Revisions of channels: each stays as long as it runs, a message that the log holds may have been accepted under it, or
//! the ledger may tell of one; then it goes, and with the last that leads there what is remembered of a destination.
//!
//! A revision does not say who refers to it, so it goes by time: a message that was accepted under it was received
//! before another took its place.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use barid_config::{Channel, Snapshot};
use barid_custody::{remembered, retired};
use barid_ledger::Ledger;
use barid_log::{Log, LogError};
use barid_model::{Name, Timestamp};
use barid_pipeline::commit::DeliveryCommit;
use barid_pipeline::subject;

use super::{Keeping, RetentionError};

/// All stored revisions.
const REVISIONS: &str = "revision.";
/// A message may still be on its way to the log when its channel's next revision runs; far longer than that takes.
const MARGIN: Duration = Duration::from_secs(3_600);

/// Forgets what nothing refers to any more, and stores again what the present snapshot needs and somebody has removed who had not
/// heard of it.
pub(super) async fn forget(
    keeping: &Keeping,
    now: Timestamp,
    kept: Duration,
    oldest: Option<Timestamp>,
) -> Result<(), RetentionError> {
    let (log, snapshot) = (&keeping.log, keeping.channels.snapshot());
    revisions(log, &snapshot, now, kept, oldest).await?;
    destinations(keeping, &snapshot, now).await?;
    keeping.channels.publish(keeping.channels.snapshot()).await?;
    Ok(())
}

/// Removes revisions that were replaced longer ago than `kept`, where every message in the log is younger than that.
async fn revisions(
    log: &Arc<dyn Log>,
    snapshot: &Snapshot,
    now: Timestamp,
    kept: Duration,
    oldest: Option<Timestamp>,
) -> Result<u64, LogError> {
    retired::revive(log, remembered::needed(snapshot)).await?;
    let current: HashSet<String> = snapshot.channels.values().map(|channel| channel.revision.to_string()).collect();
    let mut gone = 0;
    for key in log.keys(REVISIONS).await? {
        let Some(revision) = key.as_str().strip_prefix(REVISIONS) else { continue };
        if current.contains(revision) {
            continue;
        }
        let Some((since, version)) = retired::retire(log, &key, now).await? else { continue };
        let last = since.plus(MARGIN);
        if last.plus(kept) < now && oldest.is_none_or(|oldest| oldest > last) {
            gone += u64::from(retired::remove(log, &key, version).await?);
        }
    }
    if gone > 0 {
        tracing::debug!(revisions = gone, "nothing refers to them any more");
    }
    Ok(gone)
}

/// Forgets removed destinations that nothing waits for and no stored revision leads to.
async fn destinations(keeping: &Keeping, snapshot: &Snapshot, now: Timestamp) -> Result<(), RetentionError> {
    let log = &keeping.log;
    let undeclared: Vec<Name> = remembered::undeclared(log, snapshot).await?.into_keys().collect();
    let busy = busy(keeping, &undeclared).await?;
    if undeclared.iter().all(|name| busy.contains(name)) {
        return Ok(());
    }
    let mut stored = Vec::new();
    for key in log.keys(REVISIONS).await? {
        let Some((_, closure)) = log.get(&key).await? else { continue };
        match Channel::from_closure(&closure) {
            Ok(channel) => stored.push(Arc::new(channel)),
            // Where it leads is not known.
            Err(error) => {
                tracing::warn!(%key, %error, "a stored revision cannot be read: no removed destination is forgotten");
                return Ok(());
            }
        }
    }
    remembered::forget(log, snapshot, &busy, &stored, now).await?;
    Ok(())
}

/// Those of these destinations with something to deliver or to decide on, or of which the history does not know all yet.
async fn busy(keeping: &Keeping, names: &[Name]) -> Result<BTreeSet<Name>, RetentionError> {
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ledger: Arc<dyn Ledger> = Arc::clone(&keeping.ledger);
    let asked = tokio::task::spawn_blocking(move || {
        Ok::<_, barid_ledger::LedgerError>((ledger.positions()?, ledger.waiting()?))
    });
    let (positions, waiting) = asked.await??;
    let mut busy = BTreeSet::new();
    'names: for name in names {
        let at = waiting.at(Some(name));
        if at.quarantined + at.parked + at.held > 0 {
            busy.insert(name.clone());
            continue;
        }
        for subject in [subject::park(name)?, subject::outcome(name)?] {
            let read = positions.iter().find(|(known, _)| known == subject.as_str()).map_or(0, |(_, read)| *read);
            if keeping.log.bounds(&subject).await?.last.0 > read {
                busy.insert(name.clone());
                continue 'names;
            }
        }
        let commit = DeliveryCommit::read(&keeping.log, name).await?;
        for partition in keeping.partitions.all() {
            if keeping.log.bounds(&subject::out(name, partition)?).await?.last.0 > commit.position(partition) {
                busy.insert(name.clone());
                continue 'names;
            }
        }
    }
    Ok(busy)
}

#[cfg(test)]
mod tests {
    use barid_log::memory::MemoryLog;
    use barid_log::{Key, Revision};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const BEGIN: Timestamp = Timestamp::from_millis(1_795_341_600_000);

    #[tokio::test]
    async fn a_revision_stays_while_a_message_may_refer_to_it_and_then_goes() {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
        let key = Key::new(format!("{REVISIONS}{}", "a".repeat(64))).unwrap();
        log.put(&key, Revision::NONE, bytes::Bytes::from_static(b"{}")).await.unwrap();
        let snapshot = Snapshot::default();
        let at = async |days: u32, oldest: Option<Timestamp>| {
            revisions(&log, &snapshot, BEGIN.plus(DAY * days), DAY * 30, oldest).await.unwrap()
        };
        assert_eq!(at(0, None).await, 0, "it is noted that it is replaced");
        assert_eq!(at(29, None).await, 0, "the ledger may tell of a message under it");
        assert_eq!(at(40, Some(BEGIN)).await, 0, "the log holds a message from before");
        assert_eq!(at(40, Some(BEGIN.plus(DAY))).await, 1);
        assert!(log.keys("re").await.unwrap().is_empty(), "with the note that it was replaced");
    }
}
