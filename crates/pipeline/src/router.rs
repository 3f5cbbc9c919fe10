//! The router of one partition: read, judge, map, write, commit; for ever, in order.
//!
//! Outputs of a batch are queued and the next batch is worked on while they become durable; the commit follows behind
//! what is durable. Anything that makes a write fail or its result unknown ends this run of the router: its supervisor
//! starts it again from the commit, and what is there already is skipped. So there is one way to recover, and it is
//! the way of every start.

mod work;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use barid_log::{Batch, Log, LogError, ReadLimit, Reader, Ticket};
use barid_model::outcome::Disposition;
use barid_model::record::{InRecord, Intake};
use barid_model::stage::Call;
use barid_model::{Clock, Name, Partition, Revision};
use barid_transform::{Applied, ApplyInput};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::commit::{Commits, RouterCommit};
use crate::fanout::Fanout;
use crate::memory::{Judge, SHOWN_AGAIN, SHOWN_WITHIN};
use crate::outputs::{OutputError, Outputs};
use crate::subject;
use crate::traced::Routed;

/// Messages worked on between two looks at everything else: about a millisecond of mapping.
const BATCH: ReadLimit = ReadLimit { records: 64, bytes: 1 << 20 };
/// Batches whose outputs may wait to be durable: a few group commits deep, also where what nobody waits for waits for company.
const IN_FLIGHT_MAX: usize = 64;
/// How often the commit is written at most.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// Programs kept ready; more revisions than this are rarely alive at once.
const PROGRAMS_MAX: usize = 256;

/// Where the router finds what a channel was when a message was accepted.
pub trait Programs: Send + Sync + 'static {
    /// The channel under this revision; waits until it is there. None where the log does not hold it.
    fn load<'a>(&'a self, channel: &'a Name, revision: Revision) -> BoxFuture<'a, Result<Option<Program>, LogError>>;
    /// The present revision of a channel that a route leads to.
    fn current(&self, channel: &Name) -> Option<Revision>;
    /// Writes the answer for a waiting sender, where no delivery will give one.
    fn answer<'a>(
        &'a self,
        key: barid_model::Digest,
        answer: barid_model::record::AnswerRecord,
    ) -> BoxFuture<'a, Result<(), LogError>>;
}

/// What the router needs of a channel's revision.
#[derive(Clone)]
pub struct Program {
    /// How far back a resend is looked for; none where the channel does not ask for it.
    pub duplicates: Option<Duration>,
    /// Makes the stage's input for a message.
    pub input: Arc<dyn Fn(&InRecord) -> ApplyInput + Send + Sync>,
}

/// What a router is made with.
#[derive(Clone)]
pub struct Options {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The partition it owns.
    pub partition: Partition,
    /// The apply stage, wherever it runs.
    pub apply: Arc<dyn Call<ApplyInput, Applied>>,
    /// The channels.
    pub programs: Arc<dyn Programs>,
    /// The time that records are stamped with.
    pub clock: Arc<dyn Clock>,
}

/// Why a run of the router ended.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// The log refused, failed, or has another owner by now.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The outputs' state cannot be known.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// What can be seen of a router from outside: counts since its start.
#[derive(Debug, Default)]
pub struct Handle {
    /// Messages routed.
    pub routed: AtomicU64,
    /// Resends dropped.
    pub duplicates: AtomicU64,
    /// Messages set aside before routing.
    pub quarantined: AtomicU64,
    /// Last position of what listeners wrote whose outputs are durable.
    pub done: AtomicU64,
    /// Last position of what the router wrote for other channels, likewise.
    pub done_chained: AtomicU64,
    /// Records that could not be read.
    pub damaged: AtomicU64,
    /// Messages written for other channels, by the channel they came to.
    pub handed_on: Mutex<HashMap<Name, u64>>,
}

struct Pending {
    tickets: Vec<Ticket>,
    intake: Intake,
    position: u64,
    answers: Vec<(barid_model::Digest, barid_model::record::AnswerRecord)>,
    /// What is told of their ways.
    routed: Vec<Routed>,
}

/// One run of the router of a partition.
pub struct Router {
    options: Options,
    handle: Arc<Handle>,
    outputs: Outputs,
    judge: Judge,
    commits: Commits,
    /// Read and queued.
    read: RouterCommit,
    /// Durable.
    done: RouterCommit,
    /// Answers for senders of the batch that is worked on.
    answers: Vec<(barid_model::Digest, barid_model::record::AnswerRecord)>,
    /// What is told of the messages of the batch.
    routed: Vec<Routed>,
    pending: VecDeque<Pending>,
    programs: HashMap<(Name, Revision), Option<Program>>,
}

impl Router {
    /// Takes the partition over.
    ///
    /// # Errors
    /// [`RouterError`].
    pub async fn open(options: Options, handle: Arc<Handle>) -> Result<Self, RouterError> {
        let (log, partition) = (Arc::clone(&options.log), options.partition);
        let commits = Commits::take_over(Arc::clone(&log), partition).await?;
        let stored = commits.stored().clone();
        let judge = Judge::open(Arc::clone(&log), partition, stored.remembered, stored.received).await?;
        let outputs = Outputs::new(log, partition)?;
        handle.done.store(stored.received, Ordering::Relaxed);
        handle.done_chained.store(stored.chained, Ordering::Relaxed);
        Ok(Self {
            options,
            handle,
            outputs,
            judge,
            commits,
            read: stored.clone(),
            done: stored,
            answers: Vec::new(),
            routed: Vec::new(),
            pending: VecDeque::new(),
            programs: HashMap::new(),
        })
    }

    /// Routes until `stop` says so, then commits what is durable.
    ///
    /// # Errors
    /// [`RouterError`]; what was queued may or may not be stored, a new run finds out.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), RouterError> {
        let (log, partition) = (Arc::clone(&self.options.log), self.options.partition);
        let reader = |intake, position: u64| -> Result<Reader, LogError> {
            let subject = subject::intake(partition, intake)?;
            Ok(Reader::new(Arc::clone(&log), subject, barid_log::Position(position).next()))
        };
        let mut received = reader(Intake::Received, self.read.received)?;
        let mut chained = reader(Intake::Chained, self.read.chained)?;
        let mut commit_at = Instant::now() + COMMIT_EVERY;
        while !*stop.borrow() {
            let full = self.pending.len() >= IN_FLIGHT_MAX;
            tokio::select! {
                biased;
                _ = stop.changed() => {}
                result = first(&mut self.pending) => self.landed(result?).await?,
                () = tokio::time::sleep_until(commit_at) => {
                    self.commit(false).await?;
                    commit_at = Instant::now() + COMMIT_EVERY;
                }
                batch = chained.next(BATCH), if !full => self.batch(Intake::Chained, batch?).await?,
                batch = received.next(BATCH), if !full => self.batch(Intake::Received, batch?).await?,
            }
        }
        while !self.pending.is_empty() {
            let result = first(&mut self.pending).await;
            self.landed(result?).await?;
        }
        self.commit(true).await?;
        Ok(())
    }

    async fn batch(&mut self, intake: Intake, batch: Batch) -> Result<(), RouterError> {
        for damage in &batch.damaged {
            let lost = damage.to.0.saturating_sub(damage.from.0) + 1;
            self.handle.damaged.fetch_add(lost, Ordering::Relaxed);
            tracing::error!(place = %damage.place, lost, "accepted messages cannot be read back from the log");
        }
        self.work(intake, &batch.entries).await?;
        let position = batch.next.0.saturating_sub(1);
        self.read.advance(intake, position);
        let tickets = self.append(!self.answers.is_empty()).await?;
        let answers = std::mem::take(&mut self.answers);
        let routed = std::mem::take(&mut self.routed);
        self.pending.push_back(Pending { tickets, intake, position, answers, routed });
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn append(&mut self, awaited: bool) -> Result<Vec<Ticket>, OutputError> {
        let tickets = self.outputs.append(awaited).await?;
        let handed_on = self.outputs.handed_on();
        if !handed_on.is_empty() {
            let mut counts = self.handle.handed_on.lock();
            for (channel, count) in handed_on {
                *counts.entry(channel).or_default() += count;
            }
        }
        Ok(tickets)
    }

    async fn program(&mut self, channel: &Name, revision: Revision) -> Result<Option<Program>, RouterError> {
        let key = (channel.clone(), revision);
        if let Some(program) = self.programs.get(&key) {
            return Ok(program.clone());
        }
        let deadline = Instant::now() + SHOWN_WITHIN;
        let program = loop {
            // It was stored before the first message came under it; whoever answers may not show it at once.
            let program = self.options.programs.load(channel, revision).await?;
            if program.is_some() || Instant::now() >= deadline {
                break program;
            }
            tokio::time::sleep(SHOWN_AGAIN).await;
        };
        if self.programs.len() >= PROGRAMS_MAX {
            self.programs.clear();
        }
        self.programs.insert(key, program.clone());
        Ok(program)
    }

    async fn landed(&mut self, pending: Pending) -> Result<(), RouterError> {
        pending.routed.into_iter().for_each(Routed::durable);
        for (key, answer) in pending.answers {
            self.options.programs.answer(key, answer).await?;
        }
        self.done.advance(pending.intake, pending.position);
        self.handle.done.store(self.done.received, Ordering::Relaxed);
        self.handle.done_chained.store(self.done.chained, Ordering::Relaxed);
        Ok(())
    }

    async fn commit(&mut self, at_once: bool) -> Result<(), RouterError> {
        self.judge.checkpoint(self.done.received, at_once).await?;
        self.done.remembered = self.judge.remembered();
        self.commits.store(&self.done).await?;
        Ok(())
    }

    fn count(&self, fanout: &Fanout) {
        let counter = match fanout.routed.disposition {
            Disposition::Routed => &self.handle.routed,
            Disposition::Duplicate => &self.handle.duplicates,
            Disposition::Quarantined => &self.handle.quarantined,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The oldest batch, once it is durable; never ends where there is none.
async fn first(pending: &mut VecDeque<Pending>) -> Result<Pending, LogError> {
    let Some(oldest) = pending.front_mut() else { return std::future::pending().await };
    while let Some(ticket) = oldest.tickets.last_mut() {
        ticket.await?;
        oldest.tickets.pop();
    }
    match pending.pop_front() {
        Some(oldest) => Ok(oldest),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
pub(crate) mod tests;
