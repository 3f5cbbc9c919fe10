//! Large payloads: kept apart, in chunks, while the log carries a reference and a digest.
//!
//! A message of 10 MB would hold up every other block of its server's disk queue and of its connection. So a record over 512 kB goes to a stream of its own
//! first, in chunks, and its block carries where it is, how long it is, and its SHA-256. This is NATS' object store in all but its index of names: nothing is
//! looked up by name here, and that index keeps a message for every object ever deleted. Each chunk has an address that begins with its subject, so that a
//! user of the servers can be limited to the payloads of the subjects it may read.
//!
//! Removal follows the trims. A subject has one writer, which stores a payload before it appends the reference; so by sequence in this stream, everything of a
//! subject up to the last payload that a trimmed block refers to is trimmed too, and what a refused or broken append left behind goes with it. What is left
//! behind that, `orphans` finds.

use std::time::Duration;

use barid_log::{LogError, Subject};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use crate::link::{Link, Published, Stored, random_id};
use crate::name::Names;

/// A record longer than this is stored apart, in bytes.
pub(crate) const INLINE_BYTES: usize = 512 << 10;
/// Bytes of a chunk.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks on their way at once: 1 MiB, enough to keep a disk busy without filling the servers' queues.
const CHUNKS_AT_ONCE: usize = 4;
/// How often one chunk is sent before the append fails: a chunk stored twice does no harm.
const ATTEMPTS: usize = 5;
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(4);
/// Time before the next attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// What a block carries instead of a large record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) id: [u8; 16],
    /// Bytes of the record.
    pub(crate) size: u64,
    /// SHA-256 of the record.
    pub(crate) digest: [u8; 32],
    /// Sequence of its first chunk.
    pub(crate) first: u64,
    /// Sequence of its last chunk.
    pub(crate) last: u64,
    /// Number of chunks.
    pub(crate) chunks: u32,
}

impl Reference {
    /// Bytes it takes in a block.
    pub(crate) const BYTES: usize = 16 + 8 + 32 + 8 + 8 + 4;

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_slice(&self.id);
        out.put_u64_le(self.size);
        out.put_slice(&self.digest);
        out.put_u64_le(self.first);
        out.put_u64_le(self.last);
        out.put_u32_le(self.chunks);
    }

    pub(crate) fn read(mut bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::BYTES {
            return None;
        }
        let (mut id, mut digest) = ([0; 16], [0; 32]);
        bytes.copy_to_slice(&mut id);
        let size = bytes.get_u64_le();
        bytes.copy_to_slice(&mut digest);
        let (first, last) = (bytes.get_u64_le(), bytes.get_u64_le());
        Some(Self { id, size, digest, first, last, chunks: bytes.get_u32_le() })
    }
}

fn name(id: &[u8; 16]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Stores a record apart.
pub(crate) async fn store(
    link: &Link,
    names: &Names,
    subject: &Subject,
    record: &Bytes,
) -> Result<Reference, LogError> {
    let id = random_id();
    let id_name = name(&id);
    let count = record.len().div_ceil(CHUNK_BYTES);
    let sent = stream::iter(0..count).map(|index| {
        let from = index * CHUNK_BYTES;
        let body = record.slice(from..record.len().min(from + CHUNK_BYTES));
        let mut chunk = BytesMut::with_capacity(4 + body.len());
        chunk.put_u32_le(u32::try_from(index).unwrap_or(u32::MAX));
        chunk.put_slice(&body);
        store_chunk(link, subject, names.chunk(subject, &id_name, index), chunk.freeze())
    });
    let places: Vec<u64> = sent.buffered(CHUNKS_AT_ONCE).try_collect().await?;
    Ok(Reference {
        id,
        size: record.len() as u64,
        digest: Sha256::digest(record).into(),
        first: places.iter().copied().min().unwrap_or(0),
        last: places.iter().copied().max().unwrap_or(0),
        chunks: u32::try_from(count).unwrap_or(u32::MAX),
    })
}

async fn store_chunk(link: &Link, subject: &Subject, address: String, chunk: Bytes) -> Result<u64, LogError> {
    let mut last = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        match link.publish(&address, None, &[], chunk.clone(), ATTEMPT).await {
            Published::Stored(sequence) => return Ok(sequence),
            Published::Full => return Err(LogError::NoSpace(subject.purpose())),
            Published::Refused(why) => return Err(LogError::Storage(why.into())),
            Published::Stale => last = "refused".into(),
            Published::Nobody => last = "the stream has no leader".into(),
            Published::Unclear(why) => last = why,
        }
    }
    Err(LogError::Busy(format!("storing a large record: {last}").into()))
}

/// Reads a record that was stored apart; none if what is there is not it.
pub(crate) async fn load(
    link: &Link,
    names: &Names,
    subject: &Subject,
    reference: &Reference,
) -> Result<Option<Bytes>, LogError> {
    let (id, stream) = (name(&reference.id), names.objects());
    let load = |index| {
        let address = names.chunk(subject, &id, index);
        let stream = stream.as_str();
        async move { link.newest(stream, &address).await }
    };
    let chunks = stream::iter(0..reference.chunks as usize).map(load).buffered(CHUNKS_AT_ONCE);
    let chunks: Vec<Option<Stored>> = chunks.try_collect().await?;
    let mut record =
        BytesMut::with_capacity(usize::try_from(reference.size).unwrap_or(0).min(barid_log::MAX_RECORD_BYTES));
    for chunk in chunks {
        let Some(chunk) = chunk else { return Ok(None) };
        record.put_slice(chunk.payload.get(4..).unwrap_or_default());
    }
    let right = record.len() as u64 == reference.size && Sha256::digest(&record)[..] == reference.digest;
    Ok(right.then(|| record.freeze()))
}

/// Removes everything of a subject up to this sequence.
pub(crate) async fn remove(link: &Link, names: &Names, subject: &Subject, to: u64) -> Result<(), LogError> {
    link.purge(&names.objects(), &names.objects_of(subject), to.saturating_add(1)).await
}
