//! Streams shrink while messages flow, by the trims of another process, and who still reads loses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use barid_log::{Log, Position, ReadLimit, Subject};
use barid_log_nats::NatsLog;
use bytes::Bytes;

use crate::support::{one, open, options, until};

/// Messages of each subject.
const MESSAGES: u64 = 1_500;
/// Each so many-th is a large one.
const LARGE: u64 = 150;
const SMALL_BYTES: usize = 3_000;
const LARGE_BYTES: usize = 600_000;

fn record(number: u64) -> Bytes {
    let size = if number.is_multiple_of(LARGE) { LARGE_BYTES } else { SMALL_BYTES };
    Bytes::from(vec![u8::try_from(number % 251).unwrap(); size])
}

async fn write(log: Arc<NatsLog>, subject: Subject) {
    let mut last = Position::START;
    for number in 1..=MESSAGES {
        last = log.append(&subject, last, vec![record(number)]).await.unwrap().await.unwrap();
    }
}

/// Reads everything in order, and says how far it has come.
async fn read(log: Arc<NatsLog>, subject: Subject, done: Arc<AtomicU64>) {
    let mut next = Position(1);
    while next.0 <= MESSAGES {
        let batch = log.read(&subject, next, ReadLimit { records: 20, bytes: 1 << 20 }).await.unwrap();
        assert!(batch.damaged.is_empty() && batch.trimmed_to.is_none(), "{:?} {:?}", batch.damaged, batch.trimmed_to);
        for entry in &batch.entries {
            assert_eq!(entry.position, next);
            assert!(entry.record == record(next.0), "{subject}@{next} is another record");
            next = next.next();
        }
        done.store(next.0 - 1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn bytes(log: &NatsLog, of: &str) -> u64 {
    log.status().streams.iter().filter(|stream| stream.name.ends_with(of)).map(|stream| stream.bytes).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_shrink_behind_who_reads_whoever_trims_and_nothing_goes_that_is_still_to_be_read() {
    let mut options = options(one().await);
    options.trim_every = Duration::from_millis(100);
    options.look_every = Duration::from_millis(100);
    let flowing = Arc::new(open(&options).await);
    let flows = ["in.03", "in.04", "out.default.x.03"].map(|name| (Subject::new(name).unwrap(), Arc::default()));
    let flows: Vec<(Subject, Arc<AtomicU64>)> = flows.to_vec();
    let mut tasks = Vec::new();
    for (subject, done) in &flows {
        tasks.push(tokio::spawn(write(Arc::clone(&flowing), subject.clone())));
        tasks.push(tokio::spawn(read(Arc::clone(&flowing), subject.clone(), Arc::clone(done))));
    }
    // One process after another trims; the one before may still do so, late.
    let mut trimmers = vec![open(&options).await];
    let mut rounds = 0;
    let mut most = 0;
    while tasks.iter().any(|task| !task.is_finished()) {
        for trimmer in &trimmers {
            for (subject, done) in &flows {
                let behind = done.load(Ordering::Relaxed).saturating_sub(u64::from(trimmers.len() > 1) * 10);
                trimmer.trim(subject, Position(behind + 1)).await.unwrap();
            }
        }
        most = most.max(bytes(&flowing, "-in") + bytes(&flowing, "-objects"));
        rounds += 1;
        if rounds % 20 == 0 {
            trimmers.push(open(&options).await);
            drop(if trimmers.len() > 2 { Some(trimmers.remove(0)) } else { None });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    let all = 2 * (MESSAGES * SMALL_BYTES as u64) + 3 * (MESSAGES / LARGE * LARGE_BYTES as u64);
    println!("{most} bytes at most of {all}, {rounds} rounds");
    assert!(most < all / 2, "while messages flowed, {most} of {all} bytes stayed");
    let last = open(&options).await;
    for (subject, _) in &flows {
        last.trim(subject, Position(MESSAGES)).await.unwrap();
    }
    let bound = 4 * LARGE_BYTES as u64;
    until("only the last of each subject is left", Duration::from_secs(20), async || {
        ["-in", "-out", "-objects"].iter().all(|stream| bytes(&flowing, stream) < bound)
    })
    .await;
    for (subject, _) in &flows {
        let entry = flowing.last(subject).await.unwrap().unwrap();
        assert_eq!(entry.position, Position(MESSAGES), "the last record of a subject is there for ever");
        assert!(entry.record == record(MESSAGES));
    }
}
