//! Identities: of a message, a delivery, a revision, and the digest of bytes.

#[cfg(test)]
mod tests;

use std::fmt;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::clock::Timestamp;

/// A message's identity: a UUID version 7, made where it was received and never changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct MessageUid(Uuid);

impl MessageUid {
    /// A new identity for a message received at `received`; its other bits are random.
    #[must_use]
    pub fn new(received: Timestamp) -> Self {
        let micros = u64::try_from(received.micros()).unwrap_or(0);
        let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1_000;
        Self(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, micros / 1_000_000, nanos)))
    }

    /// An identity that follows from its parent's: the same every time a chained or split message is made again.
    #[must_use]
    pub fn derived(parent: Self, route: &str, part: u32) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(parent.0.as_bytes());
        hasher.update((route.len() as u64).to_be_bytes());
        hasher.update(route.as_bytes());
        hasher.update(part.to_be_bytes());
        let hash: [u8; 32] = hasher.finalize().into();
        let (time, _) = parent.0.as_bytes().split_at(6);
        let mut bytes = [0_u8; 16];
        for (to, from) in bytes.iter_mut().zip(time.iter().chain(hash.iter())) {
            *to = *from;
        }
        // Version and variant of a UUIDv7, so that derived identities sort by their parent's time.
        let (version, variant) = (bytes[6] & 0x0f | 0x70, bytes[8] & 0x3f | 0x80);
        bytes[6] = version;
        bytes[8] = variant;
        Self(Uuid::from_bytes(bytes))
    }

    /// From its 16 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Its 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Reads the usual text form.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl fmt::Display for MessageUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for MessageUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name([u8; $len]);

        impl $name {
            /// From its bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads lower-case hexadecimal.
            #[must_use]
            pub fn read(text: &str) -> Option<Self> {
                let mut bytes = [0_u8; $len];
                if text.len() != $len * 2 || !text.is_ascii() {
                    return None;
                }
                for (i, byte) in bytes.iter_mut().enumerate() {
                    *byte = u8::from_str_radix(text.get(i * 2..i * 2 + 2)?, 16).ok()?;
                }
                Some(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = String::with_capacity($len * 2);
                for byte in self.0 {
                    text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('?'));
                    text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('?'));
                }
                f.pad(&text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::read(&text).ok_or_else(|| serde::de::Error::custom("not a hexadecimal hash"))
            }
        }
    };
}

hash_type!(
    /// SHA-256 of the bytes as received.
    Digest, 32
);
hash_type!(
    /// The hash of a channel's closure: itself and all that it refers to.
    Revision, 16
);
hash_type!(
    /// The identity of a delivery: the hash of its message, route, part and run. Also the idempotency key sent with it.
    DeliveryId, 16
);

impl Digest {
    /// SHA-256 of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl Revision {
    /// The revision of a closure's canonical text.
    #[must_use]
    pub fn of(closure: &[u8]) -> Self {
        Self(first_half(Sha256::digest(closure).into()))
    }
}

impl DeliveryId {
    /// The identity of one piece for one route.
    #[must_use]
    pub fn of(uid: MessageUid, route: &str, part: u32, run: u32) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(uid.as_bytes());
        hasher.update((route.len() as u64).to_be_bytes());
        hasher.update(route.as_bytes());
        hasher.update(part.to_be_bytes());
        hasher.update(run.to_be_bytes());
        Self(first_half(hasher.finalize().into()))
    }
}

fn first_half(hash: [u8; 32]) -> [u8; 16] {
    let mut half = [0_u8; 16];
    half.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    half
}
