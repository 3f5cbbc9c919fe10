//! Rules of reading, trimming and listing.

use std::sync::Arc;

use bytes::Bytes;

use super::{Harness, expect_records, read_all, record, subject};
use crate::{Bounds, Log, Position, ReadLimit, Reader, Subject};

async fn append(log: &Arc<dyn Log>, s: &Subject, last: u64, records: Vec<Bytes>) {
    log.append(s, Position(last), records).await.unwrap().await.unwrap();
}

/// A read returns as much as its limit allows, at least one record, and says where to go on.
pub async fn reads_stop_at_the_limit(harness: &dyn Harness) {
    let log = harness.open().await;
    let s = subject("in.00");
    append(&log, &s, 0, vec![Bytes::from(vec![1; 1000]); 10]).await;
    let by_count = log.read(&s, Position(1), ReadLimit { records: 3, bytes: 1 << 20 }).await.unwrap();
    assert_eq!((by_count.entries.len(), by_count.next), (3, Position(4)));
    let by_bytes = log.read(&s, Position(4), ReadLimit { records: 100, bytes: 2500 }).await.unwrap();
    assert_eq!((by_bytes.entries.len(), by_bytes.next), (2, Position(6)));
    let at_least_one = log.read(&s, Position(6), ReadLimit { records: 100, bytes: 10 }).await.unwrap();
    assert_eq!((at_least_one.entries.len(), at_least_one.next), (1, Position(7)));
    let rest = log.read(&s, Position(7), ReadLimit { records: 100, bytes: 1 << 20 }).await.unwrap();
    assert_eq!((rest.entries.len(), rest.next), (4, Position(11)));
}

/// At the end of a subject, and in one that has no record, a read is empty and stays where it is.
pub async fn a_read_at_the_end_is_empty(harness: &dyn Harness) {
    let log = harness.open().await;
    let s = subject("in.00");
    let nothing = log.read(&s, Position::START, ReadLimit::default()).await.unwrap();
    assert!(nothing.entries.is_empty() && nothing.trimmed_to.is_none());
    assert_eq!(nothing.next, Position(1));
    assert!(log.last(&s).await.unwrap().is_none());
    append(&log, &s, 0, vec![record("a", 1)]).await;
    let end = log.read(&s, Position(2), ReadLimit::default()).await.unwrap();
    assert!(end.entries.is_empty());
    assert_eq!(end.next, Position(2));
}

/// A reader at the end sleeps until the next record is durable.
pub async fn a_reader_waits_for_the_next_record(harness: &dyn Harness) {
    let log = harness.open().await;
    let s = subject("out.default.registry.03");
    let mut reader = Reader::new(log.clone(), s.clone(), Position::START);
    let waiting = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < 3 {
            seen.extend(reader.next(ReadLimit::default()).await.unwrap().entries);
        }
        (seen, reader.position())
    });
    for n in 1..=3 {
        append(&log, &s, n - 1, vec![record("w", n)]).await;
    }
    let (seen, next) = waiting.await.unwrap();
    assert_eq!(next, Position(4));
    assert_eq!(
        seen.iter().map(|e| e.record.clone()).collect::<Vec<_>>(),
        (1..=3).map(|n| record("w", n)).collect::<Vec<_>>()
    );
}

/// While writers append, readers only ever see a prefix in order, and nothing above the durable end that `changed` shows.
pub async fn concurrent_readers_see_only_durable_records_in_order(harness: &dyn Harness) {
    const RECORDS: u64 = 400;
    let log = harness.open().await;
    let s = subject("in.05");
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (log, s) = (log.clone(), s.clone());
            tokio::spawn(async move {
                let mut reader = Reader::new(log.clone(), s.clone(), Position::START);
                let mut next = 1;
                while next <= RECORDS {
                    let batch = reader.next(ReadLimit { records: 7, bytes: 1 << 20 }).await.unwrap();
                    let durable = *log.changed(&s).borrow();
                    for entry in batch.entries {
                        assert_eq!(entry.position, Position(next));
                        assert!(entry.record == record("r", next) && entry.position <= durable);
                        next += 1;
                    }
                }
            })
        })
        .collect();
    let mut tickets = Vec::new();
    for n in 1..=RECORDS {
        tickets.push(log.append(&s, Position(n - 1), vec![record("r", n)]).await.unwrap());
        if n % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for ticket in tickets {
        ticket.await.unwrap();
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

/// A read from below the trim point continues there, and tells the first position that is kept. A trim never goes back.
pub async fn trimmed_records_are_gone_and_it_is_said(harness: &dyn Harness) {
    let log = harness.open().await;
    let s = subject("in.00");
    append(&log, &s, 0, (1..=10).map(|n| record("t", n)).collect()).await;
    log.trim(&s, Position(6)).await.unwrap();
    log.trim(&s, Position(3)).await.unwrap();
    let batch = read_all(&log, &s, Position(2)).await;
    assert_eq!(batch.trimmed_to, Some(Position(6)));
    assert_eq!(batch.entries.iter().map(|e| e.position.0).collect::<Vec<_>>(), [6, 7, 8, 9, 10]);
    assert!(batch.damaged.is_empty());
    let exact = log.read(&s, Position(6), ReadLimit::default()).await.unwrap();
    assert!(exact.trimmed_to.is_none());
    append(&log, &s, 10, vec![record("t", 11)]).await;
    let log = harness.restart(log).await;
    let bounds = log.bounds(&s).await.unwrap();
    assert!(bounds.first <= Position(6) && bounds.last == Position(11), "{bounds:?}");
}

/// However far a trim goes, the last record stays: a new owner reads from it what its predecessor wrote.
pub async fn the_last_record_outlives_a_trim(harness: &dyn Harness) {
    let log = harness.open().await;
    let s = subject("out.default.registry.00");
    append(&log, &s, 0, (1..=5).map(|n| record("l", n)).collect()).await;
    log.trim(&s, Position(100)).await.unwrap();
    assert_eq!(log.bounds(&s).await.unwrap().first, Position(5));
    append(&log, &subject("in.00"), 0, vec![record("other", 1)]).await;
    let log = harness.restart(log).await;
    let last = log.last(&s).await.unwrap().unwrap();
    assert_eq!((last.position, last.record), (Position(5), record("l", 5)));
    append(&log, &s, 5, vec![record("l", 6)]).await;
}

/// Bounds count what is kept.
pub async fn bounds_follow_appends_and_trims(harness: &dyn Harness) {
    let log = harness.open().await;
    let s = subject("in.00");
    assert_eq!(log.bounds(&s).await.unwrap(), Bounds { first: Position(1), last: Position(0), bytes: 0 });
    assert_eq!(log.bounds(&s).await.unwrap().records(), 0);
    append(&log, &s, 0, vec![Bytes::from(vec![0; 100]); 8]).await;
    let full = log.bounds(&s).await.unwrap();
    assert_eq!((full.first, full.last, full.records()), (Position(1), Position(8), 8));
    assert!(full.bytes >= 800);
    log.trim(&s, Position(5)).await.unwrap();
    let half = log.bounds(&s).await.unwrap();
    assert_eq!((half.first, half.last, half.records()), (Position(5), Position(8), 4));
    assert!(half.bytes <= full.bytes);
}

/// Every subject that ever had a record is listed, sorted, by prefix.
pub async fn subjects_are_listed_by_prefix(harness: &dyn Harness) {
    let log = harness.open().await;
    for name in ["out.b.03", "in.00", "out.a.01", "outcome.a"] {
        append(&log, &subject(name), 0, vec![record(name, 1)]).await;
    }
    drop(log.changed(&subject("out.never")));
    let log = harness.restart(log).await;
    let names = |found: Vec<Subject>| found.iter().map(|s| s.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(log.subjects("out.").await.unwrap()), ["out.a.01", "out.b.03"]);
    assert_eq!(names(log.subjects("").await.unwrap()), ["in.00", "out.a.01", "out.b.03", "outcome.a"]);
    expect_records(&log, &subject("out.a.01"), &[record("out.a.01", 1)]).await;
}
