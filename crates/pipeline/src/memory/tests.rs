use barid_log::Writer;
use barid_log::memory::MemoryLog;
use barid_model::record::Answer;
use barid_model::{Cause, Digest, FacilityRef, Format, Lanes, MessageType, Name, Payload, Timestamp, Waits};
use bytes::Bytes;

use super::*;

const WINDOW: Option<Duration> = Some(Duration::from_secs(3_600));

/// A query whose sender waits, as it is sent at first and again.
fn query(sending: u8) -> InRecord {
    let raw = Payload::new(Bytes::from_static(b"QBP"));
    let envelope = Envelope {
        uid: MessageUid::from_bytes([sending; 16]),
        listener: Name::local("in"),
        facility: FacilityRef { name: "default/chn".into(), speaks_for: None, verified: true },
        channel: Some(Name::local("queries")),
        revision: barid_model::Revision::default(),
        lanes: Lanes::None,
        received: Timestamp::from_millis(i64::from(sending) * 1_000),
        digest: raw.digest(),
        format: Format::Hl7v2,
        control_id: Bytes::from_static(b"Q1"),
        message_type: MessageType::default(),
        cause: Cause::Received,
        parents: vec![],
        origin: String::new(),
        traceparent: None,
        findings: vec![],
        keys: vec![],
        waits: Some(Waits { route: None, timeout: Duration::from_secs(30), query: true }),
        reason: None,
        hops: 0,
    };
    InRecord { envelope, source: None, raw }
}

#[tokio::test]
async fn a_resend_is_a_new_message_where_the_first_was_rejected_or_expired() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    let intake = subject::intake(Partition(0), Intake::Received).unwrap();
    let (mut writer, _) = Writer::open(Arc::clone(&log), intake).await.unwrap();
    let (first, again) = (query(1), query(2));
    writer.append(vec![first.encode(), again.encode()]).await.unwrap().await.unwrap();
    let mut judge = Judge::open(Arc::clone(&log), Partition(0), 0, 0).await.unwrap();
    judge.remember(&first.envelope, 1);
    let duplicate = Judgement::Duplicate(first.envelope.uid);
    assert_eq!(judge.judge(&again.envelope, 2, WINDOW).await.unwrap(), duplicate, "it has not ended");
    let key = subject::answer(answer_key("default/chn", b"Q1", Digest::of(b"QBP"))).unwrap();
    let mut revision = Revision::NONE;
    for outcome in Outcome::ALL {
        let answer = AnswerRecord { outcome, at: first.envelope.received, answer: Answer::default(), findings: vec![] };
        revision = log.put(&key, revision, answer.encode()).await.unwrap();
        let given_back = matches!(outcome, Outcome::Rejected | Outcome::Expired);
        let expected = if given_back { Judgement::Fresh } else { duplicate };
        assert_eq!(judge.judge(&again.envelope, 2, WINDOW).await.unwrap(), expected, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_rejection_gives_back_the_sending_it_was_of_and_not_the_next_one() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    let intake = subject::intake(Partition(0), Intake::Received).unwrap();
    let (mut writer, _) = Writer::open(Arc::clone(&log), intake).await.unwrap();
    let sendings = [query(1), query(3), query(4)];
    writer.append(sendings.iter().map(InRecord::encode).collect()).await.unwrap().await.unwrap();
    let mut judge = Judge::open(Arc::clone(&log), Partition(0), 0, 0).await.unwrap();
    judge.remember(&sendings[0].envelope, 1);
    let key = subject::answer(answer_key("default/chn", b"Q1", Digest::of(b"QBP"))).unwrap();
    let at = Timestamp::from_millis(2_000);
    let rejected = AnswerRecord { outcome: Outcome::Rejected, at, answer: Answer::default(), findings: vec![] };
    log.put(&key, Revision::NONE, rejected.encode()).await.unwrap();
    assert_eq!(judge.judge(&sendings[1].envelope, 2, WINDOW).await.unwrap(), Judgement::Fresh);
    judge.remember(&sendings[1].envelope, 2);
    let under_way = Judgement::Duplicate(sendings[1].envelope.uid);
    assert_eq!(judge.judge(&sendings[2].envelope, 3, WINDOW).await.unwrap(), under_way);
}

#[tokio::test(start_paused = true)]
async fn the_memory_is_written_down_a_minute_after_little_has_come_so_that_the_log_can_go() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    let mut judge = Judge::open(Arc::clone(&log), Partition(0), 0, 0).await.unwrap();
    judge.remember(&query(1).envelope, 1);
    judge.checkpoint(1, false).await.unwrap();
    assert_eq!(judge.remembered(), 0, "not for each message");
    tokio::time::advance(CHECKPOINT_EVERY).await;
    judge.checkpoint(1, false).await.unwrap();
    assert_eq!(judge.remembered(), 1);
    let written = log.get(&subject::duplicates(Partition(0)).unwrap()).await.unwrap();
    tokio::time::advance(CHECKPOINT_EVERY).await;
    judge.checkpoint(1, false).await.unwrap();
    assert_eq!(log.get(&subject::duplicates(Partition(0)).unwrap()).await.unwrap(), written, "nothing new");
}

#[tokio::test(start_paused = true)]
async fn what_was_routed_is_remembered_though_who_answers_does_not_show_it_at_once() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    let intake = subject::intake(Partition(0), Intake::Received).unwrap();
    let (mut writer, _) = Writer::open(Arc::clone(&log), intake).await.unwrap();
    let opening = tokio::spawn(Judge::open(Arc::clone(&log), Partition(0), 0, 1));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (first, again) = (query(1), query(2));
    writer.append(vec![first.encode(), again.encode()]).await.unwrap().await.unwrap();
    let judge = opening.await.unwrap().unwrap();
    let duplicate = Judgement::Duplicate(first.envelope.uid);
    assert_eq!(judge.judge(&again.envelope, 2, WINDOW).await.unwrap(), duplicate);
}

#[tokio::test(start_paused = true)]
async fn an_earlier_memory_than_the_commit_names_is_not_believed() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    let intake = subject::intake(Partition(0), Intake::Received).unwrap();
    let (mut writer, _) = Writer::open(Arc::clone(&log), intake).await.unwrap();
    let (first, again) = (query(1), query(2));
    writer.append(vec![first.encode(), again.encode()]).await.unwrap().await.unwrap();
    let key = subject::duplicates(Partition(0)).unwrap();
    let revision = log.put(&key, Revision::NONE, Memory::default().checkpoint(0)).await.unwrap();
    let opening = tokio::spawn(Judge::open(Arc::clone(&log), Partition(0), 1, 1));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut memory = Memory::default();
    memory.insert(&first.envelope.facility.name, &first.envelope.control_id, 1);
    log.put(&key, revision, memory.checkpoint(1)).await.unwrap();
    let judge = opening.await.unwrap().unwrap();
    assert_eq!(judge.remembered(), 1);
    let duplicate = Judgement::Duplicate(first.envelope.uid);
    assert_eq!(judge.judge(&again.envelope, 2, WINDOW).await.unwrap(), duplicate);
}
