//! Revisions of channels: each stays as long as it runs, a message that the log holds may have been accepted under it, or
//! the ledger may tell of one; then it goes, and with the last that leads there what is remembered of a destination.
//!
//! A revision does not say who refers to it, so it goes by time: a message that was accepted under it was received
//! before another took its place.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use barid_config::{Channel, Snapshot};
use barid_log::{Key, Log, LogError, Revision};
use barid_model::{Name, Timestamp};

use barid_custody::remembered;

/// All stored revisions.
const REVISIONS: &str = "revision.";
/// Since when a revision is not the present one of its channel, by revision.
const RETIRED: &str = "retired.";
/// A message may still be on its way to the log when its channel's next revision runs; far longer than that takes.
const MARGIN: Duration = Duration::from_secs(3_600);

/// Removes revisions that were replaced longer ago than `kept`, where every message in the log is younger than that. The
/// snapshot must not change meanwhile.
pub(super) async fn forget(
    log: &Arc<dyn Log>,
    snapshot: &Snapshot,
    now: Timestamp,
    kept: Duration,
    oldest: Option<Timestamp>,
) -> Result<u64, LogError> {
    let current: HashSet<String> = snapshot.channels.values().map(|channel| channel.revision.to_string()).collect();
    let mut gone = 0;
    for key in log.keys(REVISIONS).await? {
        let Some(revision) = key.as_str().strip_prefix(REVISIONS) else { continue };
        let retired = Key::new(format!("{RETIRED}{revision}"))?;
        let known = log.get(&retired).await?;
        if current.contains(revision) {
            if let Some((version, _)) = known {
                log.delete(&retired, version).await?;
            }
            continue;
        }
        let since = known.as_ref().and_then(|(_, value)| serde_json::from_slice::<Timestamp>(value).ok());
        let Some(since) = since else {
            let value = serde_json::to_vec(&now).map_err(|error| LogError::Storage(error.to_string().into()))?;
            let version = known.map_or(Revision::NONE, |(version, _)| version);
            log.put(&retired, version, value.into()).await?;
            continue;
        };
        let last = since.plus(MARGIN);
        if last.plus(kept) < now && oldest.is_none_or(|oldest| oldest > last) {
            remove(log, &key).await?;
            remove(log, &retired).await?;
            gone += 1;
        }
    }
    if gone > 0 {
        tracing::debug!(revisions = gone, "nothing refers to them any more");
    }
    Ok(gone)
}

/// Forgets removed destinations that nothing waits for and no stored revision leads to.
pub(super) async fn destinations(
    log: &Arc<dyn Log>,
    snapshot: &Snapshot,
    busy: &BTreeSet<Name>,
) -> Result<(), LogError> {
    let undeclared = remembered::undeclared(log, snapshot).await?;
    if undeclared.keys().all(|name| busy.contains(name)) {
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
    remembered::forget(log, snapshot, busy, &stored).await
}

async fn remove(log: &Arc<dyn Log>, key: &Key) -> Result<(), LogError> {
    match log.get(key).await? {
        Some((version, _)) => log.delete(key, version).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use barid_log::memory::MemoryLog;

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
            forget(&log, &snapshot, BEGIN.plus(DAY * days), DAY * 30, oldest).await.unwrap()
        };
        assert_eq!(at(0, None).await, 0, "it is noted that it is replaced");
        assert_eq!(at(29, None).await, 0, "the ledger may tell of a message under it");
        assert_eq!(at(40, Some(BEGIN)).await, 0, "the log holds a message from before");
        assert_eq!(at(40, Some(BEGIN.plus(DAY))).await, 1);
        assert!(log.keys("re").await.unwrap().is_empty(), "with the note that it was replaced");
    }
}
