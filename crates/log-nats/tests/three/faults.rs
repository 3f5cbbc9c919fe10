//! Servers are killed and frozen under load: nothing acknowledged is lost, doubled, or out of order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use barid_log::{Log, LogError, Position, ReadLimit, Reader, Subject, Writer};
use barid_testkit::servers::nats::NatsServers;
use bytes::Bytes;
use tokio::sync::Mutex;

use crate::support::{open, options, start};

const WRITERS: u64 = 32;
/// One at a time: they need the processors, and time counts in them.
pub(crate) static ALONE: Mutex<()> = Mutex::const_new(());

/// Half of them are intake, which also waits for the proof of durability, that every restarted server ends.
fn subject(writer: u64) -> Subject {
    let name = if writer.is_multiple_of(2) { format!("in.{writer:02}") } else { format!("out.d{writer}.00") };
    Subject::new(name).unwrap()
}

fn record(writer: u64, n: u64) -> Bytes {
    Bytes::from(format!("{writer} {n} {}", "x".repeat((n % 7 * 300) as usize)))
}

fn number(record: &Bytes) -> u64 {
    String::from_utf8_lossy(record).split(' ').nth(1).unwrap().parse().unwrap()
}

/// Settles until that succeeds; returns the number of the last record stored.
async fn settled(writer: &mut Writer) -> u64 {
    loop {
        match writer.settle().await {
            Ok(last) => return last.map_or(0, |last| number(&last.record)),
            Err(error @ LogError::WrongLast { .. }) => panic!("nobody else writes here: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Appends numbered records until told to stop; returns the last one acknowledged.
async fn write(log: Arc<dyn Log>, writer: u64, stop: Arc<AtomicBool>, acknowledged: Arc<AtomicU64>) -> u64 {
    let (mut of, _) = Writer::open(log, subject(writer)).await.unwrap();
    let (mut next, mut durable) = (1, 0);
    while !stop.load(Ordering::Relaxed) {
        let mut tickets = Vec::new();
        let mut failed = false;
        for _ in 0..1 + next % 3 {
            match of.append(vec![record(writer, next)]).await {
                Ok(ticket) => tickets.push((next, ticket)),
                Err(_) => {
                    failed = true;
                    break;
                }
            }
            next += 1;
        }
        for (n, ticket) in tickets {
            match ticket.await {
                Ok(_) => {
                    assert!(!failed, "an append after a failed one was acknowledged");
                    durable = n;
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => failed = true,
            }
        }
        if failed {
            let stored = settled(&mut of).await;
            assert!(stored >= durable, "writer {writer}: {durable} was acknowledged, the log ends at {stored}");
            next = stored + 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    settled(&mut of).await.max(durable)
}

/// Reads a subject to its end and checks that it holds 1, 2, 3, … once each.
async fn check(log: &Arc<dyn Log>, writer: u64, to: u64) {
    let mut reader = Reader::new(log.clone(), subject(writer), Position::START);
    let mut next = 1;
    while next <= to {
        let batch = tokio::time::timeout(Duration::from_secs(30), reader.next(ReadLimit::default())).await;
        let batch = batch.unwrap_or_else(|_| panic!("writer {writer}: nothing more at {next} of {to}")).unwrap();
        assert!(batch.damaged.is_empty() && batch.trimmed_to.is_none(), "{:?}", batch.damaged);
        for entry in batch.entries {
            assert_eq!((entry.position.0, entry.record), (next, record(writer, next)), "writer {writer}");
            next += 1;
        }
    }
    assert_eq!(next, to + 1, "writer {writer}: more than was sent");
}

/// Writers on all subjects while `trouble` happens; then everything is read again by another process.
async fn under_load(servers: &NatsServers, trouble: impl AsyncFnOnce(&NatsServers)) {
    let options = options(servers);
    let log: Arc<dyn Log> = Arc::new(open(&options).await);
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(log.clone(), writer, stop.clone(), acknowledged.clone())))
        .collect();
    let reading = tokio::spawn({
        let log = log.clone();
        async move {
            // A reader that lives through all of it sees the same.
            let mut reader = Reader::new(log, subject(0), Position::START);
            let mut next = 1;
            loop {
                for entry in reader.next(ReadLimit::default()).await.map(|b| b.entries).unwrap_or_default() {
                    assert_eq!(entry.record, record(0, next));
                    next += 1;
                }
            }
        }
    });
    trouble(servers).await;
    stop.store(true, Ordering::Relaxed);
    let mut ends = Vec::new();
    for writer in writers {
        ends.push(writer.await.unwrap());
    }
    assert!(!reading.is_finished(), "{:?}", reading.await);
    reading.abort();
    let other: Arc<dyn Log> = Arc::new(open(&options).await);
    for (writer, end) in (0..).zip(&ends) {
        check(&other, writer, *end).await;
    }
    let count = acknowledged.load(Ordering::Relaxed);
    println!("{count} appends acknowledged, {} stored", ends.iter().sum::<u64>());
    assert!(count > 1000, "only {count} appends were acknowledged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_servers_lose_double_and_reorder_nothing() {
    let _alone = ALONE.lock().await;
    let servers = start(3).await;
    under_load(&servers, async |servers| {
        let until = Instant::now() + Duration::from_secs(25);
        let mut number = 0;
        while Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            servers.kill(number % 3);
            tokio::time::sleep(Duration::from_millis(1000)).await;
            servers.restart(number % 3).unwrap();
            servers.ready().await.unwrap();
            number += 1;
        }
        println!("{number} servers killed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_servers_lose_double_and_reorder_nothing() {
    let _alone = ALONE.lock().await;
    let servers = start(3).await;
    under_load(&servers, async |servers| {
        for number in 0..3 {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            servers.freeze(number).unwrap();
            tokio::time::sleep(Duration::from_millis(5000)).await;
            servers.thaw(number).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(2000)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_all_servers_were_gone_everything_goes_on() {
    let _alone = ALONE.lock().await;
    let servers = start(3).await;
    under_load(&servers, async |servers| {
        tokio::time::sleep(Duration::from_millis(2000)).await;
        for number in 0..3 {
            servers.kill(number);
        }
        tokio::time::sleep(Duration::from_millis(2000)).await;
        for number in 0..3 {
            servers.restart(number).unwrap();
        }
        servers.ready().await.unwrap();
        tokio::time::sleep(Duration::from_millis(5000)).await;
    })
    .await;
}
