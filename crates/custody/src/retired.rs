//! Keys that nothing seems to need any more: noted first, removed long after, and kept where somebody needs one again.
//!
//! Who removes may act on a snapshot that is not the newest, or be frozen in between. So a key is removed only at the version
//! that was read before its note, and who needs it again takes the note away and then writes the same value anew: after that
//! the removal fails, and before it the value is stored once more by who needs it.

use std::sync::Arc;

use barid_log::{Key, Log, LogError, Revision};
use barid_model::Timestamp;

/// Since when a key is not needed: by the key, of a revision by its hash.
const NOTES: &str = "retired.";
/// Keys of revisions begin so.
const REVISIONS: &str = "revision.";

fn note(key: &Key) -> Result<Key, LogError> {
    let name = key.as_str();
    Key::new(format!("{NOTES}{}", name.strip_prefix(REVISIONS).unwrap_or(name)))
}

/// The key that a note is about.
fn noted(note: &Key) -> Option<Key> {
    let name = note.as_str().strip_prefix(NOTES)?;
    Key::new(if name.contains('.') { name.to_owned() } else { format!("{REVISIONS}{name}") }).ok()
}

/// Keeps those that are needed again: to be called before they are looked for.
///
/// # Errors
/// As the log.
pub async fn revive(log: &Arc<dyn Log>, needed: impl Fn(&Key) -> bool) -> Result<(), LogError> {
    for note in log.keys(NOTES).await? {
        let Some(key) = noted(&note).filter(&needed) else { continue };
        remove_key(log, &note).await?;
        if let Some((version, value)) = log.get(&key).await? {
            match log.put(&key, version, value).await {
                // Removed or written meanwhile: who needs it stores what is not there.
                Ok(_) | Err(LogError::WrongRevision { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Since when a key is not needed, with the version to remove it at; none where that is noted only now.
///
/// # Errors
/// As the log.
pub async fn retire(log: &Arc<dyn Log>, key: &Key, now: Timestamp) -> Result<Option<(Timestamp, Revision)>, LogError> {
    let Some((version, _)) = log.get(key).await? else { return Ok(None) };
    let note = note(key)?;
    let known = log.get(&note).await?;
    let since = known.as_ref().and_then(|(_, value)| serde_json::from_slice::<Timestamp>(value).ok());
    if let Some(since) = since {
        return Ok(Some((since, version)));
    }
    let value = serde_json::to_vec(&now).map_err(|error| LogError::Storage(error.to_string().into()))?;
    match log.put(&note, known.map_or(Revision::NONE, |(version, _)| version), value.into()).await {
        Ok(_) | Err(LogError::WrongRevision { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a key at a version; whether it was there still, and nobody needed it again.
///
/// # Errors
/// As the log.
pub async fn remove(log: &Arc<dyn Log>, key: &Key, version: Revision) -> Result<bool, LogError> {
    match log.delete(key, version).await {
        Ok(()) => {}
        Err(LogError::WrongRevision { .. }) => return Ok(false),
        Err(error) => return Err(error),
    }
    remove_key(log, &note(key)?).await?;
    Ok(true)
}

async fn remove_key(log: &Arc<dyn Log>, key: &Key) -> Result<(), LogError> {
    let Some((version, _)) = log.get(key).await? else { return Ok(()) };
    match log.delete(key, version).await {
        // Another process was faster.
        Err(LogError::WrongRevision { .. }) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use barid_log::memory::MemoryLog;
    use bytes::Bytes;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_341_600_000);

    #[tokio::test]
    async fn what_is_needed_again_is_not_removed_by_one_who_has_not_heard_of_it() {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
        for name in ["revision.aa", "destination.default.out"] {
            let key = Key::new(name).unwrap();
            log.put(&key, Revision::NONE, Bytes::from_static(b"{}")).await.unwrap();
            assert_eq!(retire(&log, &key, NOW).await.unwrap(), None, "noted first");
            let (since, version) = retire(&log, &key, NOW).await.unwrap().unwrap();
            assert_eq!(since, NOW);
            revive(&log, |needed| *needed == key).await.unwrap();
            assert!(!remove(&log, &key, version).await.unwrap(), "it was frozen before it came to that");
            assert!(log.get(&key).await.unwrap().is_some());
            assert_eq!(retire(&log, &key, NOW).await.unwrap(), None, "the time begins anew");
            let (_, version) = retire(&log, &key, NOW).await.unwrap().unwrap();
            revive(&log, |_| false).await.unwrap();
            assert!(remove(&log, &key, version).await.unwrap());
        }
        assert!(log.keys("").await.unwrap().is_empty(), "with their notes");
    }
}
