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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_payload_whose_writer_died_before_its_block_is_removed_and_those_that_are_referred_to_stay() {
    let mut options = options(one().await);
    options.look_every = Duration::from_millis(2);
    options.trim_every = Duration::from_millis(100);
    options.orphans_after = Duration::from_secs(2);
    let within = Duration::from_secs(20);
    let subject = Subject::new("in.03").unwrap();
    let kept = patterned(10_000_000, 6);
    let first = open(&options).await;
    first.append(&subject, Position::START, vec![patterned(10, 1)]).await.unwrap().await.unwrap();
    first.append(&subject, Position(1), vec![kept.clone()]).await.unwrap().await.unwrap();
    until("stored", within, async || stream(&first, "-objects").messages == 39).await;
    // It dies with a part of the next one stored, and the block that would refer to it is never sent.
    let writer = open(&options).await;
    {
        let dying = writer.append(&subject, Position(2), vec![patterned(10_000_000, 7)]);
        // Asked every millisecond: on a quick machine all of it is stored within some tens.
        let begun = async {
            while stream(&first, "-objects").messages <= 39 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            _ = dying => panic!("stored before it died"),
            begun = tokio::time::timeout(within, begun) => begun.expect("a part is stored"),
        }
    }
    drop(writer);

    let second = open(&options).await;
    assert_eq!(second.last(&subject).await.unwrap().unwrap().position, Position(2), "it left no trace in the log");
    second.append(&subject, Position(2), vec![patterned(10, 2)]).await.unwrap().await.unwrap();
    second.trim(&subject, Position(2)).await.unwrap();
    until("only what is referred to is left", within, async || stream(&second, "-objects").messages == 39).await;
    let batch = second.read(&subject, Position(2), ReadLimit { records: 1, bytes: 1 }).await.unwrap();
    assert!(batch.entries[0].record == kept);
    // And what is referred to goes with its record.
    second.trim(&subject, Position(3)).await.unwrap();
    until("none is left", within, async || stream(&second, "-objects").messages == 0).await;
}
