//! What `scan` promises, by behaviour.

use std::convert::Infallible;

use proptest::prelude::*;

use super::scan;

fn simple(bytes: &[u8], field: u8) -> Vec<(usize, u8)> {
    let hits = bytes.iter().copied().enumerate();
    hits.filter(|(_, b)| *b == field || *b == b'\r' || *b == b'\n').collect()
}

proptest! {
    #[test]
    fn finds_what_a_byte_loop_finds(bytes in prop::collection::vec(
        prop_oneof![1 => Just(b'|'), 1 => Just(b'\r'), 1 => Just(b'\n'), 1 => Just(b'|' ^ 0x80), 8 => any::<u8>()], 0..400,
    )) {
        let mut found = Vec::new();
        let done: Result<(), Infallible> = scan(&bytes, b'|', |at, byte| { found.push((at, byte)); Ok(()) });
        prop_assert!(done.is_ok());
        prop_assert_eq!(found, simple(&bytes, b'|'));
    }
}

#[test]
fn stops_at_the_first_error() {
    let mut seen = 0;
    let done = scan(b"a|b|c|d", b'|', |at, _| {
        seen += 1;
        if at > 2 { Err(at) } else { Ok(()) }
    });
    assert_eq!((done, seen), (Err(3), 2));
}
