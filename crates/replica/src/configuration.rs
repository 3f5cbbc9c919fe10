//! Snapshots as a replica applies them: unpacked, applied, kept on disk, acknowledged, in this order.

use std::path::Path;
use std::sync::Arc;

use barid_config::{Packed, Snapshot, UnpackError};
use barid_rpc::config::{LastGood, Offer, Published, Stage, Subscribe, Subscription};
use barid_runtime::admin::Part;
use barid_runtime::{Exit, Failure};
use tokio::sync::mpsc;

/// The file of the last good snapshot, in the data directory.
const LAST_GOOD: &str = "snapshot";

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

    /// Applies the last good snapshot. One that cannot be applied by this release is left to the publisher.
    pub async fn start(&self, last: Option<Arc<Published>>, apply: &impl AsyncFn(Arc<Snapshot>) -> Result<(), String>) {
        let Some(last) = last else { return };
        match applied(Arc::clone(&last), apply).await {
            Ok(()) => {
                tracing::info!(number = last.number, "runs the last good snapshot");
                self.part.ready();
            }
            Err(error) => tracing::warn!(number = last.number, %error, "the last good snapshot cannot be applied"),
        }
    }

    /// Applies what is offered, for ever.
    pub async fn follow(mut self, apply: impl AsyncFn(Arc<Snapshot>) -> Result<(), String>) {
        while let Some(offer) = self.offers.recv().await {
            match self.take(&offer.snapshot, &apply).await {
                Ok(()) => {
                    self.part.ready();
                    offer.ack();
                }
                Err(error) => {
                    tracing::error!(number = offer.snapshot.number, %error, "a snapshot is refused: what ran runs on");
                    offer.nack(error);
                }
            }
        }
    }

    async fn take(
        &self,
        snapshot: &Arc<Published>,
        apply: &impl AsyncFn(Arc<Snapshot>) -> Result<(), String>,
    ) -> Result<(), String> {
        applied(Arc::clone(snapshot), apply).await?;
        let (kept, snapshot) = (self.kept.clone(), Arc::clone(snapshot));
        let stored = tokio::task::spawn_blocking(move || kept.store(&snapshot)).await;
        stored.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

async fn applied(
    snapshot: Arc<Published>,
    apply: &impl AsyncFn(Arc<Snapshot>) -> Result<(), String>,
) -> Result<(), String> {
    let unpacked = tokio::task::spawn_blocking(move || Snapshot::unpack(&packed(&snapshot))).await;
    let unpacked = unpacked.map_err(|_| "unpacking it crashed".to_owned())?;
    apply(unpacked.map_err(|error: UnpackError| error.to_string())?).await
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
