//! What is kept of a pass, for whom, and for how long.

use async_nats::HeaderMap;

use super::*;

const BUDGET: usize = 1000;

fn message(address: &str, sequence: u64, bytes: usize) -> Stored {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Subject", address);
    Stored { sequence, headers, payload: Bytes::from(vec![b'x'; bytes]) }
}

fn sequences(found: Found) -> Result<Vec<u64>, u64> {
    match found {
        Found::Blocks(blocks) => Ok(blocks.iter().map(|block| block.sequence).collect()),
        Found::From(from) => Err(from),
    }
}

#[test]
fn one_pass_serves_all_who_are_behind_and_tells_where_there_is_nothing() {
    let mut kept = Kept::default();
    for address in ["a", "b", "idle"] {
        kept.wants(address, 1);
    }
    kept.wants("late", 3);
    let stored: Vec<_> = [(1, "a"), (2, "b"), (3, "late"), (4, "a"), (5, "other")]
        .map(|(sequence, address)| message(address, sequence, 10))
        .into();
    assert_eq!(kept.keep(1, &stored, BUDGET), 40, "nobody asked for the other");
    assert_eq!(sequences(kept.find("a", 1, 10)), Ok(vec![1, 4]));
    assert_eq!(sequences(kept.find("a", 1, 1)), Ok(vec![1]));
    assert_eq!(sequences(kept.find("a", 2, 10)), Ok(vec![4]));
    assert_eq!(sequences(kept.find("b", 3, 10)), Err(6));
    assert_eq!(sequences(kept.find("idle", 1, 10)), Err(6));
    assert_eq!(sequences(kept.find("late", 3, 10)), Ok(vec![3]));
    assert_eq!(sequences(kept.find("late", 2, 10)), Err(2), "before what it asked for nothing was kept for it");
    assert_eq!(sequences(kept.find("other", 1, 10)), Err(1), "it must read for itself");
}

#[test]
fn a_slow_reader_loses_what_was_kept_for_it_and_holds_nobody_up() {
    let mut kept = Kept::default();
    kept.wants("slow", 1);
    for pass in 0..100u64 {
        let from = 1 + pass * 2;
        kept.wants("fast", from);
        kept.keep(from, &[message("slow", from, 300), message("fast", from + 1, 10)], BUDGET);
        assert!(kept.bytes <= BUDGET && kept.windows.len() <= 4, "{} bytes", kept.bytes);
        assert_eq!(sequences(kept.find("fast", from, 10)), Ok(vec![from + 1]));
    }
    assert_eq!(sequences(kept.find("slow", 1, 10)), Err(1), "it reads for itself");
}

#[test]
fn what_all_have_read_is_dropped() {
    let mut kept = Kept::default();
    kept.wants("a", 1);
    kept.keep(1, &[message("a", 1, 100)], BUDGET);
    kept.wants("a", 2);
    kept.keep(2, &[message("a", 2, 100)], BUDGET);
    assert_eq!((kept.windows.len(), kept.bytes), (1, 100));
    kept.forget("a");
    assert_eq!((kept.windows.len(), kept.bytes), (0, 0));
}
