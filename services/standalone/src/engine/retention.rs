//! What has had its time goes: payloads can no longer be shown, the ledger forgets, the log gives its storage back.
//!
//! Each minute, in small steps, behind everything clinical. Nothing goes that is in flight, held or waits for a person.
//! Revisions stay as long as the log does: they are small, and a replay may ask for any. So do commands, from which the
//! ledger knows what people decided; what stood in subjects of a removed destination goes like all else, but for the
//! last record of each.

mod answers;
mod trim;

use std::sync::Arc;
use std::time::Duration;

use barid_config::settings::{ChannelSettings, defaults};
use barid_config::{Channel, Snapshot};
use barid_ledger::{Cursor, Ledger, LedgerError, Retention};
use barid_log::LogError;
use barid_model::Timestamp;

use self::answers::Answers;
use super::parts::Parts;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(60);
/// Messages that the ledger looks at in one transaction: some tens of milliseconds in which nothing else is written.
const PRUNE_ROWS: usize = 1_000;
/// Such transactions a run.
const PRUNE_STEPS: usize = 20;

/// A step of it failed; the next run tries again.
#[derive(Debug, thiserror::Error)]
pub(super) enum RetentionError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the ledger's task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Keeps to the retention of all channels for ever.
pub(super) async fn run(parts: Arc<Parts>) -> Result<(), LogError> {
    let mut keeper = Keeper::default();
    loop {
        match keeper.run(&parts).await {
            Ok(()) => {}
            Err(RetentionError::Log(error)) if error.is_fatal() => return Err(error),
            Err(error) => tracing::warn!(%error, "what has had its time could not be removed; tried again in a minute"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// How far the steps of several runs have come.
#[derive(Default)]
struct Keeper {
    prune: Option<Cursor>,
    answers: Answers,
}

impl Keeper {
    async fn run(&mut self, parts: &Parts) -> Result<(), RetentionError> {
        let (snapshot, now) = (parts.channels.snapshot(), parts.clock.now());
        let ledger = Arc::clone(&parts.storage.ledger);
        let (payloads, metadata, after) = (payloads(&snapshot, now), metadata(&snapshot, now), self.prune.take());
        let forgotten = tokio::task::spawn_blocking(move || {
            ledger.expire_payloads(&payloads)?;
            forget(&*ledger, &metadata, after)
        });
        self.prune = forgotten.await??;
        let keep = longest(&snapshot, |settings| settings.payload_retention.max(settings.duplicate_window));
        trim::trim(&parts.storage, now.minus(keep)).await?;
        let window = longest(&snapshot, |settings| settings.duplicate_window.max(settings.ack.timeout));
        self.answers.run(&parts.storage.log, now.minus(window)).await?;
        Ok(())
    }
}

/// Has the ledger forget what is past its retention, from where the run before stopped.
fn forget(
    ledger: &dyn Ledger,
    retention: &Retention,
    mut after: Option<Cursor>,
) -> Result<Option<Cursor>, LedgerError> {
    for _ in 0..PRUNE_STEPS {
        let pruned = ledger.prune(retention, after.as_ref(), PRUNE_ROWS)?;
        if pruned.messages > 0 {
            tracing::debug!(messages = pruned.messages, "the ledger has forgotten what is past its retention");
        }
        after = pruned.next;
        if after.is_none() {
            break;
        }
    }
    Ok(after)
}

/// Up to when payloads are past their retention.
pub(super) fn payloads(snapshot: &Snapshot, now: Timestamp) -> Retention {
    retention(snapshot, now, |settings| settings.payload_retention)
}

/// Up to when what is known about messages is past its retention.
fn metadata(snapshot: &Snapshot, now: Timestamp) -> Retention {
    retention(snapshot, now, |settings| settings.metadata_retention)
}

fn retention(snapshot: &Snapshot, now: Timestamp, of: fn(&ChannelSettings) -> Duration) -> Retention {
    let channel = |channel: &Arc<Channel>| (channel.name.clone(), now.minus(of(&channel.settings)));
    Retention { before: now.minus(longest(snapshot, of)), channels: snapshot.channels.values().map(channel).collect() }
}

/// The longest time of any channel: it also holds for what no channel takes, or one that is gone.
fn longest(snapshot: &Snapshot, of: impl Fn(&ChannelSettings) -> Duration) -> Duration {
    let all = snapshot.channels.values().map(|channel| of(&channel.settings));
    // Without any channel nothing is known of what people want kept: as long as anything is by default.
    all.max().unwrap_or(defaults::METADATA_RETENTION)
}
