//! The histories of a mesh: each says in a key of the log how far it has read, and the log is kept for the one that is furthest behind.
//!
//! One that is gone for good would have the log grow without end, so one that has said nothing for three days is given up; an
//! alarm is logged after one. What that one has not read is missing in it when it comes back: it says so, and does not decide
//! any more what may go.

use std::collections::{BTreeMap, HashMap};
use std::io::{Error, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use barid_log::{Key, Log, LogError, Revision};
use barid_model::{MessageUid, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::trimmed::Trimmed;

/// Keys of histories begin so.
const PREFIX: &str = "history.";
/// Silence after which somebody should look.
const ALARM_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// Silence after which the log is not kept for it any more: a week-end and some hours.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(72 * 3_600);
/// How long this process must have seen it silent too, so that a step of a clock gives nobody up: many times what lies between two
/// words of one that lives.
const WATCHED_FOR: Duration = Duration::from_secs(600);
/// How often it is said that one is silent.
const TOLD_EVERY: Duration = Duration::from_secs(3_600);
/// The file with a history's name.
const NAME_FILE: &str = "history.id";
/// Largest such file, in bytes: people's editors end lines.
const NAME_FILE_BYTES_MAX: u64 = 64;
/// Length of a name, in bytes: an id without its hyphens.
const NAME_BYTES: usize = 32;

/// How far one history is, as it stands in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reader {
    /// When it said so.
    pub at: Timestamp,
    /// By subject: everything up to here is in it.
    pub positions: BTreeMap<String, u64>,
    /// Whether it lacks what was given back while it was away.
    #[serde(default)]
    pub partial: bool,
}

impl Reader {
    /// What is said of a history, if anything.
    ///
    /// # Errors
    /// As the log.
    pub async fn find(log: &Arc<dyn Log>, name: &str) -> Result<Option<Self>, LogError> {
        let value = log.get(&Key::new(format!("{PREFIX}{name}"))?).await?;
        Ok(value.and_then(|(_, bytes)| serde_json::from_slice(&bytes).ok()))
    }

    /// Says it, and whether it was said: where another process of the same history spoke at that moment, or it was given up, it
    /// was not. Durable when this ends.
    ///
    /// # Errors
    /// As the log.
    pub async fn tell(&self, log: &Arc<dyn Log>, name: &str) -> Result<bool, LogError> {
        let key = Key::new(format!("{PREFIX}{name}"))?;
        let value = serde_json::to_vec(self).map_err(|error| LogError::Storage(error.to_string().into()))?;
        let revision = log.get(&key).await?.map_or(Revision::NONE, |(revision, _)| revision);
        match log.put(&key, revision, value.into()).await {
            Ok(_) => Ok(true),
            Err(LogError::WrongRevision { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the log has given back what it has not read; a history that has read nothing begins with what is left.
    #[must_use]
    pub fn misses(&self, trimmed: &HashMap<u16, Trimmed>) -> bool {
        let read = |subject: String| self.positions.get(&subject).copied().unwrap_or(0);
        let gone = |(partition, trimmed): (&u16, &Trimmed)| {
            trimmed.received > read(format!("in.{partition:02}")) + 1
                || trimmed.chained > read(format!("in.{partition:02}.chained")) + 1
        };
        !self.positions.is_empty() && trimmed.iter().any(gone)
    }
}

/// The name of the history in a data directory: made once, so that a process that is started again is the same reader.
///
/// One that is empty or cut off is not replaced by a new one: the log notes under the old one that a history lacks something, and
/// under a new one such a history would be taken for whole, and would decide what may go. Nor is what is left of it a name:
/// histories that were begun in the same minute begin alike.
///
/// # Errors
/// Where it can neither be read nor written, or is no name; they name the file.
pub fn name(data: &Path, new: MessageUid) -> std::io::Result<String> {
    let file = data.join(NAME_FILE);
    let named = |error: Error| Error::new(error.kind(), format!("{}: {error}", file.display()));
    match barid_files::read_text(&file, NAME_FILE_BYTES_MAX) {
        Ok(text) => {
            let name = text.trim();
            if name.len() == NAME_BYTES && name.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Ok(name.to_owned());
            }
            let remedy = "the name of this history is empty or cut off: write the right one into it (the log has it as the key \
                          history.<name>), or start with an empty data directory to have the history filled anew";
            Err(named(Error::new(ErrorKind::InvalidData, remedy)))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let name = new.to_string().replace('-', "");
            barid_files::replace(&file, name.as_bytes()).map_err(named)?;
            Ok(name)
        }
        Err(error) => Err(named(error)),
    }
}

/// The other histories, as this one sees them.
#[derive(Default)]
pub struct Readers {
    own: Option<String>,
    seen: HashMap<Key, Seen>,
}

/// Since when a history is seen to be silent, and when that was said last.
struct Seen {
    revision: Revision,
    since: Instant,
    told: Option<Instant>,
}

impl Readers {
    /// There is no other one.
    #[must_use]
    pub fn sole() -> Self {
        Self::default()
    }

    /// All that say something, but for this one.
    #[must_use]
    pub fn besides(own: &str) -> Self {
        Self { own: Some(own.to_owned()), seen: HashMap::new() }
    }

    /// Takes positions back to those of the history that is furthest behind.
    pub(super) async fn least(
        &mut self,
        log: &Arc<dyn Log>,
        now: Timestamp,
        positions: &mut HashMap<String, u64>,
    ) -> Result<(), LogError> {
        let Some(own) = self.own.clone() else { return Ok(()) };
        let keys = log.keys(PREFIX).await?;
        self.seen.retain(|key, _| keys.contains(key));
        for key in keys {
            let name = key.as_str().strip_prefix(PREFIX).unwrap_or_default();
            if name == own {
                continue;
            }
            let Some((revision, value)) = log.get(&key).await? else { continue };
            // What cannot be read may have read nothing.
            let reader: Reader = serde_json::from_slice(&value).unwrap_or_default();
            if self.is_given_up(&key, revision, &reader, now) {
                match log.delete(&key, revision).await {
                    Ok(()) => {
                        tracing::error!(
                            history = name,
                            "the log is not kept any more for a history that has been silent for three days"
                        );
                        continue;
                    }
                    // It has spoken.
                    Err(LogError::WrongRevision { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            for (subject, read) in positions.iter_mut() {
                *read = (*read).min(reader.positions.get(subject).copied().unwrap_or(0));
            }
        }
        Ok(())
    }

    fn is_given_up(&mut self, key: &Key, revision: Revision, reader: &Reader, now: Timestamp) -> bool {
        let fresh = || Seen { revision, since: Instant::now(), told: None };
        let seen = self.seen.entry(key.clone()).or_insert_with(fresh);
        if seen.revision != revision {
            *seen = fresh();
        }
        let watched = seen.since.elapsed();
        // Its clock may have been ahead when it spoke last.
        let silent = now.since(reader.at).max(watched);
        if silent >= ALARM_AFTER && watched >= WATCHED_FOR && seen.told.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
            seen.told = Some(Instant::now());
            let hours = silent.as_secs() / 3_600;
            tracing::error!(%key, hours, "a history is silent: the log grows until it has read on, or is given up after three days");
        }
        silent >= GIVEN_UP_AFTER && watched >= WATCHED_FOR
    }
}

#[cfg(test)]
mod tests;
