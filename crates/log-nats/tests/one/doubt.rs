//! Results that are unknown, and how they are settled.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use barid_log::{Entry, Log, LogError, Position, ReadLimit, Subject, Writer};
use barid_log_nats::NatsLog;
use barid_testkit::servers::nats::NatsServers;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{open, options, start};

fn record(n: u64) -> Bytes {
    Bytes::from(format!("record {n}"))
}

async fn all(log: &Arc<dyn Log>, subject: &Subject) -> Vec<(u64, Bytes)> {
    let batch = log.read(subject, Position(1), ReadLimit::default()).await.unwrap();
    assert!(batch.damaged.is_empty() && batch.trimmed_to.is_none());
    batch.entries.into_iter().map(|entry| (entry.position.0, entry.record)).collect()
}

/// Settles as soon as servers can be reached again, which may take longer than one attempt waits.
async fn settled(writer: &mut Writer) -> Entry {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match writer.settle().await {
            Ok(last) => return last.unwrap(),
            Err(error) => assert!(error.is_retryable() && Instant::now() < deadline, "{error}"),
        }
    }
}

/// A log that gives up early, and its writer, which has stored one record.
async fn writing(servers: &NatsServers) -> (Arc<NatsLog>, Arc<dyn Log>, Writer) {
    let mut options = options(servers);
    options.answer_within = Duration::from_secs(2);
    let nats = Arc::new(open(&options).await);
    let log: Arc<dyn Log> = nats.clone();
    let (mut writer, _) = Writer::open(log.clone(), Subject::new("out.x.00").unwrap()).await.unwrap();
    writer.append_durable(vec![record(1)]).await.unwrap();
    (nats, log, writer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_to_a_frozen_server_is_unknown_and_settles_to_what_is_stored() {
    let servers = start(1).await;
    let (nats, log, mut writer) = writing(&servers).await;
    servers.freeze(0).unwrap();
    let doubtful = writer.append(vec![record(2), record(3)]).await.unwrap();
    let behind = writer.append(vec![record(4)]).await.unwrap();
    assert!(doubtful.await.unwrap_err().is_unknown());
    assert!(behind.await.is_err());
    assert!(writer.append(vec![record(9)]).await.is_err(), "nothing is taken before it is settled");
    servers.thaw(0).unwrap();
    let last = settled(&mut writer).await;
    assert!([1, 3, 4].contains(&last.position.0), "the block is stored whole or not at all: {last:?}");
    assert_eq!(writer.last(), last.position);
    let next = last.position.0 + 1;
    writer.append_durable(vec![record(next)]).await.unwrap();
    let expected: Vec<_> = (1..=next).map(|n| (n, record(n))).collect();
    assert_eq!(all(&log, writer.subject()).await, expected);
    assert_eq!(nats.status().doubts, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_never_arrived_is_displaced_and_leaves_no_trace() {
    let servers = start(1).await;
    // On a busy machine the append may still be in our own connection when the server is killed, and arrive after all.
    for _ in 0..5 {
        if displaced(&servers).await {
            return;
        }
    }
    panic!("every append arrived");
}

/// Whether an append to a server that is frozen and then killed was displaced; if so, nothing may be seen of it.
async fn displaced(servers: &NatsServers) -> bool {
    let (_, log, mut writer) = writing(servers).await;
    servers.freeze(0).unwrap();
    assert!(writer.append(vec![record(2)]).await.unwrap().await.unwrap_err().is_unknown());
    // What it had not read is gone with it.
    servers.kill(0);
    servers.restart(0).unwrap();
    servers.ready().await.unwrap();
    let last = settled(&mut writer).await;
    if last.position == Position(2) {
        return false;
    }
    assert_eq!(
        (last.position, last.record),
        (Position(1), record(1)),
        "the last record is found behind the empty block"
    );
    let bounds = log.bounds(writer.subject()).await.unwrap();
    assert_eq!((bounds.first, bounds.last), (Position(1), Position(1)));
    writer.append_durable(vec![record(22)]).await.unwrap();
    assert_eq!(all(&log, writer.subject()).await, [(1, record(1)), (2, record(22))]);
    log.trim(writer.subject(), Position(2)).await.unwrap();
    assert_eq!(log.last(writer.subject()).await.unwrap().unwrap().record, record(22));
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_an_append_is_refused_and_goes_on_when_it_is_back() {
    let servers = start(1).await;
    let (nats, log, mut writer) = writing(&servers).await;
    servers.kill(0);
    crate::support::until("disconnected", Duration::from_secs(10), async || !nats.status().connected).await;
    let refused = writer.append(vec![record(2)]).await.unwrap().await.unwrap_err();
    assert!(matches!(refused, LogError::Busy(_)), "never sent, so known not to be stored: {refused}");
    servers.restart(0).unwrap();
    servers.ready().await.unwrap();
    settled(&mut writer).await;
    writer.append_durable(vec![record(2)]).await.unwrap();
    assert_eq!(all(&log, writer.subject()).await, [(1, record(1)), (2, record(2))]);
}

/// A way to a server on which, while it is muted, requests pass and answers are lost.
async fn way(server: SocketAddr) -> (SocketAddr, Arc<AtomicBool>) {
    let (listener, muted) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::new(AtomicBool::new(false)));
    let (address, mute) = (listener.local_addr().unwrap(), Arc::clone(&muted));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (mut from, mut to) = client.into_split();
            let (mut answers, mut requests) = TcpStream::connect(server).await.unwrap().into_split();
            let mute = Arc::clone(&mute);
            tokio::spawn(async move { tokio::io::copy(&mut from, &mut requests).await });
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(count @ 1..) = answers.read(&mut buffer).await {
                    if !mute.load(Ordering::SeqCst) && to.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, muted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_was_stored_unheard_of_is_not_taken_for_refused_because_another_process_went_on_behind_it() {
    let servers = start(1).await;
    let server = servers.addresses()[0].trim_start_matches("nats://").parse().unwrap();
    let (address, muted) = way(server).await;
    let direct = options(&servers);
    let mut through = direct.clone();
    through.connect.servers = vec![format!("nats://{address}")];
    let (ours, other): (Arc<dyn Log>, Arc<dyn Log>) = (Arc::new(open(&through).await), Arc::new(open(&direct).await));
    let subject = Subject::new("out.x.00").unwrap();
    ours.append(&subject, Position::START, vec![record(1)]).await.unwrap().await.unwrap();
    muted.store(true, Ordering::SeqCst);
    let unheard = ours.append(&subject, Position(1), vec![record(2)]).await.unwrap();
    crate::support::until("stored", Duration::from_secs(10), async || {
        other.last(&subject).await.unwrap().is_some_and(|last| last.position == Position(2))
    })
    .await;
    other.append(&subject, Position(2), vec![record(3)]).await.unwrap().await.unwrap();
    // Its first copy has waited for its answer in vain by now.
    tokio::time::sleep(Duration::from_secs(3)).await;
    muted.store(false, Ordering::SeqCst);
    assert_eq!(unheard.await.unwrap(), Position(2), "it is stored, and its writer is told so");
    assert_eq!(all(&ours, &subject).await, [(1, record(1)), (2, record(2)), (3, record(3))]);
}
