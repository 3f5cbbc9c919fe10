//! What things are called in a store: keyed hashes, so that whoever reads the store learns no name and no identifier, and
//! two installations that share a store do not meet.

use std::fmt;
use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

/// A keyed hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label(pub [u8; 16]);

impl fmt::Display for Label {
    /// As 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Makes labels.
#[derive(Clone)]
pub struct Labels {
    key: [u8; 16],
    incarnation: [u8; 16],
}

impl Labels {
    /// With the secret key and the incarnation of the log: what was said of another log means nothing here.
    #[must_use]
    pub const fn new(key: [u8; 16], incarnation: [u8; 16]) -> Self {
        Self { key, incarnation }
    }

    /// The label of something of a kind, told by its parts.
    #[must_use]
    pub fn of(&self, kind: &str, parts: &[&[u8]]) -> Label {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(&self.incarnation);
        hasher.write(kind.as_bytes());
        for part in parts {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        Label(hasher.finish128().as_bytes())
    }
}
