//! The identity file: what is fixed when a log is made. Two copies, because every checksum of the log is seeded by it.

use std::io::{self, Read};

use bytes::{Buf, BufMut};

use super::format::VERSION;
use super::options::{OpenError, Options};
use super::storage::Storage;
use crate::Identity;

const MAGIC: [u8; 8] = *b"BARIDIDN";
const NAMES: [&str; 2] = ["identity", "identity.copy"];
/// Largest identity file read, in bytes: the fields and the name of a hash.
const MAX_BYTES: usize = 4096;

enum Stored {
    Whole(Identity),
    Newer(u32),
    No,
}

/// Reads the identity, checks it against the options, and makes it for a new log.
pub(super) fn load(storage: &dyn Storage, options: &Options) -> Result<Identity, OpenError> {
    let failed = |what, source| OpenError::Storage { place: storage.place(), what, source };
    let copies: Vec<Stored> = NAMES
        .iter()
        .map(|name| read(storage, name))
        .collect::<Result<_, _>>()
        .map_err(|e| failed("reading its identity", e))?;
    if let Some(Stored::Newer(found)) = copies.iter().find(|copy| matches!(copy, Stored::Newer(_))) {
        return Err(OpenError::Version { place: storage.place(), found: *found, known: VERSION });
    }
    let whole = copies.iter().all(|copy| matches!(copy, Stored::Whole(_)));
    let stored =
        copies.into_iter().find_map(|copy| if let Stored::Whole(identity) = copy { Some(identity) } else { None });
    let identity = match stored {
        Some(identity) => identity,
        None => {
            let names = storage.list().map_err(|e| failed("listing it", e))?;
            if names.iter().any(|name| name.ends_with(".seg")) {
                return Err(OpenError::NoIdentity(storage.place()));
            }
            make(options).map_err(|e| failed("drawing random bytes", e))?
        }
    };
    if identity.partitions != options.partitions || identity.hash != options.hash {
        return Err(OpenError::Partitions {
            place: storage.place(),
            stored: identity.partitions,
            stored_hash: identity.hash,
            asked: options.partitions,
            asked_hash: options.hash.clone(),
        });
    }
    if !whole {
        write(storage, &identity).map_err(|e| failed("writing its identity", e))?;
    }
    Ok(identity)
}

fn make(options: &Options) -> io::Result<Identity> {
    let mut random = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let mut identity = Identity {
        incarnation: [0; 16],
        lane_key: [0; 16],
        partitions: options.partitions,
        hash: options.hash.clone(),
    };
    let (incarnation, lane_key) = random.split_at(16);
    identity.incarnation.copy_from_slice(incarnation);
    identity.lane_key.copy_from_slice(lane_key);
    Ok(identity)
}

fn write(storage: &dyn Storage, identity: &Identity) -> io::Result<()> {
    let mut bytes = Vec::new();
    bytes.put_slice(&MAGIC);
    bytes.put_u32_le(VERSION);
    bytes.put_slice(&identity.incarnation);
    bytes.put_slice(&identity.lane_key);
    bytes.put_u32_le(identity.partitions);
    bytes.put_slice(identity.hash.as_bytes());
    let sum = crc32c::crc32c(&bytes);
    bytes.put_u32_le(sum);
    for name in NAMES {
        let temporary = format!("{name}.tmp");
        let file = storage.create(&temporary, 0)?;
        file.write_at(&bytes, 0)?;
        file.sync_data()?;
        storage.rename(&temporary, name)?;
    }
    storage.sync_dir()
}

fn read(storage: &dyn Storage, name: &str) -> io::Result<Stored> {
    let file = match storage.open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Stored::No),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; MAX_BYTES];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(parse(&bytes).unwrap_or(Stored::No))
}

fn parse(bytes: &[u8]) -> Option<Stored> {
    let (covered, mut sum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    let mut fields = covered.strip_prefix(&MAGIC)?;
    if crc32c::crc32c(covered) != sum.try_get_u32_le().ok()? {
        return None;
    }
    let version = fields.try_get_u32_le().ok()?;
    if version > VERSION {
        return Some(Stored::Newer(version));
    }
    let mut identity = Identity { incarnation: [0; 16], lane_key: [0; 16], partitions: 0, hash: String::new() };
    fields.try_copy_to_slice(&mut identity.incarnation).ok()?;
    fields.try_copy_to_slice(&mut identity.lane_key).ok()?;
    identity.partitions = fields.try_get_u32_le().ok()?;
    identity.hash = std::str::from_utf8(fields).ok()?.to_owned();
    Some(Stored::Whole(identity))
}
