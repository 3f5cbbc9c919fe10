use bytes::Bytes;

use super::*;
use crate::block::{Header, Piece};

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

fn block(sequence: u64, first: u64, records: usize, size: usize) -> Block {
    let pieces = vec![Piece::Inline(Bytes::from(vec![0; size])); records];
    let header = Header { first, count: u32::try_from(records).unwrap(), ..Header::default() };
    Block { header, sequence, pieces }
}

fn found(heard: &Heard, subject: &Subject, position: u64, records: usize) -> Vec<u64> {
    let limit = ReadLimit { records, ..ReadLimit::default() };
    heard.from(subject, position, limit).iter().map(|block| block.sequence).collect()
}

#[test]
fn a_reader_finds_its_position_and_what_follows_without_a_gap() {
    let (mut heard, subject) = (Heard::default(), subject("in.00"));
    for (sequence, first) in [(10, 1), (12, 4), (15, 7), (21, 13)] {
        heard.keep(&subject, block(sequence, first, 3, 10));
    }
    assert_eq!(found(&heard, &subject, 1, 100), [10, 12, 15], "what is missing before the last is not read over");
    assert_eq!(found(&heard, &subject, 5, 100), [12, 15], "also from the middle of a block");
    assert_eq!(found(&heard, &subject, 5, 3), [12], "not more than is asked for");
    assert!(found(&heard, &subject, 10, 100).is_empty(), "nothing stands in for what was not heard");
    assert_eq!(found(&heard, &subject, 14, 100), [21]);
    assert!(found(&heard, &self::subject("in.01"), 1, 100).is_empty());
}

#[test]
fn what_is_heard_again_and_what_is_empty_is_not_kept() {
    let (mut heard, subject) = (Heard::default(), subject("in.00"));
    heard.keep(&subject, block(10, 1, 3, 10));
    heard.keep(&subject, block(11, 4, 0, 0));
    heard.keep(&subject, block(12, 4, 1, 10));
    heard.keep(&subject, block(10, 1, 3, 10));
    assert_eq!(found(&heard, &subject, 1, 100), [10, 12]);
}

#[test]
fn the_oldest_of_all_subjects_goes_where_there_is_too_much() {
    let mut heard = Heard::default();
    let (quiet, busy) = (subject("in.00"), subject("in.01"));
    heard.keep(&quiet, block(1, 1, 1, 100));
    for n in 0..100 {
        heard.keep(&busy, block(2 + n, 1 + n, 1, 256 << 10));
    }
    assert!(found(&heard, &quiet, 1, 1).is_empty());
    assert!(heard.bytes <= MOST_BYTES);
    assert_eq!(found(&heard, &busy, 100, 10), [101]);
    assert_eq!(heard.order.len(), heard.of.values().map(VecDeque::len).sum::<usize>());
}
