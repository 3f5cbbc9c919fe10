//! A snapshot as it travels: parts by hash, so that only what is new has to be sent, and a hash of all for its name.
//!
//! The parts are the good documents, the closures of the channels that run, and the channels that have no good version, as
//! they are written: those claim messages that nobody else may take. Closures come along although they could be compiled
//! from the documents again, because a replica of another release must run the very revisions that messages are stamped
//! with, and not what it would make of the documents itself.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_model::{ErrorClass, Name, Revision};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::compile::{ClosureError, Decided, compile_given};
use crate::snapshot::{Channel, Snapshot, Stored};

/// The form of packed snapshots that this Barid writes.
const FORMAT: u32 = 1;

/// A snapshot in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Its number.
    pub number: u64,
    /// The hash of its parts' hashes, in their order.
    pub id: Revision,
    /// Each is known by the hash of its bytes ([`Revision::of`]); the first one says what the others are.
    pub parts: Vec<Bytes>,
}

/// Packed parts are no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// A part cannot be read.
    #[error("a part of the snapshot cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It was packed by a newer Barid.
    #[error("snapshot format {0} is newer than this Barid reads ({FORMAT})")]
    Format(u32),
    /// A part is not there.
    #[error("the snapshot lacks part {0}")]
    Missing(Revision),
    /// A revision does not compile here.
    #[error(transparent)]
    Closure(#[from] ClosureError),
}

impl UnpackError {
    /// The same parts fail again.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Rejected
    }
}

/// What the parts are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Manifest {
    format: u32,
    documents: Vec<Revision>,
    channels: BTreeMap<Name, Revision>,
    claims: BTreeMap<Name, Claim>,
}

/// A channel without any good version.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Claim {
    why: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    document: Option<Revision>,
}

impl Packed {
    /// Parts under a number, in their order.
    #[must_use]
    pub fn of(number: u64, parts: Vec<Bytes>) -> Self {
        let hashes: Vec<u8> = parts.iter().flat_map(|part| *Revision::of(part).as_bytes()).collect();
        Self { number, id: Revision::of(&hashes), parts }
    }
}

impl Snapshot {
    /// Its parts.
    #[must_use]
    pub fn pack(&self) -> Packed {
        let mut parts = vec![Bytes::new()];
        let mut put = |part: Bytes| {
            let hash = Revision::of(&part);
            parts.push(part);
            hash
        };
        let text = |kept| serde_json::to_vec(&Stored::of(kept)).map(Bytes::from).unwrap_or_default();
        let documents = self.documents.values().map(|kept| put(text(kept))).collect();
        let channel = |channel: &Arc<Channel>| (channel.name.clone(), put(channel.closure.clone()));
        let channels = self.channels.values().map(channel).collect();
        let claim = |(name, why): (&Name, &String)| {
            let document = self.claims.get(name).map(|kept| put(text(kept)));
            (name.clone(), Claim { why: why.clone(), document })
        };
        let claims = self.invalid.iter().map(claim).collect();
        let manifest = Manifest { format: FORMAT, documents, channels, claims };
        if let Some(first) = parts.first_mut() {
            *first = serde_json::to_vec(&manifest).map(Bytes::from).unwrap_or_default();
        }
        Packed::of(self.number, parts)
    }

    /// A snapshot from its parts: with the same number, the same revisions and the same rules as where it was packed.
    ///
    /// # Errors
    /// [`UnpackError`].
    pub fn unpack(packed: &Packed) -> Result<Arc<Self>, UnpackError> {
        #[derive(Deserialize)]
        struct Outline {
            format: u32,
        }
        let parts: BTreeMap<Revision, &Bytes> = packed.parts.iter().map(|part| (Revision::of(part), part)).collect();
        let part = |hash: &Revision| parts.get(hash).copied().ok_or(UnpackError::Missing(*hash));
        let first = packed.parts.first().map(|part| &**part).unwrap_or_default();
        let Outline { format } = serde_json::from_slice(first)?;
        if format > FORMAT {
            return Err(UnpackError::Format(format));
        }
        let manifest: Manifest = serde_json::from_slice(first)?;
        let claimed = manifest.claims.values().filter_map(|claim| claim.document.as_ref());
        let mut given = Vec::new();
        for hash in manifest.documents.iter().chain(claimed) {
            given.push(serde_json::from_slice::<Stored>(part(hash)?)?.given());
        }
        let mut channels = BTreeMap::new();
        for (name, revision) in manifest.channels {
            channels.insert(name, Arc::new(Channel::from_closure(part(&revision)?)?));
        }
        let invalid = manifest.claims.into_iter().map(|(name, claim)| (name, claim.why)).collect();
        let decided = Decided { number: packed.number, identity: packed.id, channels, invalid };
        Ok(compile_given(given, Some(decided)).snapshot)
    }
}
