//! Lanes: what must stay in order; and partitions: where all lanes of a facility meet.
//!
//! A lane is a keyed hash, so that neither the log nor a metric can name a patient; the key is made with the log. A
//! partition is a plain hash of the facility, the same on every machine, because the log's subjects depend on it.

#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher24};

/// Most lanes a message may have; one with more is a barrier for its facility.
pub const LANES_MAX: usize = 16;

/// What a lane keeps in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaneKind {
    /// Everything of the facility.
    Facility,
    /// One patient's messages.
    Patient,
    /// Messages for which an expression gives the same value.
    Expression,
}

/// One lane.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(u64);

impl Lane {
    /// From its number, as recorded.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// Its number, to record.
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Reads the form `Display` writes.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The lanes of one message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Lanes {
    /// No order is asked for: it waits for nothing, not even a barrier, and nothing waits for it.
    #[default]
    None,
    /// It waits for all of these, and they for it; 1 to [`LANES_MAX`], sorted, no two alike.
    Of(Vec<Lane>),
    /// Everything of its facility before it goes first, everything after it waits.
    Barrier,
}

impl Lanes {
    /// The lanes of a message that names these; a barrier where they are more than [`LANES_MAX`].
    #[must_use]
    pub fn of(mut lanes: Vec<Lane>) -> Self {
        lanes.sort_unstable();
        lanes.dedup();
        match lanes.len() {
            0 => Self::None,
            1..=LANES_MAX => Self::Of(lanes),
            _ => Self::Barrier,
        }
    }

    /// The lanes as a slice; empty for none and for a barrier.
    #[must_use]
    pub fn as_slice(&self) -> &[Lane] {
        match self {
            Self::Of(lanes) => lanes,
            Self::None | Self::Barrier => &[],
        }
    }
}

/// Makes lanes and search keys from values, with the key of the log.
#[derive(Clone, Copy)]
pub struct LaneHasher {
    key: [u8; 16],
}

impl LaneHasher {
    /// With the key that was made with the log.
    #[must_use]
    pub const fn new(key: [u8; 16]) -> Self {
        Self { key }
    }

    /// The lane of a value within a facility.
    #[must_use]
    pub fn lane(&self, facility: &str, kind: LaneKind, value: &[u8]) -> Lane {
        let tag: &[u8] = match kind {
            LaneKind::Facility => b"facility",
            LaneKind::Patient => b"patient",
            LaneKind::Expression => b"expression",
        };
        let (high, _) = self.hash(&[tag, facility.as_bytes(), value]);
        Lane(high)
    }

    /// A keyed hash of a sensitive search value (patient id, visit), as recorded in the ledger.
    #[must_use]
    pub fn search_key(&self, name: &str, value: &[u8]) -> [u8; 16] {
        let (high, low) = self.hash(&[b"search", name.as_bytes(), value]);
        let mut bytes = [0_u8; 16];
        let joined = (u128::from(high) << 64) | u128::from(low);
        bytes.copy_from_slice(&joined.to_be_bytes());
        bytes
    }

    fn hash(&self, parts: &[&[u8]]) -> (u64, u64) {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        for part in parts {
            hasher.write_u64(part.len() as u64);
            hasher.write(part);
        }
        let hash = hasher.finish128();
        (hash.h1, hash.h2)
    }
}

impl fmt::Debug for LaneHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LaneHasher")
    }
}

/// One partition: a number below the count of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u16);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

/// How facilities are spread: fixed when the log is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partitions {
    count: u16,
}

impl Partitions {
    /// The name of the hash, kept in the log beside the count.
    pub const HASH: &'static str = "siphash13-zero-key/facility";
    /// The count of a log made by the one-process engine.
    pub const STANDALONE: Self = Self { count: 16 };

    /// A log's own count; 0 is taken as 1.
    #[must_use]
    pub const fn new(count: u16) -> Self {
        Self { count: if count == 0 { 1 } else { count } }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> u16 {
        self.count
    }

    /// All of them.
    pub fn all(self) -> impl Iterator<Item = Partition> {
        (0..self.count).map(Partition)
    }

    /// Where a facility's messages meet.
    #[must_use]
    pub fn of(self, facility: &str) -> Partition {
        let mut hasher = SipHasher13::new();
        hasher.write(facility.as_bytes());
        Partition(u16::try_from(hasher.finish() % u64::from(self.count)).unwrap_or(0))
    }
}
