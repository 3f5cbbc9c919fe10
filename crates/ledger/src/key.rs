//! The numbers by which a message is found: a plain 64-bit hash of a key's name and value.
//!
//! What is found is compared with what is stored before it is shown, so two values with one hash cost time and nothing
//! else. Sensitive values were replaced by keyed hashes long before they come here.

use barid_model::{DeliveryId, MessageUid};

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// FNV-1a, because it is the same for ever and short; the bits are mixed once more at the end.
fn hash(parts: [&[u8]; 2]) -> i64 {
    let mut state = OFFSET;
    for part in parts {
        for byte in part.iter().chain(&[0xff]) {
            state = (state ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }
    state ^= state >> 32;
    state = state.wrapping_mul(0xd6e8_feb8_6659_fd93);
    i64::from_be_bytes((state ^ (state >> 32)).to_be_bytes())
}

/// A search key of the message (`patient`, or what the channel's `index` names).
pub fn search(name: &str, value: &str) -> i64 {
    hash([name.as_bytes(), value.as_bytes()])
}

/// MSH-10.
pub fn control_id(value: &[u8]) -> i64 {
    hash([b"\x01controlId", value])
}

/// The message it was made from.
pub fn parent(uid: MessageUid) -> i64 {
    hash([b"\x01parent", uid.as_bytes()])
}

/// The message it repeats.
pub fn duplicate_of(uid: MessageUid) -> i64 {
    hash([b"\x01duplicateOf", uid.as_bytes()])
}

/// One of its deliveries.
pub fn delivery(id: DeliveryId) -> i64 {
    hash([b"\x01delivery", id.as_bytes()])
}
