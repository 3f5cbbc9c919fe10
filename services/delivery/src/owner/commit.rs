//! How far a destination's owner came, and how far it may send: by compare-and-set.
//!
//! The *send limit* of a partition is the last position that may have been sent. It is durable before anything beyond
//! it is sent, and moves in strides together with the commit, so it costs next to nothing. After a crash every message
//! at or below the limit without an outcome may have been sent, every one above it surely was not.

use std::sync::Arc;

use barid_log::{Key, Log, LogError, Revision};
use barid_model::Name;
pub use barid_pipeline::commit::DeliveryCommit;
use barid_pipeline::subject;

use crate::connect::Fence;

/// How far the send limit is moved ahead of what was read: some hundred messages, so that it is seldom waited for.
pub(super) const LIMIT_STRIDE: u64 = 1_024;
/// How near reading comes to the limit before it is moved.
pub(super) const LIMIT_MARGIN: u64 = 512;

/// The commit in the hands of its owner.
pub(super) struct Commits {
    log: Arc<dyn Log>,
    key: Key,
    revision: Revision,
    stored: DeliveryCommit,
}

impl Commits {
    /// Takes a destination over: reads its commit and raises the epoch.
    ///
    /// Whether it is owned is asked after the commit was read: so nobody else had taken over what was read, and who did since
    /// has changed it, which refuses the write. A run that began again behind its successor's back would store the send limits
    /// that it knows, lower than what the successor sends.
    pub(super) async fn take_over(
        log: Arc<dyn Log>,
        destination: &Name,
        fence: Option<&dyn Fence>,
    ) -> Result<Self, LogError> {
        let key = subject::delivery_commit(destination)?;
        let found = loop {
            let found = log.get(&key).await?;
            match fence {
                Some(fence) if !fence.holds() => {
                    if !fence.regained().await {
                        return Err(LogError::Busy("the lease is lost".into()));
                    }
                }
                _ => break found,
            }
        };
        let (revision, mut stored) = match found {
            Some((revision, bytes)) => (revision, DeliveryCommit::parse(&bytes)?),
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
