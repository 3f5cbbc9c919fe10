//! What one batch does for the senders that wait, also where the router ends in the middle of it.

use std::time::Duration;

use barid_log::memory::MemoryLog;
use barid_log::{Position, Writer};
use barid_model::envelope::{Cause, FacilityRef, Format, MessageType, Waits};
use barid_model::record::{AnswerRecord, OutRecord, Record as _};
use barid_model::{Digest, Envelope, Lanes, ManualClock, MessageUid, Outcome, Payload, Timestamp};
use bytes::Bytes;

use super::*;
use barid_model::stage::StageError;
use barid_transform::{RouteOutput, RouteResult, RouteTarget};

/// A stage that crashes on every message.
struct Crashing;

impl Call<ApplyInput, Applied> for Crashing {
    fn call(&self, batch: Vec<ApplyInput>) -> BoxFuture<'_, Vec<Result<Applied, StageError>>> {
        Box::pin(async move { batch.iter().map(|_| Err(StageError::Crashed)).collect() })
    }
}

/// A stage that makes of each message one that bears its control id, and crashes on one of them once. It notes its calls.
#[derive(Default)]
struct Marking {
    calls: Mutex<Vec<Vec<Bytes>>>,
}

/// The message that the stage crashes on once.
const CRASHES_ONCE: &str = "C";

impl Call<ApplyInput, Applied> for Marking {
    fn call(&self, batch: Vec<ApplyInput>) -> BoxFuture<'_, Vec<Result<Applied, StageError>>> {
        let ids: Vec<Bytes> = batch.iter().map(|input| input.envelope.control_id.clone()).collect();
        let mut calls = self.calls.lock();
        let first = calls.is_empty();
        calls.push(ids.clone());
        let marked = move |id: Bytes| {
            if first && id == CRASHES_ONCE {
                return Err(StageError::Crashed);
            }
            let payload = Payload::new([b"made of ", &id[..]].concat().into());
            let target = RouteTarget::Destination(Name::local("lab"));
            let output = RouteOutput::Sent(vec![payload]);
            Ok(Applied::Routed(vec![RouteResult { route: "all".into(), target, output }]))
        };
        Box::pin(async move { ids.into_iter().map(marked).collect() })
    }
}

/// One channel that runs, and one whose revision cannot be read now.
#[derive(Default)]
struct Channels {
    answers: parking_lot::Mutex<Vec<(Digest, Outcome)>>,
    /// How often the revision was asked for that is not shown at first.
    asked: std::sync::atomic::AtomicU32,
}

impl Programs for Channels {
    fn load<'a>(&'a self, channel: &'a Name, _: Revision) -> BoxFuture<'a, Result<Option<Program>, LogError>> {
        let input = |record: &InRecord| {
            ApplyInput::new(Arc::new(record.envelope.clone()), record.raw.clone(), Arc::default(), Arc::default())
        };
        let program = Program { duplicates: None, input: Arc::new(input) };
        let unreadable = *channel == Name::local("unreadable");
        let hidden = *channel == Name::local("hidden") && self.asked.fetch_add(1, Ordering::Relaxed) < 2;
        Box::pin(async move {
            if unreadable { Err(LogError::Busy("for this test".into())) } else { Ok((!hidden).then_some(program)) }
        })
    }

    fn current(&self, _: &Name) -> Option<Revision> {
        None
    }

    fn answer<'a>(&'a self, key: Digest, answer: AnswerRecord) -> BoxFuture<'a, Result<(), LogError>> {
        self.answers.lock().push((key, answer.outcome));
        Box::pin(async { Ok(()) })
    }
}

/// A message whose sender waits.
pub(crate) fn message(id: &'static str, channel: Option<&str>) -> InRecord {
    let received = Timestamp::from_millis(1);
    let raw = Payload::new(Bytes::from_static(id.as_bytes()));
    let envelope = Envelope {
        uid: MessageUid::new(received),
        listener: Name::local("in"),
        facility: FacilityRef { name: "default/chn".into(), speaks_for: None, verified: true },
        channel: channel.map(Name::local),
        revision: Revision::default(),
        lanes: Lanes::None,
        received,
        digest: raw.digest(),
        format: Format::Hl7v2,
        control_id: Bytes::from_static(id.as_bytes()),
        message_type: MessageType::default(),
        cause: Cause::Received,
        parents: Vec::new(),
        origin: String::new(),
        traceparent: None,
        findings: Vec::new(),
        keys: Vec::new(),
        waits: Some(Waits { route: None, timeout: Duration::from_secs(30), query: false }),
        reason: None,
        hops: 0,
    };
    InRecord { envelope, source: None, raw }
}

fn key(message: &InRecord) -> Digest {
    let envelope = &message.envelope;
    crate::fanout::answer_key(&envelope.facility.name, &envelope.control_id, envelope.digest)
}

/// All of them in one batch.
async fn accept(log: &Arc<dyn Log>, partition: Partition, batch: &[InRecord]) {
    let subject = subject::intake(partition, Intake::Received).unwrap();
    let (mut writer, _) = Writer::open(Arc::clone(log), subject).await.unwrap();
    writer.append_durable(batch.iter().map(InRecord::encode).collect()).await.unwrap();
}

#[tokio::test]
async fn what_a_crash_of_the_mapping_commits_is_answered_though_the_batch_is_never_finished() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::default());
    let partition = Partition(0);
    let batch = [message("1", None), message("2", Some("crashes")), message("3", Some("unreadable"))];
    accept(&log, partition, &batch).await;

    let programs = Arc::new(Channels::default());
    let options = Options {
        log: Arc::clone(&log),
        partition,
        apply: Arc::new(Crashing),
        programs: Arc::clone(&programs) as Arc<dyn Programs>,
        clock: Arc::new(ManualClock::at(Timestamp::from_millis(5))),
    };
    let router = Router::open(options, Arc::default()).await.unwrap();
    let (_stop, stopped) = watch::channel(false);
    let ended = router.run(stopped).await;
    assert!(matches!(ended, Err(RouterError::Log(LogError::Busy(_)))), "{ended:?}");

    let committed = RouterCommit::read(&log, partition).await.unwrap();
    assert_eq!(committed.received, 2, "the next run begins behind the message that crashed");
    let told = [(key(&batch[0]), Outcome::Quarantined), (key(&batch[1]), Outcome::Quarantined)];
    assert_eq!(*programs.answers.lock(), told);
}

#[tokio::test]
async fn each_message_of_a_batch_becomes_what_the_stage_said_of_it_where_others_are_not_mapped_or_mapped_again() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::default());
    let partition = Partition(0);
    let batch = [
        message("none", None),
        message("A", Some("runs")),
        message("B", Some("hidden")),
        message(CRASHES_ONCE, Some("runs")),
        message("D", Some("runs")),
    ];
    accept(&log, partition, &batch).await;

    let stage = Arc::new(Marking::default());
    let options = Options {
        log: Arc::clone(&log),
        partition,
        apply: Arc::clone(&stage) as Arc<dyn Call<ApplyInput, Applied>>,
        programs: Arc::new(Channels::default()),
        clock: Arc::new(ManualClock::at(Timestamp::from_millis(5))),
    };
    let router = Router::open(options, Arc::default()).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(router.run(stopped));
    let out = subject::out(&Name::local("lab"), partition).unwrap();
    let mut reader = Reader::new(Arc::clone(&log), out, Position(1));
    let mut written = Vec::new();
    while written.len() < 4 {
        let next = tokio::time::timeout(Duration::from_secs(30), reader.next(BATCH)).await;
        written.extend(next.expect("four are written").unwrap().entries);
    }
    stop.send_replace(true);
    running.await.unwrap().unwrap();

    let written: Vec<_> = written
        .into_iter()
        .map(|entry| OutRecord::decode(entry.record).unwrap())
        .map(|out| (out.uid, out.source.position, out.payload.bytes()))
        .collect();
    let own = (2..).zip(&batch[1..]).map(|(position, message)| {
        let made = [b"made of ", &message.envelope.control_id[..]].concat();
        (message.envelope.uid, position, Bytes::from(made))
    });
    assert_eq!(written, own.collect::<Vec<_>>());
    assert_eq!(*stage.calls.lock(), [vec!["A", "B", "C", "D"], vec!["C"]], "all at once, then the one alone");
}
