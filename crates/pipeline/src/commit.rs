//! How far a partition's router came: `{epoch, positions}`, by compare-and-set; and the same of a destination's owner, as
//! others read it.
//!
//! A new owner raises the epoch before it reads, so that a stale owner's next commit fails. The commit is written at
//! most once a second and when the router ends; what lies above it is simply done again.

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_log::{Key, Log, LogError, Position, Revision};
use barid_model::record::Intake;
use barid_model::{Name, Partition};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::subject;

/// The commit's value, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterCommit {
    /// Grows with each owner.
    pub epoch: u64,
    /// Last position of `in.<pp>` whose outputs are all durable.
    pub received: u64,
    /// Last position of `in.<pp>.chained` likewise.
    pub chained: u64,
    /// Position of `in.<pp>` up to which the duplicate memory's checkpoint reaches.
    pub remembered: u64,
}

impl RouterCommit {
    /// The committed position of one intake.
    #[must_use]
    pub const fn position(&self, intake: Intake) -> Position {
        match intake {
            Intake::Received => Position(self.received),
            Intake::Chained => Position(self.chained),
        }
    }

    /// Moves the position of one intake.
    pub fn advance(&mut self, intake: Intake, position: u64) {
        let at = match intake {
            Intake::Received => &mut self.received,
            Intake::Chained => &mut self.chained,
        };
        *at = (*at).max(position);
    }

    /// Reads a partition's commit without taking it over.
    ///
    /// # Errors
    /// As [`Log::get`].
    pub async fn read(log: &Arc<dyn Log>, partition: Partition) -> Result<Self, LogError> {
        let value = log.get(&subject::router_commit(partition)?).await?;
        Ok(value.map_or_else(Self::default, |(_, bytes)| parse(&bytes)))
    }
}

fn parse(bytes: &Bytes) -> RouterCommit {
    // Unreadable is as good as none: everything is done again and skipped where it is there already.
    serde_json::from_slice(bytes).unwrap_or_default()
}

/// The commit in the hands of its owner.
pub struct Commits {
    log: Arc<dyn Log>,
    key: Key,
    revision: Revision,
    stored: RouterCommit,
}

impl Commits {
    /// Takes a partition over: reads its commit and raises the epoch.
    ///
    /// # Errors
    /// As [`Log::put`]; `WrongRevision` where another takes it over at the same time.
    pub async fn take_over(log: Arc<dyn Log>, partition: Partition) -> Result<Self, LogError> {
        let key = subject::router_commit(partition)?;
        let (revision, mut stored) = match log.get(&key).await? {
            Some((revision, bytes)) => (revision, parse(&bytes)),
            None => (Revision::NONE, RouterCommit::default()),
        };
        stored.epoch += 1;
        let mut commits = Self { log, key, revision, stored: stored.clone() };
        commits.write(&stored).await?;
        Ok(commits)
    }

    /// What is stored.
    #[must_use]
    pub const fn stored(&self) -> &RouterCommit {
        &self.stored
    }

    /// Stores a commit, if it says anything new.
    ///
    /// # Errors
    /// As [`Log::put`]; `WrongRevision` means that another owner has taken over.
    pub async fn store(&mut self, commit: &RouterCommit) -> Result<(), LogError> {
        if *commit == self.stored { Ok(()) } else { self.write(commit).await }
    }

    async fn write(&mut self, commit: &RouterCommit) -> Result<(), LogError> {
        let value = serde_json::to_vec(commit).map_err(|error| LogError::Storage(error.to_string().into()))?;
        self.revision = self.log.put(&self.key, self.revision, value.into()).await?;
        self.stored = commit.clone();
        Ok(())
    }
}

/// How far a destination's owner came, as JSON.
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
            Some((_, bytes)) => Self::parse(&bytes),
            None => Ok(Self::default()),
        }
    }

    /// Unlike the router's, this one cannot be done without: it tells what may have been sent.
    ///
    /// # Errors
    /// [`LogError::Damaged`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        serde_json::from_slice(bytes).map_err(|error| LogError::Damaged(format!("delivery commit: {error}").into()))
    }
}
