//! A block: what one JetStream message holds.
//!
//! All records that wait for the same subject travel together, so that one replicated fsync serves them all. Positions are dense within a subject, whatever
//! the stream's sequence does, so a block says where its first record stands. It also says what a reader or trimmer would otherwise have to add up from the
//! beginning of time: bytes so far, and the large payloads that blocks so far refer to. A block without records takes a place in the subject and nothing else:
//! it displaces a block whose publication is in doubt.
//!
//! A header of 80 bytes, a table with the length of each record, the records. All numbers are little-endian. The checksum is over everything, seeded by the
//! subject, so that a block cannot pass for one of another subject.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::object::Reference;

/// Version of the format; a reader refuses newer ones.
const VERSION: u8 = 1;
/// Bytes of the header.
const HEADER: usize = 80;
/// Set in the table where a record is a reference to a large payload.
const REFERENCE: u32 = 1 << 31;
/// NATS header with the subject's last position after this block, for those who only listen.
pub(crate) const LAST_HEADER: &str = "Barid-Last";

/// What a block says about itself and all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Header {
    /// Which block this is: random, so that its writer recognises it.
    pub(crate) id: [u8; 16],
    /// Number of records; 0 displaces.
    pub(crate) count: u32,
    /// Position of the first record, or where it would be.
    pub(crate) first: u64,
    /// Stream sequence of the newest block before this one that has records; 0 if there is none.
    pub(crate) before: u64,
    /// Bytes of all records of the subject before this block.
    pub(crate) bytes_before: u64,
    /// The same with this block.
    pub(crate) bytes_after: u64,
    /// Highest sequence, in the stream of large payloads, that a block before this one refers to.
    pub(crate) objects_before: u64,
    /// The same with this block.
    pub(crate) objects_after: u64,
}

impl Header {
    /// Position of the last record; one less than `first` if there is none.
    pub(crate) fn last(&self) -> u64 {
        (self.first + u64::from(self.count)).saturating_sub(1)
    }
}

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The record.
    Inline(Bytes),
    /// Where it is.
    Object(Reference),
}

impl Piece {
    /// Bytes of the record itself.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Object(reference) => reference.size,
        }
    }

    /// Bytes it takes in a block.
    pub(crate) fn stored(&self) -> usize {
        4 + match self {
            Self::Inline(bytes) => bytes.len(),
            Self::Object(_) => Reference::BYTES,
        }
    }
}

/// A block that was read and verified.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) header: Header,
    /// Where the block is in its stream.
    pub(crate) sequence: u64,
    pub(crate) pieces: Vec<Piece>,
}

/// Why bytes are no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("written by a newer version")]
    Newer,
    #[error("does not verify")]
    Damaged,
}

/// The bytes of a block. `header.count` and what follows from the records are set here.
pub(crate) fn encode(address: &str, header: &mut Header, pieces: &[Piece]) -> Bytes {
    header.count = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
    header.bytes_after = header.bytes_before + pieces.iter().map(Piece::size).sum::<u64>();
    let objects = pieces.iter().filter_map(|piece| match piece {
        Piece::Object(reference) => Some(reference.last),
        Piece::Inline(_) => None,
    });
    header.objects_after = objects.fold(header.objects_before, u64::max);
    let mut out = BytesMut::with_capacity(HEADER + pieces.iter().map(Piece::stored).sum::<usize>());
    out.put_u8(VERSION);
    out.put_bytes(0, 3);
    out.put_u32_le(header.count);
    out.put_slice(&header.id);
    for number in [header.first, header.before, header.bytes_before, header.bytes_after] {
        out.put_u64_le(number);
    }
    out.put_u64_le(header.objects_before);
    out.put_u64_le(header.objects_after);
    out.put_bytes(0, HEADER - 4 - out.len());
    out.put_u32_le(0);
    for piece in pieces {
        match piece {
            Piece::Inline(bytes) => out.put_u32_le(u32::try_from(bytes.len()).unwrap_or(u32::MAX)),
            Piece::Object(_) => out.put_u32_le(REFERENCE | Reference::BYTES as u32),
        }
    }
    for piece in pieces {
        match piece {
            Piece::Inline(bytes) => out.put_slice(bytes),
            Piece::Object(reference) => reference.write(&mut out),
        }
    }
    let checksum = checksum(address, &out);
    if let Some(place) = out.get_mut(HEADER - 4..HEADER) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
    out.freeze()
}

/// Over everything but the checksum's own place.
fn checksum(address: &str, bytes: &[u8]) -> u32 {
    let seed = crc32c::crc32c(address.as_bytes());
    let head = crc32c::crc32c_append(seed, bytes.get(..HEADER - 4).unwrap_or_default());
    crc32c::crc32c_append(head, bytes.get(HEADER..).unwrap_or_default())
}

/// Reads and verifies a block.
pub(crate) fn decode(address: &str, sequence: u64, bytes: &Bytes) -> Result<Block, Broken> {
    let mut head = bytes.get(..HEADER).ok_or(Broken::Damaged)?;
    match head.first() {
        Some(&VERSION) => {}
        Some(&newer) if newer > VERSION => return Err(Broken::Newer),
        _ => return Err(Broken::Damaged),
    }
    head.advance(4);
    let count = head.get_u32_le();
    let mut id = [0; 16];
    head.copy_to_slice(&mut id);
    let mut numbers = [0; 6];
    for number in &mut numbers {
        *number = head.get_u64_le();
    }
    let [first, before, bytes_before, bytes_after, objects_before, objects_after] = numbers;
    let stored = bytes.get(HEADER - 4..HEADER).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
    if stored != Some(checksum(address, bytes)) {
        return Err(Broken::Damaged);
    }
    let header = Header { id, count, first, before, bytes_before, bytes_after, objects_before, objects_after };
    let table_end = HEADER + 4 * count as usize;
    let mut table = bytes.get(HEADER..table_end).ok_or(Broken::Damaged)?;
    let mut at = table_end;
    let mut pieces = Vec::with_capacity(count as usize);
    while table.has_remaining() {
        let entry = table.get_u32_le();
        let end = at + (entry & !REFERENCE) as usize;
        if end > bytes.len() {
            return Err(Broken::Damaged);
        }
        let body = bytes.slice(at..end);
        pieces.push(if entry & REFERENCE == 0 {
            Piece::Inline(body)
        } else {
            Piece::Object(Reference::read(&body).ok_or(Broken::Damaged)?)
        });
        at = end;
    }
    Ok(Block { header, sequence, pieces })
}

#[cfg(test)]
mod tests;
