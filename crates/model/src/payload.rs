//! Message bytes that do not show themselves.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use crate::id::Digest;

/// The bytes of a message. `Debug` shows length and the start of the digest only, so that no log line or error text
/// can carry patient data by mistake; whoever needs the bytes dereferences on purpose.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Payload(Bytes);

impl Payload {
    /// Wraps bytes without copying them.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The bytes, shared.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// SHA-256 of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl Deref for Payload {
    type Target = Bytes;
    fn deref(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} B, sha256 {:.8})", self.0.len(), self.digest().to_string())
    }
}
