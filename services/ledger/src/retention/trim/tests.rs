use std::sync::Arc;
use std::time::Duration;

use barid_ledger::balance::BalanceRange;
use barid_ledger::{Ledger, SqliteLedger};
use barid_log::memory::MemoryLog;
use barid_log::{Log, Position, Revision as Stored, Subject};
use barid_model::record::{
    InRecord, Intake, OutRecord, OutcomeRecord, Record as _, RoutedDelivery, RoutedRecord, Source,
};
use barid_model::{
    Cause, Clock, DeliveryId, Digest, Disposition, Envelope, FacilityRef, Finding, Format, Lanes, ManualClock,
    MessageType, MessageUid, Name, Outcome, Partition, Partitions, Payload, Revision, Timestamp,
};
use barid_pipeline::commit::RouterCommit;
use barid_pipeline::subject;
use barid_runtime::SystemClock;
use bytes::Bytes;
use tokio::sync::watch;

use barid_custody::Channels;

use super::{Bound, Looked};
use crate::feed::Feed;
use crate::retention::readers::{Reader, Readers};
use crate::retention::{Keeping, Known, RetentionError, Storage, View};

const PARTITION: Partition = Partition(3);
const HOUR: Duration = Duration::from_secs(3_600);
const BEGIN: Timestamp = Timestamp::from_millis(1_795_341_600_000);

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Delivered,
    SetAside,
    Duplicate,
}

/// A log that messages are written to, one an hour.
struct World {
    storage: Keeping,
    messages: u64,
    out: u64,
}

fn at(hour: u64) -> Timestamp {
    BEGIN.plus(HOUR * u32::try_from(hour).unwrap())
}

fn destination() -> Name {
    Name::local("registry")
}

fn ledger() -> Arc<dyn Ledger> {
    Arc::new(SqliteLedger::in_memory().unwrap())
}

impl World {
    fn new() -> Self {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(16));
        let channels = Arc::new(Channels::new(Arc::clone(&log)));
        let (partitions, clock) = (Partitions::STANDALONE, Arc::new(SystemClock));
        Self { storage: Keeping { log, ledger: ledger(), partitions, channels, clock }, messages: 0, out: 0 }
    }

    async fn append(&self, subject: Subject, record: Bytes) -> u64 {
        let last = self.storage.log.last(&subject).await.unwrap().map_or(Position::START, |entry| entry.position);
        self.storage.log.append(&subject, last, vec![record]).await.unwrap().await.unwrap().0
    }

    /// A message received in the next hour, with all that follows from it.
    async fn message(&mut self, intake: Intake, fate: Fate) -> MessageUid {
        self.messages += 1;
        let received = at(self.messages);
        let record =
            InRecord { envelope: envelope(received), source: None, raw: Payload::new(Bytes::from_static(b"MSH")) };
        let uid = record.envelope.uid;
        let position = self.append(subject::intake(PARTITION, intake).unwrap(), record.encode()).await;
        let other = match intake {
            Intake::Received => subject::intake(PARTITION, Intake::Chained),
            Intake::Chained => subject::intake(PARTITION, Intake::Received),
        };
        let other = self.storage.log.bounds(&other.unwrap()).await.unwrap().last.0;
        let source = Source { partition: PARTITION, intake, position, output: 0, other };
        let mut routed = RoutedRecord {
            uid,
            source,
            at: received,
            disposition: Disposition::Routed,
            duplicate_of: None,
            findings: Vec::new(),
            deliveries: Vec::new(),
        };
        match fate {
            Fate::Delivered => self.deliver(&record, source, &mut routed).await,
            Fate::SetAside => {
                routed.disposition = Disposition::Quarantined;
                routed.findings = vec![Finding::error(200, "MSH-9", "channel.none", "nobody takes it")];
            }
            Fate::Duplicate => routed.disposition = Disposition::Duplicate,
        }
        self.append(subject::routed(PARTITION).unwrap(), routed.encode()).await;
        uid
    }

    async fn deliver(&mut self, record: &InRecord, source: Source, routed: &mut RoutedRecord) {
        let envelope = &record.envelope;
        let id = DeliveryId::of(envelope.uid, "route", 0, 0);
        let out = OutRecord {
            id,
            uid: envelope.uid,
            source,
            channel: Name::local("all"),
            revision: Revision::default(),
            route: "route".into(),
            part: 0,
            run: 0,
            destination: destination(),
            facility: "CHN".into(),
            lanes: Lanes::None,
            received: envelope.received,
            message_type: MessageType::default(),
            set_aside: None,
            waits: None,
            traceparent: None,
            payload: record.raw.clone(),
        };
        self.out = self.append(subject::out(&destination(), PARTITION).unwrap(), out.encode()).await;
        routed.deliveries.push(RoutedDelivery {
            id,
            route: "route".into(),
            part: 0,
            destination: Some(destination()),
            out: Some(self.out),
            outcome: None,
            chained: None,
            findings: Vec::new(),
        });
        let outcome = OutcomeRecord {
            id,
            uid: envelope.uid,
            route: "route".into(),
            part: 0,
            run: 0,
            destination: destination(),
            out: (PARTITION, self.out),
            park: None,
            outcome: Some(Outcome::Delivered),
            at: envelope.received,
            attempts: 1,
            possible_duplicate: false,
            answer: None,
            findings: Vec::new(),
            actor: None,
            reason: None,
            awaited: None,
        };
        self.append(subject::outcome(&destination()).unwrap(), outcome.encode()).await;
    }

    /// Router, judge, owner and ledger have seen everything.
    async fn settle(&self) {
        let bounds =
            async |intake| self.storage.log.bounds(&subject::intake(PARTITION, intake).unwrap()).await.unwrap().last.0;
        let (received, chained) = (bounds(Intake::Received).await, bounds(Intake::Chained).await);
        self.commit(RouterCommit { epoch: 1, received, chained, remembered: received }).await;
        let outcomes = self.storage.log.bounds(&subject::outcome(&destination()).unwrap()).await.unwrap().last.0 + 1;
        let commit = serde_json::json!({
            "epoch": 1, "positions": {"3": self.out}, "limits": {}, "outcomes": outcomes, "parked": 0
        });
        self.put(&subject::delivery_commit(&destination()).unwrap(), commit.to_string()).await;
        feed(&self.storage, &self.storage.ledger).await;
    }

    async fn commit(&self, commit: RouterCommit) {
        let key = subject::router_commit(PARTITION).unwrap();
        self.put(&key, serde_json::to_string(&commit).unwrap()).await;
    }

    async fn put(&self, key: &barid_log::Key, value: String) {
        let known = self.storage.log.get(key).await.unwrap().map_or(Stored::NONE, |(revision, _)| revision);
        self.storage.log.put(key, known, value.into()).await.unwrap();
    }

    async fn first(&self, subject: Subject) -> u64 {
        self.storage.log.bounds(&subject).await.unwrap().first.0
    }

    /// The first positions of IN, ROUTED, OUT and OUTCOME.
    async fn firsts(&self) -> [u64; 4] {
        [
            self.first(subject::intake(PARTITION, Intake::Received).unwrap()).await,
            self.first(subject::routed(PARTITION).unwrap()).await,
            self.first(subject::out(&destination(), PARTITION).unwrap()).await,
            self.first(subject::outcome(&destination()).unwrap()).await,
        ]
    }

    /// The balance of a ledger that is made of the log as it is now.
    async fn rebuilt(&self) -> (barid_ledger::Balance, Arc<dyn Ledger>) {
        let anew = ledger();
        feed(&self.storage, &anew).await;
        (anew.balance(&BalanceRange::default()).unwrap(), anew)
    }
}

/// As the only history there is.
async fn trim(keeping: &Keeping, before: Timestamp) -> Result<(), RetentionError> {
    trim_behind(keeping, before, &mut Readers::sole()).await
}

async fn trim_behind(keeping: &Keeping, before: Timestamp, readers: &mut Readers) -> Result<(), RetentionError> {
    let bound = Bound::of(keeping, readers, at(1_000)).await?;
    super::trim(keeping, bound, before, &mut Looked::default(), &|| true).await
}

async fn feed(storage: &Keeping, ledger: &Arc<dyn Ledger>) {
    let (_stop, stopped) = watch::channel(true);
    Feed::new(Arc::clone(&storage.log), Arc::clone(ledger)).unwrap().run(stopped).await.unwrap();
}

fn envelope(received: Timestamp) -> Envelope {
    Envelope {
        uid: MessageUid::new(received),
        listener: Name::local("in"),
        facility: FacilityRef { name: "CHN".into(), speaks_for: None, verified: false },
        channel: Some(Name::local("all")),
        revision: Revision::default(),
        lanes: Lanes::None,
        received,
        digest: Digest::of(b"MSH"),
        format: Format::Hl7v2,
        control_id: Bytes::from_static(b"M"),
        message_type: MessageType::default(),
        cause: Cause::Received,
        parents: Vec::new(),
        origin: "127.0.0.1:1".into(),
        traceparent: None,
        findings: Vec::new(),
        keys: Vec::new(),
        waits: None,
        reason: None,
        hops: 0,
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_does_not_take_those_before_it_along() {
    let mut world = World::new();
    for _ in 0..5 {
        world.message(Intake::Received, Fate::Delivered).await;
    }
    for subject in [subject::routed(PARTITION).unwrap(), subject::intake(PARTITION, Intake::Received).unwrap()] {
        world.append(subject, Bytes::from_static(b"no record")).await;
    }
    for _ in 0..3 {
        world.message(Intake::Received, Fate::Delivered).await;
    }
    world.settle().await;
    trim(&world.storage, at(3)).await.unwrap();
    assert_eq!(world.firsts().await, [3; 4]);
    // It goes when its time has come.
    trim(&world.storage, at(7)).await.unwrap();
    assert_eq!(world.firsts().await, [8, 8, 7, 7]);
}

#[tokio::test]
async fn what_is_older_goes_with_all_that_belongs_to_it_and_the_rest_stays_whole() {
    let mut world = World::new();
    for _ in 0..300 {
        world.message(Intake::Received, Fate::Delivered).await;
    }
    world.settle().await;
    trim(&world.storage, at(201)).await.unwrap();
    assert_eq!(world.firsts().await, [201; 4]);
    let (balance, _) = world.rebuilt().await;
    assert!(balance.holds(), "{balance}");
    assert_eq!((balance.total.accepted, balance.total.deliveries.delivered), (100, 100));
    trim(&world.storage, at(100)).await.unwrap();
    assert_eq!(world.firsts().await, [201; 4], "it never goes back");
}

#[tokio::test]
async fn what_the_router_or_the_judge_or_the_ledger_still_needs_stays() {
    let mut world = World::new();
    for _ in 0..100 {
        world.message(Intake::Received, Fate::Delivered).await;
    }
    world.commit(RouterCommit { epoch: 1, received: 100, chained: 0, remembered: 100 }).await;
    trim(&world.storage, at(1_000)).await.unwrap();
    assert_eq!(world.firsts().await, [1; 4], "the ledger has read nothing");
    world.settle().await;
    world.commit(RouterCommit { epoch: 1, received: 100, chained: 0, remembered: 40 }).await;
    trim(&world.storage, at(1_000)).await.unwrap();
    assert_eq!(world.firsts().await, [41; 4], "the judge reads from there again");
    world.commit(RouterCommit { epoch: 1, received: 60, chained: 0, remembered: 100 }).await;
    trim(&world.storage, at(1_000)).await.unwrap();
    assert_eq!(world.firsts().await, [61; 4], "the router reads from there again");
}

#[tokio::test]
async fn a_message_that_waits_before_routing_is_kept_until_somebody_decides() {
    let mut world = World::new();
    for number in 0..100 {
        let fate = if number == 30 { Fate::SetAside } else { Fate::Delivered };
        world.message(Intake::Received, fate).await;
    }
    world.settle().await;
    trim(&world.storage, at(1_000)).await.unwrap();
    assert_eq!(world.firsts().await[0], 31);
    let (balance, anew) = world.rebuilt().await;
    assert!(balance.holds(), "{balance}");
    assert_eq!(anew.set_aside().unwrap().len(), 1, "a rebuilt ledger still knows that it waits");
}

#[tokio::test]
async fn one_that_waits_among_the_chained_ones_keeps_its_record_among_those_that_go() {
    let mut world = World::new();
    world.message(Intake::Received, Fate::Delivered).await;
    world.message(Intake::Chained, Fate::SetAside).await;
    for _ in 0..98 {
        world.message(Intake::Received, Fate::Delivered).await;
    }
    world.settle().await;
    trim(&world.storage, at(1_000)).await.unwrap();
    let (balance, anew) = world.rebuilt().await;
    assert!(balance.holds(), "{balance}");
    assert_eq!((balance.total.quarantined, balance.total.not_yet_routed), (1, 0), "{balance}");
    assert_eq!(anew.set_aside().unwrap().len(), 1);
}

#[tokio::test]
async fn a_partition_where_nothing_is_young_leaves_no_message_that_seems_under_way() {
    let mut world = World::new();
    world.message(Intake::Chained, Fate::Delivered).await;
    world.message(Intake::Received, Fate::Duplicate).await;
    for _ in 0..70 {
        world.message(Intake::Received, Fate::Delivered).await;
    }
    // The last outcome is not of the last message: it was told again.
    let subject = subject::outcome(&destination()).unwrap();
    let told =
        world.storage.log.read(&subject, Position(5), barid_log::ReadLimit { records: 1, bytes: 1 }).await.unwrap();
    world.append(subject, told.entries[0].record.clone()).await;
    world.settle().await;
    trim(&world.storage, at(1_000)).await.unwrap();
    let (balance, _) = world.rebuilt().await;
    assert!(balance.holds(), "{balance}");
    let (line, deliveries) = (balance.total, balance.total.deliveries);
    assert_eq!((line.accepted, line.not_yet_routed, deliveries.in_flight), (0, 0, 0), "{balance}");
    let young = world.message(Intake::Received, Fate::Delivered).await;
    world.settle().await;
    trim(&world.storage, at(70)).await.unwrap();
    let (balance, anew) = world.rebuilt().await;
    assert!(balance.holds() && anew.message(young).unwrap().is_some(), "{balance}");
    assert_eq!((balance.total.routed, balance.total.deliveries.in_flight), (1, 0));
}

#[tokio::test]
async fn chained_and_received_messages_go_together() {
    let mut world = World::new();
    for number in 0..200 {
        let intake = if number % 3 == 0 { Intake::Chained } else { Intake::Received };
        world.message(intake, Fate::Delivered).await;
    }
    world.settle().await;
    trim(&world.storage, at(101)).await.unwrap();
    let [_, routed, out, outcome] = world.firsts().await;
    assert_eq!((routed, out, outcome), (101, 101, 101));
    let (balance, _) = world.rebuilt().await;
    assert!(balance.holds(), "{balance}");
    assert_eq!((balance.total.accepted, balance.total.deliveries.in_flight), (100, 0));
}

#[tokio::test]
async fn a_message_that_was_set_aside_stays_though_the_ledger_has_not_been_told_yet() {
    let mut world = World::new();
    for number in 0..10 {
        world.message(Intake::Received, if number == 4 { Fate::SetAside } else { Fate::Delivered }).await;
    }
    world.settle().await;
    // As a ledger that has read IN to its end, and ROUTED up to the message before.
    let bound = async |routed| {
        let read = [("in.03", 10), ("routed.03", routed)].map(|(subject, read)| (subject.to_owned(), read));
        Bound { read: read.into(), waiting: Default::default() }
    };
    for (told, first) in [(0, 1), (4, 5)] {
        let bound = bound(told).await;
        super::trim(&world.storage, bound, at(1_000), &mut Looked::default(), &|| true).await.unwrap();
        assert_eq!(world.firsts().await[0], first);
    }
}

#[tokio::test]
async fn the_log_is_kept_for_the_history_that_is_furthest_behind() {
    let mut world = World::new();
    for _ in 0..50 {
        world.message(Intake::Received, Fate::Delivered).await;
    }
    world.settle().await;
    let log = &world.storage.log;
    let mut readers = Readers::besides("own");
    let tell = async |name: &str, upto: u64| {
        let subjects = ["in.03", "routed.03", "outcome.default.registry"].map(|subject| (subject.to_owned(), upto));
        Reader { at: at(1_000), positions: subjects.into(), partial: false }.tell(log, name).await.unwrap();
    };
    tell("own", 0).await;
    tell("new", 0).await;
    trim_behind(&world.storage, at(1_000), &mut readers).await.unwrap();
    assert_eq!(world.firsts().await, [1; 4], "one that has read nothing yet needs all");
    tell("new", 20).await;
    trim_behind(&world.storage, at(1_000), &mut readers).await.unwrap();
    assert_eq!(world.firsts().await, [21; 4]);
    tell("new", 50).await;
    trim_behind(&world.storage, at(1_000), &mut readers).await.unwrap();
    assert_eq!(world.firsts().await[0], 50);
}

#[tokio::test]
async fn one_who_has_lost_the_right_to_it_removes_nothing() {
    let mut world = World::new();
    for _ in 0..10 {
        world.message(Intake::Received, Fate::Delivered).await;
    }
    world.settle().await;
    let bound = Bound::of(&world.storage, &mut Readers::sole(), at(1_000)).await.unwrap();
    let trimmed = super::trim(&world.storage, bound, at(1_000), &mut Looked::default(), &|| false).await;
    assert!(matches!(trimmed, Err(RetentionError::Lost)), "{trimmed:?}");
    assert_eq!(world.firsts().await, [1; 4]);
}

#[tokio::test]
async fn what_two_remove_one_after_the_other_with_what_each_remembers_is_what_one_would() {
    let mut world = World::new();
    for number in 0..90 {
        world.message(if number % 4 == 0 { Intake::Chained } else { Intake::Received }, Fate::Delivered).await;
    }
    world.settle().await;
    let (mut one, mut two) = (Looked::default(), Looked::default());
    for hour in [10, 30, 31, 60, 80] {
        for looked in [&mut one, &mut two] {
            let bound = Bound::of(&world.storage, &mut Readers::sole(), at(1_000)).await.unwrap();
            super::trim(&world.storage, bound, at(hour), looked, &|| true).await.unwrap();
        }
        let [_, routed, out, outcome] = world.firsts().await;
        assert_eq!([routed, out, outcome], [hour; 3]);
    }
    let (balance, _) = world.rebuilt().await;
    assert!(balance.holds(), "{balance}");
}

#[tokio::test]
async fn a_clock_that_makes_a_step_of_years_takes_nothing_that_has_time_left() {
    let mut world = World::new();
    for _ in 0..30 {
        world.message(Intake::Received, Fate::Delivered).await;
    }
    world.settle().await;
    let clock = Arc::new(ManualClock::at(at(30)));
    world.storage.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let (steady, _) = world.storage.clone().steadily().await.unwrap();
    clock.advance(HOUR * 24 * 365 * 9);
    let run = async |keeping: &Keeping| {
        View::default().run(keeping, &Known::default()).await.unwrap();
        Storage::new(Readers::sole()).run(keeping, &Known::default(), &|| true).await.unwrap();
    };
    run(&steady).await;
    assert_eq!(world.firsts().await, [1; 4]);
    let balance = world.storage.ledger.balance(&BalanceRange::default()).unwrap();
    assert_eq!((balance.incomplete_before, balance.total.accepted), (None, 30));
    // The same by the clock itself.
    run(&world.storage).await;
    assert_ne!(world.firsts().await, [1; 4]);
}
