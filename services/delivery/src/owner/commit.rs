//! How far a destination's owner came, and how far it may send: by compare-and-set.
//!
//! The *send limit* of a partition is the last position that may have been sent. It is durable before anything beyond
//! it is sent, and moves in strides together with the commit, so it costs next to nothing. After a crash every message
//! at or below the limit without an outcome may have been sent, every one above it surely was not.

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_log::{Key, Log, LogError, Revision};
use barid_model::{Name, Partition};
use barid_pipeline::subject;
use serde::{Deserialize, Serialize};

/// How far the send limit is moved ahead of what was read: some hundred messages, so that it is seldom waited for.
pub(super) const LIMIT_STRIDE: u64 = 1_024;
/// How near reading comes to the limit before it is moved.
pub(super) const LIMIT_MARGIN: u64 = 512;

/// The commit's value, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryCommit {
    /// Grows with each owner.
    pub epoch: u64,
    /// By partition: everything up to here has its outcome or stands in PARK.
    pub positions: BTreeMap<u16, u64>,
    /// By partition: nothing beyond was sent.
    pub limits: BTreeMap<u16, u64>,
    /// OUTCOME has to be read from here to know what ended above the positions, and what of PARK.
    pub outcomes: u64,
    /// What was set aside from here on in PARK may lack its outcome.
    #[serde(default)]
    pub parked: u64,
}

impl DeliveryCommit {
    /// The committed position of a partition.
    #[must_use]
    pub fn position(&self, partition: Partition) -> u64 {
        self.positions.get(&partition.0).copied().unwrap_or(0)
    }

    /// The send limit of a partition.
    #[must_use]
    pub fn limit(&self, partition: Partition) -> u64 {
        self.limits.get(&partition.0).copied().unwrap_or(0)
    }

    /// Reads a destination's commit without taking it over.
    ///
    /// # Errors
    /// As [`Log::get`].
    pub async fn read(log: &Arc<dyn Log>, destination: &Name) -> Result<Self, LogError> {
        match log.get(&subject::delivery_commit(destination)?).await? {
            Some((_, bytes)) => parse(&bytes),
            None => Ok(Self::default()),
        }
    }
}

/// Unlike the router's, this one cannot be done without: it tells what may have been sent.
fn parse(bytes: &[u8]) -> Result<DeliveryCommit, LogError> {
    serde_json::from_slice(bytes).map_err(|error| LogError::Damaged(format!("delivery commit: {error}").into()))
}

/// The commit in the hands of its owner.
pub(super) struct Commits {
    log: Arc<dyn Log>,
    key: Key,
    revision: Revision,
    stored: DeliveryCommit,
}

impl Commits {
    /// Takes a destination over: reads its commit and raises the epoch.
    pub(super) async fn take_over(log: Arc<dyn Log>, destination: &Name) -> Result<Self, LogError> {
        let key = subject::delivery_commit(destination)?;
        let (revision, mut stored) = match log.get(&key).await? {
            Some((revision, bytes)) => (revision, parse(&bytes)?),
            None => (Revision::NONE, DeliveryCommit::default()),
        };
        stored.epoch += 1;
        let mut commits = Self { log, key, revision, stored: stored.clone() };
        commits.write(&stored).await?;
        Ok(commits)
    }

    pub(super) const fn stored(&self) -> &DeliveryCommit {
        &self.stored
    }

    /// Stores a commit, if it says anything new.
    pub(super) async fn store(&mut self, commit: &DeliveryCommit) -> Result<(), LogError> {
        if *commit == self.stored { Ok(()) } else { self.write(commit).await }
    }

    async fn write(&mut self, commit: &DeliveryCommit) -> Result<(), LogError> {
        let value = serde_json::to_vec(commit).map_err(|error| LogError::Storage(error.to_string().into()))?;
        self.revision = self.log.put(&self.key, self.revision, value.into()).await?;
        self.stored = commit.clone();
        Ok(())
    }
}
