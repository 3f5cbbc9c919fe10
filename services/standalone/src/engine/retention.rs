//! What has had its time goes: payloads can no longer be shown, the ledger forgets, the log gives its storage back.
//!
//! Each minute, in small steps, behind everything clinical. Nothing goes that is in flight, held or waits for a person.
//! Commands, from which the ledger knows what people decided, and revisions stay as long as anything may refer to them.
//! What stood in subjects of a removed destination goes like all else, but for the last record of each.

mod answers;
mod commands;
mod known;
mod revisions;
mod trim;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use barid_ledger::{Cursor, Ledger, LedgerError, Retention};
use barid_log::LogError;
use barid_model::{Name, Timestamp};

use self::answers::Answers;
pub(super) use self::known::Known;
use super::parts::Parts;
use barid_delivery::backlog::waiting;

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

/// Runs between two looks at revisions: an hour.
const REVISIONS_EVERY: u32 = 60;

/// How far the steps of several runs have come.
#[derive(Default)]
struct Keeper {
    prune: Option<Cursor>,
    answers: Answers,
    runs: u32,
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
        let oldest = commands::oldest(log, parts.storage.partitions).await?;
        self.commands(parts, now.minus(known.longest_known()), oldest).await?;
        if self.runs.is_multiple_of(REVISIONS_EVERY) {
            let _unchanged = parts.configuration.hold().await;
            let snapshot = parts.channels.snapshot();
            revisions::forget(log, &snapshot, now, known.longest_known(), oldest).await?;
            revisions::destinations(log, &snapshot, &busy(parts).await?).await?;
        }
        self.runs = self.runs.wrapping_add(1);
        Ok(())
    }

    async fn commands(
        &self,
        parts: &Parts,
        before: Timestamp,
        oldest: Option<Timestamp>,
    ) -> Result<(), RetentionError> {
        let ledger = Arc::clone(&parts.storage.ledger);
        let read = tokio::task::spawn_blocking(move || ledger.positions()).await??;
        let read = read.into_iter().find(|(subject, _)| subject == "command").map_or(0, |(_, position)| position);
        let before = oldest.map_or(before, |oldest| before.min(oldest));
        commands::trim(&parts.storage.log, before, read).await?;
        Ok(())
    }
}

/// Destinations with something to deliver or to decide on, and those of which that is not known yet.
async fn busy(parts: &Parts) -> Result<BTreeSet<Name>, LogError> {
    let mut busy = BTreeSet::new();
    for (name, running) in parts.destinations.all() {
        let view = running.shared.view();
        let waits = waiting(&parts.storage.log, &name, &view, parts.storage.partitions).await?;
        if view.finished.is_empty() || view.quarantined > 0 || waits > 0 {
            busy.insert(name);
        }
    }
    Ok(busy)
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
