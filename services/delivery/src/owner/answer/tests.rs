use barid_log::Writer;
use barid_log::memory::MemoryLog;
use barid_model::record::{ParkEvent, ParkRecord, Parked, Record};
use barid_model::{ManualClock, Name, Outcome, Partition, Partitions, Timestamp};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use std::sync::Arc;

use barid_log::Log;
use barid_model::record::{Answer, OutRecord};
use barid_model::{Digest, Payload};

use super::*;
use crate::owner::Plan;
use crate::owner::overflow::Bound;
use crate::testing::orderless;

fn outcome(outcome: Option<Outcome>, at: i64, awaited: Option<Digest>) -> OutcomeRecord {
    let delivery = orderless();
    OutcomeRecord {
        id: delivery.id,
        uid: delivery.uid,
        route: delivery.route,
        part: 0,
        run: 0,
        destination: delivery.destination,
        out: (Partition(0), 1),
        park: None,
        outcome,
        at: Timestamp::from_millis(at),
        attempts: 1,
        possible_duplicate: false,
        answer: Some(Answer { code: "AA".into(), bytes: Payload::default() }),
        findings: Vec::new(),
        actor: None,
        reason: None,
        awaited,
    }
}

fn options(log: &Arc<dyn Log>) -> Options {
    struct Nowhere;
    impl crate::connect::Connection for Nowhere {
        fn send<'a>(&'a mut self, _: &'a crate::connect::Outgoing) -> BoxFuture<'a, crate::connect::Sent> {
            Box::pin(std::future::pending())
        }
        fn close(&mut self) -> BoxFuture<'_, ()> {
            Box::pin(async {})
        }
    }
    impl crate::connect::Connector for Nowhere {
        fn open(&self) -> Box<dyn crate::connect::Connection> {
            Box::new(Self)
        }
        fn status(&self) -> crate::connect::Status {
            crate::connect::Status::default()
        }
        fn probe(&self) -> BoxFuture<'_, Vec<crate::connect::Met>> {
            Box::pin(async { Vec::new() })
        }
    }
    let plan = Plan {
        connector: Arc::new(Nowhere),
        connections: 1,
        retry_initial: std::time::Duration::from_secs(1),
        retry_max: std::time::Duration::from_secs(1),
        unanswered: 3,
        on_reject: barid_config::document::OnReject::Quarantine,
        repeat_bound: 1,
        paused: true,
        overflow: None::<Bound>,
        judge: Box::new(|_, _, _, _| crate::connect::Verdict::Delivered),
    };
    Options {
        log: Arc::clone(log),
        destination: Name::local("destination"),
        partitions: Partitions::new(1),
        plan: watch::channel(Arc::new(plan)).1,
        paused: watch::channel(Arc::default()).1,
        clock: Arc::new(ManualClock::at(Timestamp::default())),
        shared: Arc::default(),
        fence: None,
    }
}

#[tokio::test]
async fn an_answer_that_a_crash_kept_from_being_written_is_written_at_the_next_start() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    let [lost, later, nobody] = [b"lost".as_slice(), b"later", b"nobody"].map(Digest::of);
    let records = [
        outcome(Some(Outcome::Rejected), 5, Some(lost)),
        outcome(Some(Outcome::Delivered), 6, None),
        outcome(Some(Outcome::Rejected), 7, Some(later)),
        outcome(None, 8, Some(nobody)),
    ];
    let (mut writer, _) =
        Writer::open(Arc::clone(&log), subject::outcome(&Name::local("destination")).unwrap()).await.unwrap();
    writer.append(records.iter().map(Record::encode).collect()).await.unwrap().await.unwrap();
    // The sender sent again since, and its message was taken.
    let (_, taken) = answer_of(&outcome(Some(Outcome::Delivered), 9, Some(later))).unwrap();
    put_answer(&log, later, &taken).await.unwrap();
    super::super::Owner::open(options(&log)).await.unwrap();
    let there = async |key: Digest| {
        let value = log.get(&subject::answer(key).unwrap()).await.unwrap();
        value.map(|(_, bytes)| AnswerRecord::decode(bytes).unwrap().outcome)
    };
    assert_eq!(there(lost).await, Some(Outcome::Rejected));
    assert_eq!(there(later).await, Some(Outcome::Delivered), "the older answer does not take the younger one's place");
    assert_eq!(there(nobody).await, None, "it has not ended");
}

#[tokio::test]
async fn what_was_run_again_is_not_told_of_as_set_aside_once_more_after_a_restart() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    let (again, stands) = (Digest::of(b"again"), Digest::of(b"stands"));
    let parked = |why, name: &str, run, out| {
        let delivery = OutRecord { route: name.into(), run, ..orderless() };
        ParkEvent::Parked(Box::new(ParkRecord {
            why,
            at: Timestamp::from_millis(4),
            out: (Partition(0), out),
            attempts: 1,
            possible_duplicate: false,
            findings: Vec::new(),
            answer: None,
            delivery,
        }))
    };
    let events = [
        parked(Parked::Quarantined, "again", 0, 1),
        parked(Parked::Quarantined, "stands", 0, 2),
        parked(Parked::Rerun, "again", 1, 1),
    ];
    let name = Name::local("destination");
    let (mut park, _) = Writer::open(Arc::clone(&log), subject::park(&name).unwrap()).await.unwrap();
    park.append(events.iter().map(Record::encode).collect()).await.unwrap().await.unwrap();
    let aside = |key, position| OutcomeRecord {
        park: Some(position),
        out: (Partition(0), position),
        ..outcome(Some(Outcome::Quarantined), 5, Some(key))
    };
    let records = [aside(again, 1), aside(stands, 2)];
    let (mut outcomes, _) = Writer::open(Arc::clone(&log), subject::outcome(&name).unwrap()).await.unwrap();
    outcomes.append(records.iter().map(Record::encode).collect()).await.unwrap().await.unwrap();
    super::super::Owner::open(options(&log)).await.unwrap();
    let there = async |key: Digest| log.get(&subject::answer(key).unwrap()).await.unwrap().is_some();
    assert!(!there(again).await, "its sender waits for what the run brings");
    assert!(there(stands).await, "nobody has decided on it");
}
