//! Several processes on the same log: they hear of each other, and only one writes a subject.

use std::sync::Arc;
use std::time::Duration;

use barid_log::{Key, Log, LogError, Position, ReadLimit, Reader, Revision, Subject, Writer};
use barid_log_nats::{Claiming, Member, Terms};
use bytes::Bytes;

use crate::support::{one, open, options};

async fn two() -> (Arc<dyn Log>, Arc<dyn Log>) {
    let options = options(one().await);
    (Arc::new(open(&options).await), Arc::new(open(&options).await))
}

fn record(n: u64) -> Bytes {
    Bytes::from(format!("record {n}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_wakes_for_what_another_process_appends() {
    let (a, b) = two().await;
    let subject = Subject::new("in.03").unwrap();
    let (mut writer, _) = Writer::open(a, subject.clone()).await.unwrap();
    writer.append_durable(vec![record(1)]).await.unwrap();
    let mut reader = Reader::new(b, subject, Position::START);
    for n in 2..=20 {
        let batch = tokio::time::timeout(Duration::from_secs(5), reader.next(ReadLimit::default())).await;
        assert_eq!(batch.unwrap().unwrap().entries.last().unwrap().record, record(n - 1));
        writer.append_durable(vec![record(n)]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_was_taken_over_is_refused_and_stays_so() {
    let (a, b) = two().await;
    let subject = Subject::new("out.x.00").unwrap();
    let (mut old, _) = Writer::open(a.clone(), subject.clone()).await.unwrap();
    old.append_durable(vec![record(1)]).await.unwrap();
    let (mut new, last) = Writer::open(b, subject.clone()).await.unwrap();
    assert_eq!(last.unwrap().record, record(1));
    new.append_durable(vec![record(2)]).await.unwrap();
    let late = old.append_durable(vec![record(99)]).await.unwrap_err();
    assert!(matches!(late, LogError::WrongLast { actual: Position(2), .. }), "{late}");
    assert!(matches!(old.settle().await, Err(LogError::WrongLast { .. })));
    new.append_durable(vec![record(3)]).await.unwrap();
    let records = a.read(&subject, Position(1), ReadLimit::default()).await.unwrap().entries;
    assert_eq!(records.iter().map(|e| e.record.clone()).collect::<Vec<_>>(), [record(1), record(2), record(3)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_watched_in_one_process_wakes_when_another_writes_it() {
    let (a, b) = two().await;
    let (key, other) = (Key::new("answer.1").unwrap(), Key::new("answer.2").unwrap());
    let before = a.put(&other, Revision::NONE, record(0)).await.unwrap();
    let mut waiting = b.watch_key(&key);
    let mut known = b.watch_key(&other);
    let mut below = b.watch_keys("answer.");
    let within = Duration::from_secs(5);
    tokio::time::timeout(within, known.wait_for(|revision| *revision == before)).await.unwrap().unwrap();
    let revision = a.put(&key, Revision::NONE, record(1)).await.unwrap();
    tokio::time::timeout(within, waiting.wait_for(|now| *now == revision)).await.unwrap().unwrap();
    tokio::time::timeout(within, below.wait_for(|now| *now == revision)).await.unwrap().unwrap();
    assert_eq!(b.get(&key).await.unwrap(), Some((revision, record(1))));
    a.delete(&key, revision).await.unwrap();
    tokio::time::timeout(within, waiting.wait_for(|now| *now > revision)).await.unwrap().unwrap();
    assert_eq!(b.get(&key).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_reader_finds_its_place_in_the_middle_of_many_blocks() {
    let (a, b) = two().await;
    let (subject, noise) = (Subject::new("in.03").unwrap(), Subject::new("in.04").unwrap());
    for n in 1..=2500u64 {
        a.append(&subject, Position(n - 1), vec![record(n)]).await.unwrap().await.unwrap();
        if n % 3 == 0 {
            a.append(&noise, Position(n / 3 - 1), vec![record(n)]).await.unwrap().await.unwrap();
        }
    }
    for at in [1250, 1, 2499, 700, 2500, 1025] {
        let limit = ReadLimit { records: 3, bytes: 1 << 20 };
        let batch = b.read(&subject, Position(at), limit).await.unwrap();
        assert_eq!(batch.entries.first().map(|e| (e.position.0, e.record.clone())), Some((at, record(at))));
        assert!(batch.damaged.is_empty() && batch.trimmed_to.is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_silent_process_owned_is_taken_over_with_a_higher_epoch() {
    let (a, b) = two().await;
    let terms = Terms {
        lease: Duration::from_millis(1500),
        guard: Duration::from_millis(500),
        renew: Duration::from_millis(300),
    };
    let silent = Member::join(a, "router", "a", terms).await.unwrap();
    let Claiming::Ours(first) = silent.claim("partition.03").await.unwrap() else { panic!("nobody else is here") };
    let taker = Member::join(b, "router", "b", terms).await.unwrap();
    let mut members = taker.members();
    let within = Duration::from_secs(10);
    tokio::time::timeout(within, members.wait_for(|all| all.len() == 2)).await.unwrap().unwrap();
    tokio::time::sleep(terms.lease + terms.guard * 2).await;
    assert!(silent.holds(), "renewed over the network");
    let held = taker.claim("partition.03").await.unwrap();
    assert_eq!(held, Claiming::Held { by: silent.name().to_owned() });
    drop(silent);
    tokio::time::timeout(within, members.wait_for(|all| all.len() == 1)).await.unwrap().unwrap();
    let Claiming::Ours(second) = taker.claim("partition.03").await.unwrap() else { panic!("it is free") };
    assert_eq!(second.epoch, first.epoch + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_hear_their_subjects_and_are_not_sent_those_of_others() {
    let options = options(one().await);
    let (a, b) = (open(&options).await, open(&options).await);
    let (mine, late, noise) = ("out.x.01", "out.x.02", "out.y.01");
    let subject = |name: &str| Subject::new(name).unwrap();
    let mut changed = b.changed(&subject(mine));
    let within = Duration::from_secs(5);
    for n in 1..=300u64 {
        a.append(&subject(noise), Position(n - 1), vec![record(n)]).await.unwrap().await.unwrap();
    }
    a.append(&subject(mine), Position::START, vec![record(1)]).await.unwrap().await.unwrap();
    tokio::time::timeout(within, changed.wait_for(|end| *end == Position(1))).await.unwrap().unwrap();
    // Another is watched later: both are heard.
    let mut later = b.changed(&subject(late));
    a.append(&subject(late), Position::START, vec![record(1)]).await.unwrap().await.unwrap();
    a.append(&subject(mine), Position(1), vec![record(2)]).await.unwrap().await.unwrap();
    tokio::time::timeout(within, later.wait_for(|end| *end == Position(1))).await.unwrap().unwrap();
    tokio::time::timeout(within, changed.wait_for(|end| *end == Position(2))).await.unwrap().unwrap();
    // The servers know of no consumer that would be sent the noise.
    let client = async_nats::ConnectOptions::new()
        .user_and_password("barid".into(), "barid-secret".into())
        .connect(options.connect.servers.clone())
        .await
        .unwrap();
    let stream = format!("barid-{}-out", options.installation);
    let stream = async_nats::jetstream::new(client).get_stream(stream).await.unwrap();
    let mut consumers = stream.consumers();
    let mut seen = 0;
    while let Some(consumer) = futures_util::StreamExt::next(&mut consumers).await {
        let config = consumer.unwrap().config;
        let mut filters = config.filter_subjects;
        filters.extend(Some(config.filter_subject).filter(|filter| !filter.is_empty()));
        assert!(!filters.is_empty() && filters.iter().all(|filter| filter.contains(".out.x.0")), "{filters:?}");
        seen += 1;
    }
    assert!(seen > 0);
}
