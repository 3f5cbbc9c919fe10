//! Rules of appending: durability, order, compare-and-set, limits.

use bytes::Bytes;

use super::{Harness, expect_records, record, subject};
use crate::{LogError, MAX_APPEND_BYTES, MAX_RECORD_BYTES, Position};

/// What a ticket has confirmed is there after a crash.
pub async fn a_ticket_ends_when_its_records_are_durable(harness: &dyn Harness) {
    let log = harness.open().await;
    let s = subject("in.03");
    let ticket = log.append(&s, Position::START, vec![record("a", 1), record("a", 2)]).await.unwrap();
    assert_eq!(ticket.await.unwrap(), Position(2));
    let log = harness.restart(log).await;
    expect_records(&log, &s, &[record("a", 1), record("a", 2)]).await;
    assert_eq!(*log.changed(&s).borrow(), Position(2));
}

/// The first record of a subject is 1, and there are no holes, also not over a restart.
pub async fn positions_are_dense_from_one(harness: &dyn Harness) {
    let mut log = harness.open().await;
    let s = subject("in.03");
    let mut records = Vec::new();
    for round in 0..3u64 {
        let ticket = log.append(&s, Position(round * 2), vec![record("d", round), record("e", round)]).await.unwrap();
        assert_eq!((ticket.first(), ticket.last()), (Position(round * 2 + 1), Position(round * 2 + 2)));
        ticket.await.unwrap();
        records.extend([record("d", round), record("e", round)]);
        log = harness.restart(log).await;
    }
    expect_records(&log, &s, &records).await;
}

/// An append that does not name the subject's last position is refused, and changes nothing.
pub async fn a_stale_writer_is_refused(harness: &dyn Harness) {
    let log = harness.open().await;
    let s = subject("out.default.registry.03");
    log.append(&s, Position::START, vec![record("a", 1), record("a", 2)]).await.unwrap().await.unwrap();
    for stale in [0, 1, 3] {
        let refused = log.append(&s, Position(stale), vec![record("b", 1)]).await;
        assert!(
            matches!(refused, Err(LogError::WrongLast { actual: Position(2), .. })),
            "append after {stale} must be refused"
        );
    }
    expect_records(&log, &s, &[record("a", 1), record("a", 2)]).await;
}

/// Appends queued one after another are stored in that order, all of them, without waiting for each other.
pub async fn pipelined_appends_keep_their_order(harness: &dyn Harness) {
    let log = harness.open().await;
    let s = subject("in.00");
    let mut tickets = Vec::new();
    let records: Vec<Bytes> = (1..=500).map(|n| record("p", n)).collect();
    for (n, record) in records.iter().enumerate() {
        tickets.push(log.append(&s, Position(n as u64), vec![record.clone()]).await.unwrap());
    }
    for (n, ticket) in tickets.into_iter().enumerate() {
        assert_eq!(ticket.await.unwrap(), Position(n as u64 + 1));
    }
    expect_records(&log, &s, &records).await;
    let log = harness.restart(log).await;
    expect_records(&log, &s, &records).await;
}

/// Each subject has its own positions and records.
pub async fn subjects_do_not_mix(harness: &dyn Harness) {
    let log = harness.open().await;
    let names = ["in.00", "in.01", "in.0", "routed.00", "park.default.registry", "in.000"];
    for n in 1..=20u64 {
        for name in names {
            log.append(&subject(name), Position(n - 1), vec![record(name, n)]).await.unwrap().await.unwrap();
        }
    }
    let log = harness.restart(log).await;
    for name in names {
        let records: Vec<_> = (1..=20).map(|n| record(name, n)).collect();
        expect_records(&log, &subject(name), &records).await;
    }
}

/// A caller that goes away after the append was queued takes nothing back.
pub async fn a_dropped_ticket_does_not_take_the_append_back(harness: &dyn Harness) {
    let log = harness.open().await;
    let s = subject("in.07");
    drop(log.append(&s, Position::START, vec![record("gone", 1)]).await.unwrap());
    log.append(&s, Position(1), vec![record("here", 2)]).await.unwrap().await.unwrap();
    expect_records(&log, &s, &[record("gone", 1), record("here", 2)]).await;
}

/// Records of every size up to the limit come back byte for byte.
pub async fn large_records_come_back_whole(harness: &dyn Harness) {
    let log = harness.open().await;
    let s = subject("in.01");
    let sizes = [1, 27, 4095, 4096, 65_537, 1 << 20, 10 << 20, MAX_RECORD_BYTES];
    let records: Vec<Bytes> = sizes.iter().map(|size| patterned(*size)).collect();
    for (n, record) in records.iter().enumerate() {
        log.append(&s, Position(n as u64), vec![record.clone()]).await.unwrap().await.unwrap();
    }
    expect_records(&log, &s, &records).await;
    let log = harness.restart(log).await;
    expect_records(&log, &s, &records).await;
}

fn patterned(size: usize) -> Bytes {
    (0..size).map(|n| (n.wrapping_mul(31) ^ (n >> 8)) as u8).collect::<Vec<u8>>().into()
}

/// Over a limit nothing is stored, and the writer goes on from where it was.
pub async fn what_is_too_large_is_refused(harness: &dyn Harness) {
    let log = harness.open().await;
    let s = subject("in.01");
    let one = log.append(&s, Position::START, vec![Bytes::from(vec![7; MAX_RECORD_BYTES + 1])]).await;
    assert!(matches!(one, Err(LogError::TooLarge { .. })));
    let half = Bytes::from(vec![7; MAX_APPEND_BYTES / 2 + 1]);
    let many = log.append(&s, Position::START, vec![half.clone(), half]).await;
    assert!(matches!(many, Err(LogError::TooLarge { .. })));
    log.append(&s, Position::START, vec![record("ok", 1)]).await.unwrap().await.unwrap();
    expect_records(&log, &s, &[record("ok", 1)]).await;
}

/// A batch is one append with one ticket, and its records are read one by one.
pub async fn many_records_in_one_append_are_one_ticket(harness: &dyn Harness) {
    let log = harness.open().await;
    let s = subject("out.default.archive.00");
    let records: Vec<Bytes> = (1..=3000).map(|n| record("m", n)).collect();
    let last = log.append(&s, Position::START, records.clone()).await.unwrap().await.unwrap();
    assert_eq!(last, Position(3000));
    expect_records(&log, &s, &records).await;
}

/// A record without bytes has its position like any other.
pub async fn an_empty_record_is_a_record(harness: &dyn Harness) {
    let log = harness.open().await;
    let s = subject("in.02");
    log.append(&s, Position::START, vec![Bytes::new(), record("x", 2)]).await.unwrap().await.unwrap();
    let log = harness.restart(log).await;
    expect_records(&log, &s, &[Bytes::new(), record("x", 2)]).await;
}

/// Incarnation, lane key, partitions and hash are those the log was made with.
pub async fn the_identity_stays(harness: &dyn Harness) {
    let log = harness.open().await;
    let before = log.identity().clone();
    assert!(before.partitions > 0 && !before.hash.is_empty());
    let log = harness.restart(log).await;
    assert!(*log.identity() == before);
}

/// An append without haste keeps its place in the order, and becomes durable though nothing else comes.
pub async fn what_nobody_waits_for_is_durable_by_itself_and_in_its_place(harness: &dyn Harness) {
    let log = harness.open().await;
    let s = subject("routed.03");
    let first = log.append_later(&s, Position::START, vec![record("a", 1)]).await.unwrap();
    let second = log.append(&s, Position(1), vec![record("a", 2)]).await.unwrap();
    let third = log.append_later(&s, Position(2), vec![record("a", 3)]).await.unwrap();
    assert_eq!(
        (first.await.unwrap(), second.await.unwrap(), third.await.unwrap()),
        (Position(1), Position(2), Position(3))
    );
    let stale = log.append_later(&s, Position(1), vec![record("b", 1)]).await;
    assert!(matches!(stale, Err(LogError::WrongLast { actual: Position(3), .. })));
    let log = harness.restart(log).await;
    expect_records(&log, &s, &[record("a", 1), record("a", 2), record("a", 3)]).await;
}
