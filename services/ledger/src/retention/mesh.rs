//! Retention in a mesh: each history keeps to it itself and says how far it has read; one of their processes gives the log's
//! storage back, by a lease like every other owner.
//!
//! It is a ledger's process, because what may go depends on what its history has read and on what waits for a person there. A
//! process that is killed is taken over within seconds; one that is frozen and wakes up may do one step late, which removes
//! nothing that is needed: what may go may go ever after.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use barid_log::LogError;
use barid_model::{MessageUid, Name};
use barid_replica::{Ownership, Owns, Replica, Tenure, Terms};
use barid_runtime::{Exit, Failure, Kind};
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use super::readers::{self, Reader, Readers};
use super::steady::Steady;
use super::{Keeping, Known, RetentionError, Storage, View};
use crate::trimmed::Trimmed;

/// The service, as leases name it.
const ROLE: &str = "ledger";
/// What one process of it owns.
const ITEM: &str = "log";

/// The service that owns destinations.
const DELIVERY: &str = "delivery";
/// Keys of what is remembered of destinations begin so.
const REMEMBERED: &str = "destination.";
/// How often claims are looked at.
const CLAIMS_EVERY: Duration = Duration::from_secs(3_600);
/// How often a history tries to introduce itself while another of its name does.
const INTRODUCTIONS: usize = 8;

/// Retention of a process, before it runs.
pub struct Retention {
    keeping: Keeping,
    every: Duration,
    name: String,
    /// Whether the history lacks what was given back while it was away: then it decides nothing.
    partial: watch::Sender<bool>,
    steady: Arc<Steady>,
}

impl Retention {
    /// Says how far the history is, so that the log is kept for it from now on: to be called before it is fed. `shared` names a history
    /// that several processes work on; one of this process alone is named in its data directory, which has to outlive the process.
    ///
    /// # Errors
    /// [`Failure`] where it cannot be said, or the history has no name.
    pub async fn begin(
        replica: &Replica,
        keeping: Keeping,
        every: Duration,
        shared: Option<&str>,
    ) -> Result<Self, Failure> {
        let storage = |error: &dyn std::fmt::Display| Failure::new(Exit::Storage, error.to_string());
        let (keeping, steady) = keeping.steadily().await.map_err(|error| storage(&error))?;
        let name = match shared {
            Some(name) => name.to_owned(),
            None => {
                let new = MessageUid::new(keeping.clock.now());
                readers::name(replica.data(), new).map_err(|error| storage(&error))?
            }
        };
        let retention = Self { keeping, every, name, partial: watch::Sender::new(false), steady };
        retention.introduce().await.map_err(|error| storage(&error))?;
        Ok(retention)
    }

    /// Says how far the history is as if for the first time: it may have been given up.
    async fn introduce(&self) -> Result<(), RetentionError> {
        for _ in 0..INTRODUCTIONS {
            if self.try_introduce().await? {
                return Ok(());
            }
        }
        Err(LogError::Busy("others of the same history speak all the time".into()).into())
    }

    async fn try_introduce(&self) -> Result<bool, RetentionError> {
        let log = &self.keeping.log;
        let before = Reader::find(log, &self.name).await?;
        let mut reader = self.reader().await?;
        let trimmed = Trimmed::all(&**log).await?;
        let misses = reader.misses(&trimmed);
        // Until it is filled anew.
        let partial = misses || before.is_some_and(|before| before.partial) && !reader.positions.is_empty();
        if partial && !*self.partial.borrow() {
            tracing::error!(
                "this history was away for too long and lacks what the log has given back since: it does not decide what else \
                 may go; start it with an empty data directory to have it filled anew with what the log holds"
            );
        }
        reader.partial = partial;
        self.partial.send_replace(partial);
        Ok(reader.tell(log, &self.name).await?)
    }

    /// Says how far the history is, and looks whether it was given up meanwhile.
    async fn speak(&self) -> Result<(), RetentionError> {
        let log = &self.keeping.log;
        if Reader::find(log, &self.name).await?.is_none() {
            return self.introduce().await;
        }
        // Where it was not said, another of the same history did, or the next word finds that it was given up.
        self.reader().await?.tell(log, &self.name).await?;
        Ok(())
    }

    async fn reader(&self) -> Result<Reader, RetentionError> {
        let ledger = Arc::clone(&self.keeping.ledger);
        let positions = tokio::task::spawn_blocking(move || ledger.positions()).await??;
        let at = self.keeping.clock.now();
        Ok(Reader { at, positions: positions.into_iter().collect(), partial: *self.partial.borrow() })
    }

    /// Starts it.
    pub fn start(self, replica: &Replica) {
        let retention = Arc::new(self);
        let (own, name, stop) = (Arc::clone(&retention), replica.name(), replica.stopped());
        replica.process.tasks.spawn(Kind::Critical(Exit::Storage), "storage", own.own(name, stop));
        let stop = replica.stopped();
        replica.process.tasks.spawn(Kind::Service, "retention", async move {
            retention.keep(stop).await;
            Ok::<(), std::convert::Infallible>(())
        });
    }

    /// Owns the log's storage like any other of these processes, as long as its history is whole.
    async fn own(self: Arc<Self>, replica: String, mut stop: watch::Receiver<bool>) -> Result<(), LogError> {
        let mut partial = self.partial.subscribe();
        if !*partial.borrow_and_update() {
            let items = watch::Sender::new(BTreeSet::from([ITEM.to_owned()]));
            let (end, ended) = watch::channel(false);
            let log = Arc::clone(&self.keeping.log);
            let ownership = Ownership { log, role: ROLE, replica, terms: Terms::default() };
            let run = ownership.run(items.subscribe(), Arc::new(Trimmer(Arc::clone(&self))), ended);
            tokio::pin!(run);
            tokio::select! {
                owned = &mut run => return owned,
                _ = partial.wait_for(|partial| *partial) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
            end.send_replace(true);
            run.await?;
        }
        drop(stop.wait_for(|stop| *stop).await);
        Ok(())
    }

    /// Keeps the history to the retention and says how far it is, until `stop`.
    async fn keep(&self, mut stop: watch::Receiver<bool>) {
        let mut view = View::default();
        while !*stop.borrow() {
            let kept = async {
                self.speak().await?;
                self.steady.look(&self.keeping.log, self.keeping.partitions).await?;
                match self.known(false).await? {
                    Some(known) => view.run(&self.keeping, &known).await,
                    None => Ok(()),
                }
            };
            if let Err(error) = kept.await {
                tracing::warn!(%error, "this history does not keep to its retention now, or cannot say how far it is");
            }
            tokio::select! {
                () = tokio::time::sleep(self.every) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// How long things are wanted; none before there are documents.
    async fn known(&self, store: bool) -> Result<Option<Known>, LogError> {
        let snapshot = self.keeping.channels.snapshot();
        if snapshot.channels.is_empty() {
            return Ok(None);
        }
        Known::of(&self.keeping.log, &snapshot, self.keeping.clock.now(), store).await.map(Some)
    }

    /// Gives the log's storage back while it is owned.
    async fn trim(&self, tenure: &Tenure) {
        let mut storage = Storage::new(Readers::besides(&self.name));
        let mut forgot = None;
        loop {
            let kept = async {
                self.steady.look(&self.keeping.log, self.keeping.partitions).await?;
                let Some(known) = self.known(true).await? else { return Ok(()) };
                storage.run(&self.keeping, &known, &|| tenure.holds()).await?;
                if forgot.is_none_or(|at: Instant| at.elapsed() >= CLAIMS_EVERY) {
                    self.forget_claims().await?;
                    forgot = Some(Instant::now());
                }
                Ok(())
            };
            match kept.await {
                Ok(()) => {}
                Err(RetentionError::Lost) => return,
                Err(error) => tracing::warn!(%error, "what has had its time could not be removed; tried again"),
            }
            tokio::time::sleep(self.every).await;
        }
    }

    /// Removes the claims on destinations that are neither declared nor remembered.
    async fn forget_claims(&self) -> Result<(), LogError> {
        let (log, snapshot) = (&self.keeping.log, self.keeping.channels.snapshot());
        let remembered = log.keys(REMEMBERED).await?;
        let names = remembered.iter().filter_map(|key| key.as_str().strip_prefix(REMEMBERED).map(str::to_owned));
        let known: BTreeSet<String> = names.chain(snapshot.destinations.keys().map(Name::subject_part)).collect();
        barid_replica::forget_claims(log, DELIVERY, |item| !known.contains(item)).await?;
        Ok(())
    }
}

struct Trimmer(Arc<Retention>);

impl Owns for Trimmer {
    fn run(&self, _: String, tenure: Tenure, mut stop: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        let retention = Arc::clone(&self.0);
        Box::pin(async move {
            tokio::select! {
                () = retention.trim(&tenure) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        })
    }
}
