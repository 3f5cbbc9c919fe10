//! Snapshots as a replica applies them: unpacked, applied, kept on disk, acknowledged, in this order.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use barid_config::{Packed, Snapshot, UnpackError};
use barid_log::LogError;
use barid_rpc::config::{LastGood, Offer, Published, Stage, Subscribe, Subscription};
use barid_runtime::admin::Part;
use barid_runtime::{Exit, Failure};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The file of the last good snapshot, in the data directory.
const LAST_GOOD: &str = "snapshot";
/// Wait before a snapshot is applied again that could not be for now.
const APPLY_AGAIN: Duration = Duration::from_secs(1);
/// How long a start tries so with the last good one: what servers of the log take to choose their leaders. After that the
/// publisher is asked for what it has, and everything else starts.
const START_WITHIN: Duration = Duration::from_secs(30);

/// Why a snapshot was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApplied {
    /// Not now: it is tried again, and meanwhile neither acknowledged nor refused.
    #[error("{0}")]
    Later(String),
    /// Not by this replica: it is refused.
    #[error("{0}")]
    Never(String),
}

impl From<LogError> for NotApplied {
    fn from(error: LogError) -> Self {
        match error {
            error @ (LogError::BadName { .. } | LogError::TooLarge { .. } | LogError::Damaged(_)) => {
                Self::Never(error.to_string())
            }
            // A log that chooses its leaders is no reason against a snapshot.
            error => Self::Later(error.to_string()),
        }
    }
}

/// A snapshot as it travels.
#[must_use]
pub fn published(packed: Packed) -> Published {
    let Packed { number, id, parts } = packed;
    Published { number, id, parts }
}

/// What travelled, to be unpacked.
#[must_use]
pub fn packed(published: &Published) -> Packed {
    Packed { number: published.number, id: published.id, parts: published.parts.clone() }
}

/// Follows the configuration stream.
pub struct Follower {
    offers: mpsc::Receiver<Offer>,
    subscription: Arc<Subscription>,
    kept: LastGood,
    part: Part,
}

impl Follower {
    /// Subscribes from the last good snapshot on, which is given as well where there is one.
    ///
    /// # Errors
    /// Where the file cannot be read; one that is damaged is only a warning, since the publisher has it.
    pub(crate) fn begin(
        mut subscribe: Subscribe,
        data: &Path,
        part: Part,
    ) -> Result<(Self, Option<Arc<Published>>), Failure> {
        let kept = LastGood::at(data.join(LAST_GOOD));
        let last = match kept.load() {
            Ok(last) => last.map(Arc::new),
            Err(error @ barid_rpc::config::KeptError::File { .. }) => {
                return Err(Failure::new(Exit::Storage, error.to_string()));
            }
            Err(error) => {
                tracing::warn!(%error, "the last good snapshot is not used");
                None
            }
        };
        subscribe.runs.clone_from(&last);
        let (subscription, offers) = Subscription::begin(subscribe);
        part.not_ready("no snapshot yet");
        Ok((Self { offers, subscription: Arc::new(subscription), kept, part }, last))
    }

    /// Where snapshots can be fetched by their hash.
    #[must_use]
    pub fn subscription(&self) -> Arc<Subscription> {
        Arc::clone(&self.subscription)
    }

    /// Applies the last good snapshot. One that cannot be applied by this release, or not in time, is left to the publisher.
    pub async fn start(
        &self,
        last: Option<Arc<Published>>,
        apply: &impl AsyncFn(Arc<Snapshot>) -> Result<(), NotApplied>,
    ) {
        let Some(last) = last else { return };
        let begun = Instant::now();
        loop {
            match applied(Arc::clone(&last), apply).await {
                Ok(()) => {
                    tracing::info!(number = last.number, "runs the last good snapshot");
                    self.part.ready();
                    return;
                }
                Err(NotApplied::Later(why)) if begun.elapsed() < START_WITHIN => {
                    tracing::warn!(number = last.number, why, "the last good snapshot cannot be applied yet");
                    tokio::time::sleep(APPLY_AGAIN).await;
                }
                Err(error) => {
                    tracing::warn!(number = last.number, %error, "the last good snapshot cannot be applied");
                    return self.subscription.runs_nothing();
                }
            }
        }
    }

    /// Applies what is offered, for ever.
    pub async fn follow(mut self, apply: impl AsyncFn(Arc<Snapshot>) -> Result<(), NotApplied>) {
        while let Some(offer) = self.offers.recv().await {
            let number = offer.snapshot.number;
            loop {
                match self.take(&offer.snapshot, &apply).await {
                    Ok(()) => {
                        self.part.ready();
                        offer.ack();
                    }
                    Err(NotApplied::Later(why)) => {
                        tracing::warn!(number, why, "a snapshot cannot be applied yet: what ran runs on");
                        tokio::time::sleep(APPLY_AGAIN).await;
                        continue;
                    }
                    Err(NotApplied::Never(why)) => {
                        tracing::error!(number, why, "a snapshot is refused: what ran runs on");
                        offer.nack(why);
                    }
                }
                break;
            }
        }
    }

    async fn take(
        &self,
        snapshot: &Arc<Published>,
        apply: &impl AsyncFn(Arc<Snapshot>) -> Result<(), NotApplied>,
    ) -> Result<(), NotApplied> {
        applied(Arc::clone(snapshot), apply).await?;
        let (kept, snapshot) = (self.kept.clone(), Arc::clone(snapshot));
        let stored = tokio::task::spawn_blocking(move || kept.store(&snapshot)).await;
        let later = |error: &dyn std::fmt::Display| NotApplied::Later(error.to_string());
        stored.map_err(|error| later(&error))?.map_err(|error| later(&error))
    }
}

async fn applied(
    snapshot: Arc<Published>,
    apply: &impl AsyncFn(Arc<Snapshot>) -> Result<(), NotApplied>,
) -> Result<(), NotApplied> {
    let unpacked = tokio::task::spawn_blocking(move || Snapshot::unpack(&packed(&snapshot))).await;
    let unpacked = unpacked.map_err(|_| NotApplied::Never("unpacking it crashed".to_owned()))?;
    apply(unpacked.map_err(|error: UnpackError| NotApplied::Never(error.to_string()))?).await
}

/// A subscription of this replica.
pub(crate) fn subscribe(
    stage: Stage,
    replica: String,
    targets: Vec<barid_rpc::Target>,
    tls: Option<Arc<barid_rpc::Tls>>,
) -> Subscribe {
    Subscribe { targets, tls, stage, replica, runs: None }
}
