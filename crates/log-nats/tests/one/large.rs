//! Large records are kept apart, come back whole, and go with the trims.

use std::time::Duration;

use barid_log::{Log, Position, ReadLimit, Subject};
use barid_log_nats::{NatsLog, StreamStatus};
use bytes::Bytes;

use crate::support::{one, open, options, until};

fn patterned(size: usize, seed: usize) -> Bytes {
    (0..size).map(|n| (n.wrapping_mul(31) ^ (n >> 9) ^ seed) as u8).collect::<Vec<u8>>().into()
}

fn stream(log: &NatsLog, ending: &str) -> StreamStatus {
    log.status().streams.into_iter().find(|stream| stream.name.ends_with(ending)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_megabytes_travel_apart_and_go_when_trimmed() {
    let mut options = options(one().await);
    options.look_every = Duration::from_millis(100);
    options.trim_every = Duration::from_millis(100);
    let log = open(&options).await;
    let subject = Subject::new("in.03").unwrap();
    let records = [patterned(10_000_000, 1), patterned(1000, 2), patterned((512 << 10) + 1, 3), patterned(100, 4)];
    let ticket = log.append(&subject, Position::START, records.to_vec()).await.unwrap();
    assert_eq!(ticket.await.unwrap(), Position(4));
    let other = open(&options).await;
    let mut next = Position(1);
    for record in &records {
        let batch = other.read(&subject, next, ReadLimit { records: 1, bytes: 1 << 20 }).await.unwrap();
        assert!(batch.damaged.is_empty() && batch.entries.len() == 1 && batch.entries[0].record == *record);
        next = batch.next;
    }
    assert_eq!(log.bounds(&subject).await.unwrap().bytes, 10_000_000 + 1000 + (512 << 10) + 1 + 100);
    let within = Duration::from_secs(10);
    until("seen in the stream of large payloads", within, async || stream(&log, "-objects").bytes > 10_000_000).await;
    assert!(stream(&log, "-in").bytes < 10_000, "the log itself carries references only");

    // A later block, so that the first may go; it is large itself and has to stay.
    let late = patterned(700_000, 5);
    log.append(&subject, Position(4), vec![late.clone()]).await.unwrap().await.unwrap();
    log.trim(&subject, Position(5)).await.unwrap();
    until("trimmed", within, async || stream(&log, "-objects").messages == 3).await;
    until("trimmed", within, async || stream(&log, "-in").messages == 1).await;
    let batch = other.read(&subject, Position(1), ReadLimit::default()).await.unwrap();
    assert_eq!((batch.trimmed_to, batch.entries.len()), (Some(Position(5)), 1), "{batch:?}");
    assert!(batch.entries[0].record == late);
    assert!(other.last(&subject).await.unwrap().unwrap().record == late);
}
