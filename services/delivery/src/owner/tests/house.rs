//! A destination whose owner runs over a log in memory, and its receiver, which does what a test says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use barid_config::document::OnReject;
use barid_log::memory::MemoryLog;
use barid_log::{Log, Position, Writer};
use barid_model::record::{OutRecord, OutcomeRecord, ParkEvent, ParkRecord, Record as _};
use barid_model::{DeliveryId, ManualClock, MessageUid, Name, Outcome, Partition, Partitions, Timestamp};
use barid_pipeline::subject;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use crate::connect::{
    Answered, Answers, Connection, Connector, Fence, Met, Outgoing, Sent, Status, TransportError, TransportKind,
};
use crate::owner::command::{Act, Command, Refusal};
use crate::owner::status::{Shared, View};
use crate::owner::{Options, Owner, OwnerError, Plan};

pub(super) const P: Partition = Partition(0);

/// What a receiver does with a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    Accepts,
    /// No answer within the time, a second.
    Silence,
    /// It dies, and takes what is on all its connections with it.
    Dies,
    /// Nothing listens.
    Refuses,
    /// It takes a minute for it.
    Slowly,
}

/// What a receiver does with the message of this number.
pub(super) type Manner = Box<dyn Fn(u64) -> Does + Send>;

#[derive(Clone)]
pub(super) struct Receiver {
    manner: Arc<Mutex<Manner>>,
    /// What it took, in order.
    pub(super) took: Arc<Mutex<Vec<u64>>>,
    /// Everything that was sent to it, and whether as a possible duplicate.
    pub(super) saw: Arc<Mutex<Vec<(u64, bool)>>>,
    deaths: watch::Sender<u64>,
}

impl Receiver {
    pub(super) fn new(manner: impl Fn(u64) -> Does + Send + 'static) -> Self {
        Self {
            manner: Arc::new(Mutex::new(Box::new(manner))),
            took: Arc::default(),
            saw: Arc::default(),
            deaths: watch::Sender::new(0),
        }
    }

    /// From now on it behaves like this.
    pub(super) fn becomes(&self, manner: impl Fn(u64) -> Does + Send + 'static) {
        *self.manner.lock() = Box::new(manner);
    }
}

impl Connector for Receiver {
    fn open(&self) -> Box<dyn Connection> {
        Box::new(self.clone())
    }
    fn status(&self) -> Status {
        Status::default()
    }
    fn probe(&self) -> BoxFuture<'_, Vec<Met>> {
        Box::pin(async { Vec::new() })
    }
}

impl Connection for Receiver {
    fn send<'a>(&'a mut self, out: &'a Outgoing) -> BoxFuture<'a, Sent> {
        let number = number(out.record.uid);
        let does = (self.manner.lock())(number);
        Box::pin(async move {
            if does == Does::Refuses {
                return Sent::Failed(TransportError::new(TransportKind::Connect, "refused"));
            }
            self.saw.lock().push((number, out.possible_duplicate));
            let mut deaths = self.deaths.subscribe();
            let closed = || Sent::Failed(TransportError::after_write(TransportKind::Closed, "closed"));
            let takes = match does {
                Does::Silence => Duration::from_secs(1),
                Does::Slowly => Duration::from_secs(60),
                _ => Duration::from_millis(3),
            };
            tokio::select! {
                _ = deaths.changed() => closed(),
                () = tokio::time::sleep(takes) => match does {
                    Does::Accepts | Does::Slowly => {
                        self.took.lock().push(number);
                        Sent::Answered(Answered::accepted("AA", Bytes::new()))
                    }
                    Does::Dies => {
                        self.deaths.send_modify(|deaths| *deaths += 1);
                        closed()
                    }
                    _ => Sent::Failed(TransportError::after_write(TransportKind::Timeout, "no answer within 1000 ms")),
                }
            }
        })
    }
    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

pub(super) fn uid(number: u64) -> MessageUid {
    MessageUid::from_bytes(u128::from(number).to_be_bytes())
}

fn number(uid: MessageUid) -> u64 {
    u128::from_be_bytes(*uid.as_bytes()) as u64
}

pub(super) fn delivery(number: u64) -> DeliveryId {
    DeliveryId::of(uid(number), "route", 0, 0)
}

/// How the owner is to treat its destination.
#[derive(Clone, Copy)]
pub(super) struct Manners {
    pub(super) connections: usize,
    pub(super) on_reject: OnReject,
    pub(super) paused: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self { connections: 4, on_reject: OnReject::Quarantine, paused: false }
    }
}

pub(super) struct House {
    pub(super) log: Arc<dyn Log>,
    pub(super) receiver: Receiver,
    pub(super) written: u64,
}

pub(super) struct Running {
    pub(super) shared: Arc<Shared>,
    pub(super) plan: watch::Sender<Arc<Plan>>,
    commands: mpsc::Sender<Command>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) task: tokio::task::JoinHandle<Result<(), OwnerError>>,
    _paused: watch::Sender<Arc<BTreeSet<Name>>>,
}

impl House {
    pub(super) fn new(receiver: Receiver) -> Self {
        Self { log: Arc::new(MemoryLog::new(1)), receiver, written: 0 }
    }

    pub(super) fn plan(&self, manners: Manners) -> Arc<Plan> {
        let answers = Answers::new(Vec::new(), manners.on_reject);
        Arc::new(Plan {
            connector: Arc::new(self.receiver.clone()),
            connections: manners.connections,
            retry_initial: Duration::from_secs(1),
            retry_max: Duration::from_secs(300),
            unanswered: 3,
            on_reject: manners.on_reject,
            repeat_bound: 1,
            paused: manners.paused,
            overflow: None,
            judge: Box::new(move |out, sent, attempts, awaited| answers.judge(out, sent, attempts, awaited)),
        })
    }

    pub(super) fn run(&self, manners: Manners) -> Running {
        self.run_behind(manners, None)
    }

    /// The same, by a process that owns the destination while this holds.
    pub(super) fn run_behind(&self, manners: Manners, fence: Option<Arc<dyn Fence>>) -> Running {
        let (plan, plans) = watch::channel(self.plan(manners));
        let (paused, channels) = watch::channel(Arc::default());
        let (commands, mut receiver) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared::default());
        let options = Options {
            log: Arc::clone(&self.log),
            destination: Name::local("destination"),
            partitions: Partitions::new(1),
            plan: plans,
            paused: channels,
            clock: Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000))),
            shared: Arc::clone(&shared),
            fence,
        };
        let task = tokio::spawn(async move { Owner::open(options).await?.run(&mut receiver, stopped).await });
        Running { shared, plan, commands, stop, task, _paused: paused }
    }

    /// An owner that has taken over and has read nothing yet.
    pub(super) async fn owner(&self) -> Owner {
        self.owner_behind(None).await
    }

    /// The same, by a process that owns the destination while this holds.
    pub(super) async fn owner_behind(&self, fence: Option<Arc<dyn Fence>>) -> Owner {
        let (_, plan) = watch::channel(self.plan(Manners::default()));
        let (_, paused) = watch::channel(Arc::default());
        let options = Options {
            log: Arc::clone(&self.log),
            destination: Name::local("destination"),
            partitions: Partitions::new(1),
            plan,
            paused,
            clock: Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000))),
            shared: Arc::default(),
            fence,
        };
        Owner::open(options).await.unwrap()
    }

    /// Routes messages to it, numbered on, each in the lanes that its number gives.
    pub(super) async fn route(&mut self, count: u64, lanes: impl Fn(u64) -> Vec<u64>) {
        let subject = subject::out(&Name::local("destination"), P).unwrap();
        let (mut writer, _) = Writer::open(Arc::clone(&self.log), subject).await.unwrap();
        let records = (self.written + 1..=self.written + count).map(|number| {
            let record = crate::testing::lanes(&lanes(number));
            OutRecord { id: delivery(number), uid: uid(number), ..record }.encode()
        });
        writer.append(records.collect()).await.unwrap().await.unwrap();
        self.written += count;
    }

    async fn records<T>(&self, subject: barid_log::Subject, read: impl Fn(Bytes) -> T) -> Vec<T> {
        let (mut all, mut next) = (Vec::new(), Position(1));
        loop {
            let batch = self.log.read(&subject, next, barid_log::ReadLimit::default()).await.unwrap();
            if batch.next <= next {
                return all;
            }
            next = batch.next;
            all.extend(batch.entries.into_iter().map(|entry| read(entry.record)));
        }
    }

    /// Everything that was ever parked.
    pub(super) async fn parked(&self) -> Vec<ParkRecord> {
        let park = subject::park(&Name::local("destination")).unwrap();
        let events = self.records(park, |bytes| ParkEvent::decode(bytes).unwrap()).await;
        let record = |event| if let ParkEvent::Parked(record) = event { Some(*record) } else { None };
        events.into_iter().filter_map(record).collect()
    }

    /// How these ended.
    pub(super) async fn outcomes(&self) -> Vec<OutcomeRecord> {
        let outcomes = subject::outcome(&Name::local("destination")).unwrap();
        self.records(outcomes, |bytes| OutcomeRecord::decode(bytes).unwrap()).await
    }

    /// The numbers of what ended so.
    pub(super) async fn ended(&self, outcome: Outcome) -> Vec<u64> {
        let ended = self.outcomes().await.into_iter().filter(|record| record.outcome == Some(outcome));
        ended.map(|record| number(record.uid)).collect()
    }

    /// Whether the receiver took these in this order, whatever else it took between.
    pub(super) fn took(&self, wanted: impl Fn(u64) -> bool) -> Vec<u64> {
        self.receiver.took.lock().iter().copied().filter(|number| wanted(*number)).collect()
    }
}

impl Running {
    /// A message for each of 16 lanes comes every ten seconds, until this is so and all has been sent.
    pub(super) async fn busy_until(&self, house: &mut House, what: &str, is: impl Fn(&View) -> bool) {
        for _ in 0..720 {
            if is(&self.shared.view()) {
                return self.until(what, |view| view.window == 0).await;
            }
            house.route(16, |number| vec![number % 16]).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        panic!("not within two hours: {what}: {:?}", self.shared.view());
    }

    pub(super) async fn until(&self, what: &str, is: impl Fn(&View) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(7_200);
        while !is(&self.shared.view()) {
            assert!(tokio::time::Instant::now() < deadline, "not within two hours: {what}: {:?}", self.shared.view());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(super) async fn act(&self, act: Act) -> Result<u64, Refusal> {
        self.begin(act).await.await.unwrap()
    }

    /// Gives a command and does not wait for it.
    pub(super) async fn begin(&self, act: Act) -> oneshot::Receiver<Result<u64, Refusal>> {
        let (reply, done) = oneshot::channel();
        let command = Command { actor: "somebody".into(), reason: "a test".into(), act, reply };
        self.commands.send(command).await.unwrap();
        done
    }

    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap().unwrap();
    }
}
