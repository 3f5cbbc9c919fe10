//! A block comes back as it was, and nothing else passes for it.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn reference(size: u64, last: u64) -> Piece {
    Piece::Object(Reference { id: [3; 16], size, digest: [5; 32], first: last - 1, last, chunks: 2 })
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let inline = proptest::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Piece::Inline(bytes.into()));
    let object = (1u64.., 1u64..1000).prop_map(|(size, last)| reference(size >> 8, last));
    proptest::collection::vec(prop_oneof![5 => inline, 1 => object], 0..20)
}

proptest! {
    #[test]
    fn a_block_comes_back_as_it_was(pieces in pieces(), first in 1u64..u64::MAX / 2, before in any::<u64>(), id in any::<[u8; 16]>()) {
        let mut header = Header { id, first, before, bytes_before: 7, objects_before: 9, ..Header::default() };
        let bytes = encode("barid.x.in.in.00", &mut header, &pieces);
        let block = decode("barid.x.in.in.00", 5, &bytes).unwrap();
        prop_assert_eq!(block.header, header);
        prop_assert_eq!(block.pieces, pieces);
        prop_assert_eq!(header.last(), first + u64::from(header.count) - 1);
    }

    #[test]
    fn a_changed_byte_is_noticed(pieces in pieces(), at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut header = Header { first: 1, ..Header::default() };
        let mut bytes = encode("a", &mut header, &pieces).to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(decode("a", 1, &Bytes::from(bytes)).is_err());
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode("a", 1, &Bytes::from(bytes)).is_err());
    }
}

#[test]
fn a_block_of_another_subject_does_not_verify() {
    let bytes = encode("a", &mut Header { first: 1, ..Header::default() }, &[Piece::Inline(Bytes::from_static(b"x"))]);
    assert_eq!(decode("b", 1, &bytes).unwrap_err(), Broken::Damaged);
}

#[test]
fn a_newer_block_is_refused_as_such() {
    let mut bytes = encode("a", &mut Header { first: 1, ..Header::default() }, &[]).to_vec();
    bytes[0] = 2;
    assert_eq!(decode("a", 1, &Bytes::from(bytes)).unwrap_err(), Broken::Newer);
}

#[test]
fn totals_count_large_payloads_by_their_own_size() {
    let mut header = Header { first: 4, bytes_before: 100, objects_before: 3, ..Header::default() };
    encode("a", &mut header, &[Piece::Inline(Bytes::from_static(b"12345")), reference(10_000_000, 20)]);
    assert_eq!((header.bytes_after, header.objects_after, header.last()), (10_000_105, 20, 5));
}
