//! The owner of a destination: one task that alone decides what is sent to it, when, and what its answers mean.
//!
//! It reads OUT into the [`Window`], hands lane heads to connection slots, writes what became of them to OUTCOME and
//! PARK, and lets the next of a lane go when the record before it is durable (G2, G3). It sends nothing beyond a
//! durable *send limit*; what a crash may have sent without a record is so known at the next start and marked. Whatever
//! makes a write fail ends this run; the supervisor starts the owner again from its commit, the one way of recovery.

pub mod answer;
mod circuit;
pub mod command;
pub mod commit;
mod land;
pub mod overflow;
mod recover;
mod repark;
mod send;
mod slot;
pub mod status;
pub mod supervise;
mod suspects;
mod take;
#[cfg(test)]
mod tests;
pub mod trouble;
mod waiting;
mod write;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use barid_config::document::OnReject;
use barid_log::{Batch, Log, LogError, Position, Reader, Writer};
use barid_model::{Clock, Name, Partition, Partitions, Timestamp};
use barid_pipeline::subject;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::connect::{Connector, Fence, Outgoing, Sent, Verdict};
use crate::parking::Parking;
use crate::window::{EntryId, Window};
use circuit::Circuit;
use command::Command;
use commit::Commits;
use overflow::Overflow;
use recover::Recovered;
use slot::Slots;
use status::Shared;
use suspects::Suspects;
use waiting::Meant;
use write::Writing;

/// How often the commit is written at most, but for the send limit.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// Records of one partition read at once: little enough that 16 partitions of a stalled destination hold few.
const READ: barid_log::ReadLimit = barid_log::ReadLimit { records: 128, bytes: 1 << 20 };
/// A lane that keeps the window's start for this long is parked.
const STALL_AFTER: Duration = Duration::from_secs(30);
/// How long sends in flight may take to end when the owner stops.
const DRAIN: Duration = Duration::from_secs(10);

/// What an attempt means; the last argument is whether a sender still waits for the answer.
pub type Judge = Box<dyn Fn(&Outgoing, &Sent, u32, bool) -> Verdict + Send + Sync>;

/// How the owner treats its destination; a new one takes effect at once.
pub struct Plan {
    /// Its way out.
    pub connector: Arc<dyn Connector>,
    /// Messages on their way at once.
    pub connections: usize,
    /// First pause after a failure.
    pub retry_initial: Duration,
    /// Longest pause.
    pub retry_max: Duration,
    /// How often in a row a message may get no answer while others are answered; see [`Plan::on_reject`].
    pub unanswered: u32,
    /// What becomes of one that got none so often.
    pub on_reject: OnReject,
    /// Messages of a lane sent ahead of their durable outcomes; 1: none.
    pub repeat_bound: usize,
    /// Whether nothing is to be sent now.
    pub paused: bool,
    /// How much may wait before what comes anew is set aside; none: it waits, and listeners refuse.
    pub overflow: Option<overflow::Bound>,
    /// What an attempt means.
    pub judge: Judge,
}

/// What an owner is made with.
#[derive(Clone)]
pub struct Options {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The destination.
    pub destination: Name,
    /// The log's partitions.
    pub partitions: Partitions,
    /// How it is treated.
    pub plan: watch::Receiver<Arc<Plan>>,
    /// Channels that are paused: their messages wait in PARK.
    pub paused: watch::Receiver<Arc<std::collections::BTreeSet<Name>>>,
    /// The time that records are stamped with.
    pub clock: Arc<dyn Clock>,
    /// What can be seen of it.
    pub shared: Arc<Shared>,
    /// Whether this process owns it. None: no other can, so that the owner before has ended for certain when this one begins, and what comes to OUT later was
    /// sent by nobody.
    pub fence: Option<Arc<dyn Fence>>,
}

/// Why a run of the owner ended.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// The log refused, failed, or has another owner by now.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record of this destination cannot be understood, so its state is not known.
    #[error("record of {subject} at {position} cannot be read: {source}")]
    Record {
        /// The subject.
        subject: String,
        /// The position.
        position: u64,
        /// Why.
        source: barid_model::record::RecordError,
    },
}

/// One run of a destination's owner.
pub struct Owner {
    options: Options,
    plan: Arc<Plan>,
    window: Window,
    parking: Parking,
    commits: Commits,
    recovered: Recovered,
    slots: Slots,
    circuit: Circuit,
    suspects: Suspects,
    /// What a person decided on something that was on its way then.
    meant: HashMap<EntryId, Meant>,
    overflow: Overflow,
    writing: Writing,
    /// In the order of writing: what is parked behind something stands behind it also where its own subjects were quicker.
    landed: FuturesOrdered<land::Landing>,
    in_flight: land::Flights,
    started: Instant,
    show_at: Timestamp,
    stopping: bool,
    /// More of OUT was read since the send limit was looked at.
    has_read: bool,
}

impl Owner {
    /// Takes the destination over: reads its commit, PARK, and OUTCOME above the commit.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub async fn open(options: Options) -> Result<Self, OwnerError> {
        let log = Arc::clone(&options.log);
        let commits = Commits::take_over(Arc::clone(&log), &options.destination, options.fence.as_deref()).await?;
        let mut window = Window::default();
        for partition in options.partitions.all() {
            window.begin(partition, commits.stored().position(partition));
        }
        let mut parking = Parking::default();
        let (mut recovered, left) = Recovered::read(&options, commits.stored(), &mut parking).await?;
        answer::complete(&options, &left.awaited).await?;
        let overflow = Overflow::open(recovered.take_ended(commits.stored().outcomes));
        let plan = Arc::clone(&options.plan.borrow());
        let (park, _) = Writer::open(Arc::clone(&log), subject::park(&options.destination)?).await?;
        let (outcome, _) = Writer::open(log, subject::outcome(&options.destination)?).await?;
        let mut owner = Self {
            slots: Slots::open(&plan),
            plan,
            window,
            parking,
            commits,
            recovered,
            circuit: Circuit::default(),
            suspects: Suspects::default(),
            meant: HashMap::new(),
            overflow,
            writing: Writing::new(park, outcome),
            landed: FuturesOrdered::new(),
            in_flight: land::Flights::default(),
            started: Instant::now(),
            show_at: Timestamp::default(),
            stopping: false,
            has_read: true,
            options,
        };
        owner.complete(left);
        Ok(owner)
    }

    /// Delivers until `stop` says so; then ends what is on its way and commits. However it ends, it sends nothing any more by then.
    ///
    /// # Errors
    /// [`OwnerError`]; a new run finds out what is stored.
    pub async fn run(
        mut self,
        commands: &mut mpsc::Receiver<Command>,
        stop: watch::Receiver<bool>,
    ) -> Result<(), OwnerError> {
        let ended = self.deliver(commands, stop).await;
        self.slots.stop().await;
        ended?;
        self.commit(true).await
    }

    async fn deliver(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), OwnerError> {
        let mut batches = self.read_out()?;
        let (mut plans, mut paused) = (self.options.plan.clone(), self.options.paused.clone());
        let mut commit_at = Instant::now() + COMMIT_EVERY;
        let mut deadline = None;
        let timer = tokio::time::sleep_until(commit_at);
        tokio::pin!(timer);
        if *stop.borrow_and_update() {
            return Ok(());
        }
        loop {
            self.step().await?;
            // What may not be written any more is not waited for.
            if self.stopping && (self.is_idle() || !self.may_append())
                || deadline.is_some_and(|at| Instant::now() >= at)
            {
                break;
            }
            let wake = self.wake_at(commit_at, deadline);
            // Moving a timer costs; one that rings too early is moved then.
            if timer.deadline() > wake || timer.is_elapsed() {
                timer.as_mut().reset(wake);
            }
            let reads = !self.stopping && self.takes_more();
            tokio::select! {
                biased;
                _ = stop.changed(), if !self.stopping => {
                    self.stopping = true;
                    deadline = Some(Instant::now() + DRAIN);
                }
                Some(landed) = self.landed.next() => {
                    let (id, landed) = landed?;
                    self.land(id, landed);
                }
                Some((id, sent)) = self.slots.result() => self.answered(id, &sent),
                Some(command) = commands.recv(), if !self.stopping => self.command(command).await?,
                Ok(()) = plans.changed() => self.replan(&plans.borrow_and_update().clone()),
                Ok(()) = paused.changed() => self.channels_paused(),
                Some(batch) = batches.recv(), if reads => self.batch(batch?)?,
                () = timer.as_mut() => {
                    if Instant::now() >= commit_at {
                        commit_at = Instant::now() + COMMIT_EVERY;
                        self.commit(false).await?;
                        self.park_stalled();
                        self.repark().await?;
                    }
                }
            }
            self.also()?;
        }
        Ok(())
    }

    /// What else has come by now: one step serves it all, and one append records it.
    fn also(&mut self) -> Result<(), OwnerError> {
        while let Some(Some(landed)) = self.landed.next().now_or_never() {
            let (id, landed) = landed?;
            self.land(id, landed);
        }
        while let Some((id, sent)) = self.slots.ready() {
            self.answered(id, &sent);
        }
        Ok(())
    }

    /// Everything that can be done without waiting for anybody: read PARK, send, write.
    async fn step(&mut self) -> Result<(), OwnerError> {
        // Also while stopping: a timer that stays in the past would wake for ever.
        let now = self.now();
        self.window.elapse(now);
        self.circuit.elapse(now);
        if !self.stopping {
            self.read_park().await?;
            self.overflow().await?;
            self.extend_limit().await?;
            self.send();
        }
        self.write().await?;
        self.show();
        Ok(())
    }

    /// Whether more of OUT is read in its turn.
    fn takes_more(&self) -> bool {
        self.window.has_room() && self.parking.lanes() < crate::parking::PARKED_LANES_MAX
    }

    fn is_idle(&self) -> bool {
        self.slots.busy() == 0 && self.landed.is_empty() && self.writing.is_empty()
    }

    /// Readers of all partitions, each a batch ahead at most.
    fn read_out(&self) -> Result<mpsc::Receiver<Result<OutBatch, LogError>>, OwnerError> {
        let (sender, receiver) = mpsc::channel(1);
        for partition in self.options.partitions.all() {
            let subject = subject::out(&self.options.destination, partition)?;
            let from = Position(self.window.finished(partition)).next();
            let mut reader = Reader::new(Arc::clone(&self.options.log), subject, from);
            let sender = sender.clone();
            // Ends with its run: when the receiver is gone, or the log.
            tokio::spawn(async move {
                loop {
                    let batch = tokio::select! {
                        batch = reader.next(READ) => batch,
                        () = sender.closed() => return,
                    };
                    let failed = batch.is_err();
                    let batch = batch.map(|batch| OutBatch { partition, batch });
                    if sender.send(batch).await.is_err() || failed {
                        return;
                    }
                }
            });
        }
        Ok(receiver)
    }

    /// The owner's own time: it starts at the clock's and never steps back.
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX))
    }

    fn wake_at(&mut self, commit_at: Instant, deadline: Option<Instant>) -> Instant {
        if self.wants_park().is_some() {
            return Instant::now();
        }
        let at = |time: Timestamp| self.started + Duration::from_micros(u64::try_from(time.micros()).unwrap_or(0));
        let looks = self.overflow.wakes_at().filter(|_| !self.stopping);
        let timers = [self.window.next_timer(), self.circuit.opens_at(), looks];
        let next = timers.into_iter().flatten().map(at).chain(deadline).min();
        next.map_or(commit_at, |next| next.min(commit_at))
    }
}

struct OutBatch {
    partition: Partition,
    batch: Batch,
}
