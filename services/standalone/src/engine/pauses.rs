//! Pauses by command: durable, over what the documents say, until they are taken back by command.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use barid_log::{Key, Log, LogError, Revision};
use barid_model::{Name, Timestamp};
use barid_pipeline::subject;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// What is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Channel,
    Destination,
}

impl What {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Destination => "destination",
        }
    }
}

/// A pause, as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pause {
    pub(super) name: Name,
    pub(super) actor: String,
    pub(super) reason: String,
    pub(super) at: Timestamp,
    /// A channel that also refuses new messages.
    #[serde(default)]
    pub(super) closed: bool,
}

/// All pauses by command.
pub(super) struct Pauses {
    log: Arc<dyn Log>,
    now: Mutex<BTreeMap<(What, Name), Pause>>,
    changed: watch::Sender<u64>,
}

impl Pauses {
    /// Reads what was paused before.
    pub(super) async fn open(log: Arc<dyn Log>) -> Result<Self, LogError> {
        let mut now = BTreeMap::new();
        for what in [What::Channel, What::Destination] {
            for key in log.keys(&format!("state.{}.", what.word())).await? {
                let Some((_, bytes)) = log.get(&key).await? else { continue };
                match serde_json::from_slice::<Pause>(&bytes) {
                    Ok(pause) => drop(now.insert((what, pause.name.clone()), pause)),
                    Err(error) => tracing::error!(%key, %error, "a stored pause cannot be read and does not hold"),
                }
            }
        }
        Ok(Self { log, now: Mutex::new(now), changed: watch::Sender::new(0) })
    }

    /// The pause of one thing.
    pub(super) fn get(&self, what: What, name: &Name) -> Option<Pause> {
        self.now.lock().get(&(what, name.clone())).cloned()
    }

    /// Everything of a kind that is paused; a channel that is closed is not: it finishes what it has.
    pub(super) fn all(&self, what: What) -> BTreeSet<Name> {
        let now = self.now.lock();
        let held = now.iter().filter(|((kind, _), pause)| *kind == what && !pause.closed);
        held.map(|((_, name), _)| name.clone()).collect()
    }

    /// Wakes when a pause begins or ends.
    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Begins a pause; durable when this ends.
    pub(super) async fn begin(&self, what: What, pause: Pause) -> Result<(), LogError> {
        let key = subject::state(what.word(), &pause.name)?;
        let value = serde_json::to_vec(&pause).map_err(|error| LogError::Storage(error.to_string().into()))?;
        let revision = self.revision(&key).await?;
        self.log.put(&key, revision, value.into()).await?;
        self.now.lock().insert((what, pause.name.clone()), pause);
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Ends a pause; whether there was one.
    pub(super) async fn end(&self, what: What, name: &Name) -> Result<bool, LogError> {
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
