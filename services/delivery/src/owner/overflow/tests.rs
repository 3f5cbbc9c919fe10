use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use barid_log::memory::MemoryLog;
use barid_log::{Log, Position, Writer};
use barid_model::record::{OutcomeRecord, ParkEvent};
use barid_model::{DeliveryId, ManualClock, MessageUid, Name, Outcome, Partitions};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use super::*;
use crate::connect::{Answered, Connection, Connector, Met, Outgoing, Sent, Status, Verdict};
use crate::owner::command::{Act, Command};
use crate::owner::status::Shared;
use crate::owner::{Options, Plan};
use crate::testing::orderless;

const P: Partition = Partition(0);

#[test]
fn what_is_set_aside_ahead_is_passed_in_order_and_told_until_then() {
    let before = vec![((P, 12), 7), ((P, 11), 5), ((Partition(1), 3), 9), ((P, 20), 8), ((P, 21), 8)];
    let mut overflow = Overflow::open(before);
    assert_eq!((overflow.count(), overflow.outcomes_from()), (5, Some(5)));
    assert_eq!(overflow.passed(P, 10), None);
    assert_eq!(overflow.passed(P, 11), Some(5));
    assert_eq!(overflow.outcomes_from(), Some(5));
    assert_eq!(overflow.passed(P, 12), Some(5), "where it may begin to stand");
    assert_eq!((overflow.count(), overflow.outcomes_from()), (3, Some(8)));
    assert_eq!(overflow.passed(P, 13), None);
    assert_eq!(overflow.passed(P, 22), None, "20 and 21 could not be read");
    assert_eq!((overflow.count(), overflow.outcomes_from()), (1, Some(9)));
    assert_eq!(overflow.passed(Partition(1), 3), Some(9));
    assert_eq!((overflow.count(), overflow.pieces, overflow.outcomes_from()), (0, 0, None));
}

/// A receiver that takes everything.
#[derive(Clone, Default)]
struct Takes(Arc<Mutex<Vec<MessageUid>>>);

impl Connector for Takes {
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

impl Connection for Takes {
    fn send<'a>(&'a mut self, out: &'a Outgoing) -> BoxFuture<'a, Sent> {
        self.0.lock().push(out.record.uid);
        Box::pin(async { Sent::Answered(Answered::accepted("AA", bytes::Bytes::new())) })
    }
    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// A destination whose owner can be stopped and started again.
struct House {
    log: Arc<dyn Log>,
    receiver: Takes,
    written: u64,
}

struct Running {
    shared: Arc<Shared>,
    plan: watch::Sender<Arc<Plan>>,
    commands: mpsc::Sender<Command>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<Result<(), OwnerError>>,
    _paused: watch::Sender<Arc<BTreeSet<Name>>>,
}

impl House {
    fn new() -> Self {
        Self { log: Arc::new(MemoryLog::new(1)), receiver: Takes::default(), written: 0 }
    }

    fn plan(&self, paused: bool, messages: u64) -> Arc<Plan> {
        Arc::new(Plan {
            connector: Arc::new(self.receiver.clone()),
            connections: 4,
            retry_initial: Duration::from_millis(10),
            retry_max: Duration::from_millis(10),
            unanswered: 3,
            on_reject: barid_config::document::OnReject::Quarantine,
            repeat_bound: 1,
            paused,
            overflow: Some(Bound { messages, age: None }),
            judge: Box::new(|_, _, _, _| Verdict::Delivered),
        })
    }

    fn run(&self, plan: Arc<Plan>) -> Running {
        let (plan, plans) = watch::channel(plan);
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
            fence: None,
        };
        let task = tokio::spawn(async move { Owner::open(options).await?.run(&mut receiver, stopped).await });
        Running { shared, plan, commands, stop, task, _paused: paused }
    }

    /// Routes more messages to it.
    async fn route(&mut self, count: u64) {
        let subject = subject::out(&Name::local("destination"), P).unwrap();
        let (mut writer, _) = Writer::open(Arc::clone(&self.log), subject).await.unwrap();
        let records = (1..=count).map(|more| {
            let uid = uid(self.written + more);
            OutRecord { id: DeliveryId::of(uid, "route", 0, 0), uid, ..orderless() }.encode()
        });
        writer.append(records.collect()).await.unwrap().await.unwrap();
        self.written += count;
    }

    async fn records<T>(&self, subject: barid_log::Subject, read: impl Fn(bytes::Bytes) -> T) -> Vec<T> {
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
}

impl Running {
    async fn until(&self, what: &str, is: impl Fn(&crate::owner::status::View) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !is(&self.shared.view()) {
            assert!(tokio::time::Instant::now() < deadline, "not within 20 s: {what}: {:?}", self.shared.view());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap().unwrap();
    }
}

fn uid(number: u64) -> MessageUid {
    MessageUid::from_bytes(u128::from(number).to_be_bytes())
}

/// More than the window holds waits, so that what comes anew is far behind what is read.
#[tokio::test]
async fn what_comes_to_a_full_backlog_is_set_aside_behind_the_window_and_stays_so() {
    let mut house = House::new();
    let running = house.run(house.plan(true, 4_300));
    house.route(4_200).await;
    running.until("the window is full", |view| view.window == crate::window::WINDOW_ENTRIES).await;
    // It is looked at while there is room: all of these are to be delivered.
    tokio::time::sleep(LOOK_EVERY * 2).await;
    house.route(300).await;
    running.until("they are set aside", |view| view.quarantined == 300).await;
    assert_eq!(running.shared.view().ended_above, 300);
    running.task.abort();

    let running = house.run(house.plan(true, 4_200));
    running.until("it has read what there is", |view| view.window == crate::window::WINDOW_ENTRIES).await;
    house.route(5).await;
    running.until("the new ones follow", |view| view.quarantined == 305 && view.ended_above == 305).await;
    running.plan.send_replace(house.plan(false, 4_200));
    running.until("all is over", |view| view.window == 0 && view.ended_above == 0).await;
    let sent: BTreeSet<MessageUid> = house.receiver.0.lock().iter().copied().collect();
    assert_eq!(sent, (1..=4_200).map(uid).collect(), "what was there goes out, what is set aside does not");
    assert_eq!(running.shared.delivered.load(Ordering::Relaxed), 4_200);

    let (reply, done) = oneshot::channel();
    let aside = house.records(subject::park(&Name::local("destination")).unwrap(), ParkEvent::decode);
    let position = aside.await.iter().position(|event| matches!(event, Ok(ParkEvent::Parked(_)))).unwrap() as u64 + 1;
    let command = Command { actor: "a".into(), reason: "b".into(), act: Act::Rerun(position), reply };
    running.commands.send(command).await.unwrap();
    done.await.unwrap().unwrap();
    running.until("it is run again", |view| view.quarantined == 304 && view.parked == 0).await;
    running.stop().await;
    assert_eq!(house.receiver.0.lock().last(), Some(&uid(4_201)));

    let outcomes = subject::outcome(&Name::local("destination")).unwrap();
    let outcomes = house.records(outcomes, |bytes| OutcomeRecord::decode(bytes).unwrap()).await;
    let aside: Vec<_> = outcomes.iter().filter(|record| record.outcome == Some(Outcome::Quarantined)).collect();
    assert_eq!(aside.len(), 305, "once each, beyond the restart");
    assert!(aside.iter().all(|record| record.findings == [reason()] && record.park.is_some()));
}

#[tokio::test]
async fn a_small_backlog_is_counted_exactly_and_has_room_again_when_it_is_sent() {
    let mut house = House::new();
    let running = house.run(house.plan(true, 10));
    running.until("it runs", |view| !view.finished.is_empty()).await;
    house.route(40).await;
    running.until("it is full", |view| view.window == 10 && view.quarantined == 30).await;
    running.plan.send_replace(house.plan(false, 10));
    running.until("it is sent", |view| view.window == 0).await;
    house.route(1).await;
    running.until("there is room", |_| running.shared.delivered.load(Ordering::Relaxed) == 11).await;
    assert_eq!(running.shared.view().quarantined, 30);
    running.stop().await;
}
