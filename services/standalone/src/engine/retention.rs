//! What has had its time goes: payloads can no longer be shown, the ledger forgets, the log gives its storage back.
//!
//! Each minute, in small steps, behind everything clinical. Nothing goes that is in flight, held or waits for a person.
//! Revisions stay as long as the log does: they are small, and a replay may ask for any. So do commands, from which the
//! ledger knows what people decided; what stood in subjects of a removed destination goes like all else, but for the
//! last record of each.

mod answers;
mod known;
mod trim;

use std::sync::Arc;
use std::time::Duration;

use barid_ledger::{Cursor, Ledger, LedgerError, Retention};
use barid_log::LogError;

use self::answers::Answers;
pub(super) use self::known::Known;
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
        let (log, now) = (&parts.storage.log, parts.clock.now());
        let known = Known::of(log, &parts.channels.snapshot(), now, true).await?;
        let ledger = Arc::clone(&parts.storage.ledger);
        let (payloads, metadata, after) = (known.payloads(now), known.metadata(now), self.prune.take());
        let forgotten = tokio::task::spawn_blocking(move || {
            ledger.expire_payloads(&payloads)?;
            forget(&*ledger, &metadata, after)
        });
        self.prune = forgotten.await??;
        trim::trim(&parts.storage, now.minus(known.storage())).await?;
        self.answers.run(log, now.minus(known.window())).await?;
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
