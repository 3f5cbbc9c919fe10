//! Pauses by command: durable, over what the documents say, until they are taken back by command.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use barid_config::Snapshot;
use barid_config::document::ChannelState;
use barid_log::{Key, Log, LogError, Revision};
use barid_model::{Name, Timestamp};
use barid_pipeline::subject;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Pauses stand under keys that begin so.
const PREFIX: &str = "state.";
/// How often they are looked at though nobody told of a change.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Wait before they are read again where that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A channel.
    Channel,
    /// A destination.
    Destination,
}

impl What {
    /// Its word in keys and commands.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Destination => "destination",
        }
    }
}

/// A pause, as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Which one.
    pub name: Name,
    /// By whom.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
    /// A channel that also refuses new messages.
    #[serde(default)]
    pub closed: bool,
}

/// All pauses by command.
pub struct Pauses {
    log: Arc<dyn Log>,
    now: Mutex<BTreeMap<(What, Name), Pause>>,
    changed: watch::Sender<u64>,
}

impl Pauses {
    /// Reads what was paused before.
    ///
    /// # Errors
    /// As the log.
    pub async fn open(log: Arc<dyn Log>) -> Result<Self, LogError> {
        let now = read(&*log).await?;
        Ok(Self { log, now: Mutex::new(now), changed: watch::Sender::new(0) })
    }

    /// Follows what other processes pause and resume, for ever.
    pub async fn follow(&self) {
        let mut keys = self.log.watch_keys(PREFIX);
        loop {
            match read(&*self.log).await {
                Ok(now) => {
                    let before = std::mem::replace(&mut *self.now.lock(), now.clone());
                    if before != now {
                        self.changed.send_modify(|count| *count += 1);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "pauses cannot be read; what was paused before holds");
                    tokio::time::sleep(AGAIN_AFTER).await;
                    continue;
                }
            }
            // What nobody told of is found by looking.
            drop(tokio::time::timeout(LOOK_EVERY, keys.changed()).await);
        }
    }

    /// The pause of one thing.
    #[must_use]
    pub fn get(&self, what: What, name: &Name) -> Option<Pause> {
        self.now.lock().get(&(what, name.clone())).cloned()
    }

    /// Everything of a kind that is paused; a channel that is closed is not: it finishes what it has.
    #[must_use]
    pub fn all(&self, what: What) -> BTreeSet<Name> {
        let now = self.now.lock();
        let held = now.iter().filter(|((kind, _), pause)| *kind == what && !pause.closed);
        held.map(|((_, name), _)| name.clone()).collect()
    }

    /// The channels whose messages wait: paused by command or by their document.
    #[must_use]
    pub fn channels(&self, snapshot: &Snapshot) -> Arc<BTreeSet<Name>> {
        let declared = snapshot.channels.values().filter(|channel| channel.settings.state == ChannelState::Paused);
        let mut paused = self.all(What::Channel);
        paused.extend(declared.map(|channel| channel.name.clone()));
        Arc::new(paused)
    }

    /// Wakes when a pause begins or ends.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Begins a pause; durable when this ends.
    ///
    /// # Errors
    /// As [`Log::put`].
    pub async fn begin(&self, what: What, pause: Pause) -> Result<(), LogError> {
        let key = subject::state(what.word(), &pause.name)?;
        let value = serde_json::to_vec(&pause).map_err(|error| LogError::Storage(error.to_string().into()))?;
        let revision = self.revision(&key).await?;
        self.log.put(&key, revision, value.into()).await?;
        self.now.lock().insert((what, pause.name.clone()), pause);
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Ends a pause; whether there was one.
    ///
    /// # Errors
    /// As [`Log::delete`].
    pub async fn end(&self, what: What, name: &Name) -> Result<bool, LogError> {
        let key = subject::state(what.word(), name)?;
        let revision = self.revision(&key).await?;
        if revision == Revision::NONE {
            return Ok(false);
        }
        self.log.delete(&key, revision).await?;
        self.now.lock().remove(&(what, name.clone()));
        self.changed.send_modify(|count| *count += 1);
        Ok(true)
    }

    async fn revision(&self, key: &Key) -> Result<Revision, LogError> {
        Ok(self.log.get(key).await?.map_or(Revision::NONE, |(revision, _)| revision))
    }
}

async fn read(log: &dyn Log) -> Result<BTreeMap<(What, Name), Pause>, LogError> {
    let mut now = BTreeMap::new();
    for what in [What::Channel, What::Destination] {
        for key in log.keys(&format!("{PREFIX}{}.", what.word())).await? {
            let Some((_, bytes)) = log.get(&key).await? else { continue };
            match serde_json::from_slice::<Pause>(&bytes) {
                Ok(pause) => drop(now.insert((what, pause.name.clone()), pause)),
                Err(error) => tracing::error!(%key, %error, "a stored pause cannot be read and does not hold"),
            }
        }
    }
    Ok(now)
}
