//! A snapshot as it travels, and what is checked of it when it arrives.

use std::collections::HashMap;

use barid_model::Revision;
use bytes::Bytes;
use prost::Message as _;

use crate::convert::{Invalid, Strict, copy, invalid, needed, revision};
use crate::proto::config::v1 as wire;

/// A numbered list of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Given once; larger than every one before it.
    pub number: u64,
    /// The hash of its parts' hashes: what calls name it by.
    pub id: Revision,
    /// Its parts, each known by the hash of its bytes.
    pub parts: Vec<Bytes>,
}

impl Published {
    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// Where it is none, or its parts are not those that its name stands for.
    pub fn decode(bytes: &Bytes) -> Result<Self, Invalid> {
        let wire = wire::Snapshot::decode(bytes.clone()).map_err(|_| invalid("snapshot"))?;
        from_wire(wire, &HashMap::new())
    }

    /// As bytes, all parts included.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        to_wire(self, |_| false).encode_to_vec().into()
    }

    /// The hashes of its parts, in their order.
    pub(super) fn hashes(&self) -> impl Iterator<Item = Revision> {
        self.parts.iter().map(|part| Revision::of(part))
    }
}

/// The snapshot with those parts that the other end does not hold.
pub(super) fn to_wire(snapshot: &Published, holds: impl Fn(&Revision) -> bool) -> wire::Snapshot {
    let hashes: Vec<Revision> = snapshot.hashes().collect();
    let new = hashes.iter().zip(&snapshot.parts).filter(|(hash, _)| !holds(hash));
    wire::Snapshot {
        number: snapshot.number,
        id: copy(snapshot.id.as_bytes()),
        order: hashes.iter().map(|hash| copy(hash.as_bytes())).collect(),
        parts: new.map(|(hash, part)| wire::Part { hash: copy(hash.as_bytes()), content: part.clone() }).collect(),
    }
}

/// The whole snapshot, from what travelled and what is held here.
pub(super) fn from_wire(wire: wire::Snapshot, held: &HashMap<Revision, Bytes>) -> Strict<Published> {
    let mut new = HashMap::new();
    for part in wire.parts {
        let hash = revision(&part.hash, "snapshot.parts.hash")?;
        if Revision::of(&part.content) != hash {
            return Err(invalid("snapshot.parts.content"));
        }
        new.insert(hash, part.content);
    }
    let part = |hash: &Bytes| {
        let hash = revision(hash, "snapshot.order")?;
        needed(new.get(&hash).or_else(|| held.get(&hash)).cloned(), "snapshot.parts")
    };
    let parts = wire.order.iter().map(part).collect::<Strict<Vec<Bytes>>>()?;
    let hashes: Vec<u8> = wire.order.iter().flatten().copied().collect();
    let id = revision(&wire.id, "snapshot.id")?;
    if Revision::of(&hashes) != id {
        return Err(invalid("snapshot.id"));
    }
    if wire.number == 0 {
        return Err(invalid("snapshot.number"));
    }
    Ok(Published { number: wire.number, id, parts })
}
