use barid_log::Position;
use barid_log::memory::MemoryLog;
use barid_model::{
    Cause, Digest, Envelope, FacilityRef, Format, Lanes, ManualClock, MessageType, MessageUid, Name, Partition,
    Payload, Revision,
};
use bytes::Bytes;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3_600);
const BEGIN: Timestamp = Timestamp::from_millis(1_795_341_600_000);

async fn message(log: &Arc<dyn Log>, partition: u16, received: Timestamp) {
    let envelope = Envelope {
        uid: MessageUid::new(received),
        listener: Name::local("in"),
        facility: FacilityRef { name: "CHN".into(), speaks_for: None, verified: false },
        channel: None,
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
    };
    let record = InRecord { envelope, source: None, raw: Payload::new(Bytes::from_static(b"MSH")) };
    let subject = subject::intake(Partition(partition), Intake::Received).unwrap();
    let last = log.last(&subject).await.unwrap().map_or(Position::START, |entry| entry.position);
    log.append(&subject, last, vec![record.encode()]).await.unwrap().await.unwrap();
}

struct Scene {
    log: Arc<dyn Log>,
    clock: Arc<ManualClock>,
    steady: Steady,
}

impl Scene {
    /// The newest message of the log, and what the clock says at the start.
    async fn set(newest: Option<Timestamp>, now: Timestamp) -> Self {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(16));
        if let Some(newest) = newest {
            message(&log, 2, newest.minus(DAY)).await;
            message(&log, 7, newest).await;
        }
        let clock = Arc::new(ManualClock::at(now));
        let steady = Steady::begin(&log, Partitions::STANDALONE, Arc::clone(&clock) as Arc<dyn Clock>).await.unwrap();
        Self { log, clock, steady }
    }

    async fn now(&self) -> Timestamp {
        self.steady.look(&self.log, Partitions::STANDALONE).await.unwrap();
        self.steady.now()
    }

    /// Time goes by, for the clock as well.
    async fn pass(&self, time: Duration) {
        tokio::time::advance(time).await;
        self.clock.advance(time);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_right_is_believed() {
    let scene = Scene::set(Some(BEGIN), BEGIN.plus(DAY / 2)).await;
    assert_eq!(scene.now().await, BEGIN.plus(DAY / 2));
    scene.pass(DAY / 4).await;
    assert_eq!(scene.now().await, BEGIN.plus(DAY / 4 * 3));
    for day in 1..20 {
        scene.pass(DAY).await;
        message(&scene.log, 3, scene.clock.now()).await;
        assert_eq!(scene.now().await, scene.clock.now(), "{day}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_forward_while_it_runs_counts_for_an_hour_also_where_messages_are_stamped_with_it() {
    let scene = Scene::set(Some(BEGIN), BEGIN).await;
    scene.clock.advance(DAY * 400);
    assert_eq!(scene.now().await, BEGIN.plus(STEP));
    message(&scene.log, 3, scene.clock.now()).await;
    scene.pass(DAY).await;
    assert_eq!(scene.now().await, BEGIN.plus(STEP + DAY));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_ahead_before_the_start_is_believed_a_day_beyond_what_others_wrote() {
    let scene = Scene::set(Some(BEGIN), BEGIN.plus(DAY * 400)).await;
    assert_eq!(scene.now().await, BEGIN.plus(DAY));
    scene.pass(DAY / 2).await;
    message(&scene.log, 3, BEGIN.plus(DAY / 2)).await;
    assert_eq!(scene.now().await, BEGIN.plus(DAY + DAY / 2));
}

#[tokio::test(start_paused = true)]
async fn without_new_messages_time_goes_on_and_is_made_up_for_when_there_are_some() {
    let scene = Scene::set(Some(BEGIN), BEGIN.plus(DAY * 5)).await;
    scene.pass(DAY * 3).await;
    assert_eq!(scene.now().await, BEGIN.plus(DAY * 4), "as long as it runs");
    message(&scene.log, 3, scene.clock.now()).await;
    assert_eq!(scene.now().await, scene.clock.now());
    let new = Scene::set(None, BEGIN).await;
    new.pass(DAY * 3).await;
    assert_eq!(new.now().await, BEGIN.plus(DAY * 3), "a log without messages says nothing");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_steps_back_is_believed() {
    let scene = Scene::set(Some(BEGIN), BEGIN.plus(DAY / 2)).await;
    let behind = Steady { clock: Arc::new(ManualClock::at(BEGIN.minus(DAY * 9))), ..scene.steady };
    assert_eq!(behind.now(), BEGIN.minus(DAY * 9));
}
