//! What has had its time goes: payloads can no longer be shown, the ledger forgets, the log gives its storage back.
//!
//! Each minute, in small steps, behind everything clinical. Nothing goes that is in flight, held or waits for a person, that a
//! router, an owner or a history has still to read, or that is within the retention of its channel. Commands, from which the
//! ledger knows what people decided, and revisions stay as long as anything may refer to them. What stood in subjects of a
//! removed destination goes like all else, but for the last record of each.
//!
//! There are two halves. Each history keeps to the retention itself ([`View`]). What is removed from the log is decided in one
//! place ([`Storage`]), the same for an engine and a mesh: in a mesh by one process at a time ([`mesh`]). One that is stale
//! does no harm, because what may go at one moment may go ever after.

mod answers;
mod commands;
mod decided;
mod known;
#[cfg(feature = "mesh")]
pub mod mesh;
pub mod readers;
mod revisions;
mod steady;
mod trim;

use std::sync::Arc;
use std::time::Duration;

use barid_custody::Channels;
use barid_ledger::{Cursor, Ledger, LedgerError, Retention};
use barid_log::{Log, LogError};
use barid_model::{Clock, Partitions, Timestamp};

use self::answers::Answers;
pub use self::known::Known;
use self::readers::Readers;
use self::steady::Steady;
use self::trim::Looked;

/// How often it is looked at, where nothing else is said.
pub const EVERY: Duration = Duration::from_secs(60);
/// Messages that the ledger looks at in one transaction: some tens of milliseconds in which nothing else is written.
const PRUNE_ROWS: usize = 1_000;
/// Such transactions a run.
const PRUNE_STEPS: usize = 20;
/// How often commands, revisions and removed destinations are looked at.
const REST_EVERY: Duration = Duration::from_secs(3_600);

/// A step of it failed; the next run tries again.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A panic.
    #[error("the ledger's task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// Another process may do it now.
    #[error("another process gives the log's storage back now")]
    Lost,
}

/// What is kept small, and by what.
#[derive(Clone)]
pub struct Keeping {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The history of this process.
    pub ledger: Arc<dyn Ledger>,
    /// The log's partitions.
    pub partitions: Partitions,
    /// The channels, of which each says how long it wants things kept.
    pub channels: Arc<Channels>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Keeps to the retention of all channels for ever, as the one process there is.
///
/// # Errors
/// Where the log has failed.
pub async fn run(keeping: Keeping) -> Result<(), LogError> {
    let (mut view, mut storage) = (View::default(), Storage::new(Readers::sole()));
    let (keeping, steady) = loop {
        match keeping.clone().steadily().await {
            Ok(begun) => break begun,
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => tracing::warn!(%error, "retention begins later"),
        }
        tokio::time::sleep(EVERY).await;
    };
    loop {
        let kept = async {
            steady.look(&keeping.log, keeping.partitions).await?;
            let now = keeping.clock.now();
            let known = Known::of(&keeping.log, &keeping.channels.snapshot(), now, true).await?;
            view.run(&keeping, &known).await?;
            storage.run(&keeping, &known, &|| true).await
        };
        match kept.await {
            Ok(()) => {}
            Err(RetentionError::Log(error)) if error.is_fatal() => return Err(error),
            Err(error) => tracing::warn!(%error, "what has had its time could not be removed; tried again in a minute"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

impl Keeping {
    /// The same by a clock that makes no large step forward.
    async fn steadily(mut self) -> Result<(Self, Arc<Steady>), LogError> {
        let steady = Arc::new(Steady::begin(&self.log, self.partitions, Arc::clone(&self.clock)).await?);
        self.clock = Arc::clone(&steady) as Arc<dyn Clock>;
        Ok((self, steady))
    }
}

/// What one history forgets, and how far that has come over several runs.
#[derive(Default)]
pub struct View {
    prune: Option<Cursor>,
}

impl View {
    /// Says what is past its retention, and forgets some of it.
    ///
    /// # Errors
    /// As the ledger.
    pub async fn run(&mut self, keeping: &Keeping, known: &Known) -> Result<(), RetentionError> {
        let now = keeping.clock.now();
        let ledger = Arc::clone(&keeping.ledger);
        let (payloads, metadata, after) = (known.payloads(now), known.metadata(now), self.prune.take());
        let forgotten = tokio::task::spawn_blocking(move || {
            ledger.expire_payloads(&payloads)?;
            forget(&*ledger, &metadata, after)
        });
        self.prune = forgotten.await??;
        Ok(())
    }
}

/// What is removed from the log, and how far that has come over several runs.
pub struct Storage {
    answers: Answers,
    looked: Looked,
    readers: Readers,
    rest: Option<Timestamp>,
}

impl Storage {
    /// Behind these histories.
    #[must_use]
    pub fn new(readers: Readers) -> Self {
        Self { answers: Answers::default(), looked: Looked::default(), readers, rest: None }
    }

    /// Removes what may go, as long as this process `may`.
    ///
    /// # Errors
    /// [`RetentionError`]; what was removed before that is as if it had not failed.
    pub async fn run(
        &mut self,
        keeping: &Keeping,
        known: &Known,
        may: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), RetentionError> {
        let (log, now) = (&keeping.log, keeping.clock.now());
        let bound = trim::Bound::of(keeping, &mut self.readers, now).await?;
        let read = bound.read.get("command").copied().unwrap_or(0);
        trim::trim(keeping, bound, now.minus(known.storage()), &mut self.looked, may).await?;
        self.answers.run(log, now, now.minus(known.window())).await?;
        if self.rest.is_none_or(|at| now.since(at) >= REST_EVERY) {
            if !may() {
                return Err(RetentionError::Lost);
            }
            let (oldest, kept) = (commands::oldest(log, keeping.partitions).await?, known.longest_known());
            let before = now.minus(kept);
            commands::trim(log, oldest.map_or(before, |oldest| before.min(oldest)), read).await?;
            revisions::forget(keeping, now, kept, oldest).await?;
            decided::forget(log, oldest.unwrap_or(before)).await?;
            self.rest = Some(now);
        }
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
