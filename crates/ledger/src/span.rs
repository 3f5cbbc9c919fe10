//! Time as uids tell it: the first 48 bits are the milliseconds at which a message was received.

use barid_model::{MessageUid, Timestamp};

/// The lowest uid of a time's millisecond.
pub fn floor(time: Timestamp) -> [u8; 16] {
    let millis = u64::try_from(time.millis()).unwrap_or(0).min((1 << 48) - 1);
    (u128::from(millis) << 80).to_be_bytes()
}

/// The time in a uid, in whole milliseconds.
pub fn of(uid: MessageUid) -> Timestamp {
    let millis = u128::from_be_bytes(*uid.as_bytes()) >> 80;
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// Bounds on uids: at or above the first, below the second.
#[derive(Debug, Clone)]
pub struct Span {
    /// At or above.
    pub low: Vec<u8>,
    /// Below.
    pub high: Vec<u8>,
}

impl Span {
    /// From one time to another, to the millisecond.
    pub fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        let low = from.map_or_else(Vec::new, |time| floor(time).to_vec());
        // A part of a millisecond belongs to the range that ends in it.
        let to = to.map(|time| Timestamp::from_micros(time.micros().saturating_add(999)));
        Self { low, high: to.map_or_else(|| vec![0xff; 17], |time| floor(time).to_vec()) }
    }

    /// One uid alone.
    pub fn only(uid: MessageUid) -> Self {
        Self { low: uid.as_bytes().to_vec(), high: above(uid) }
    }

    /// The part of it that comes after a uid, in the order of a search.
    pub fn after(&mut self, uid: MessageUid, descending: bool) {
        if descending {
            self.high = std::mem::take(&mut self.high).min(uid.as_bytes().to_vec());
        } else {
            self.low = std::mem::take(&mut self.low).max(above(uid));
        }
    }
}

/// What comes right after a uid.
fn above(uid: MessageUid) -> Vec<u8> {
    uid.as_bytes().iter().copied().chain([0]).collect()
}

/// The uid before this one.
pub fn just_below(uid: [u8; 16]) -> MessageUid {
    MessageUid::from_bytes(u128::from_be_bytes(uid).saturating_sub(1).to_be_bytes())
}
