//! The bytes of a segment.
//!
//! A segment is a header and then groups; a group is a header and then records; a group is what one write and one sync made durable. Integers are little
//! endian. Nothing is aligned: groups are serial, so only the last can be torn.
//!
//! Two checksums a record: one over its header and name, one over its body, which the first includes. A flipped bit in a body so costs this record alone,
//! and its subject and position are still known. Both start from a seed that is derived from the log's secret identity: whoever sends messages cannot put
//! bytes into one that would pass for a record or a group of ours when damage makes recovery search for the next one. A group's header names its segment and
//! offset too, so that stale bytes of another place never count.

use bytes::{Buf, BufMut};

use crate::Identity;

/// Version of the format; a newer one is refused.
pub(super) const VERSION: u32 = 1;
/// Bytes of a segment's header.
pub(super) const SEGMENT_HEADER: usize = 64;
/// Bytes of a group's header.
pub(super) const GROUP_HEADER: usize = 36;
/// Bytes of a record before its name and body.
pub(super) const RECORD_HEADER: usize = 28;
/// The id of records that belong to no subject (keys, tallies).
pub(super) const NO_SUBJECT: u32 = 0;

const SEGMENT_MAGIC: [u8; 8] = *b"BARIDLOG";
/// First bytes of a group.
pub(super) const GROUP_MAGIC: [u8; 4] = [0xBA, 0x1D, b'G', 0xF1];
/// First bytes of a record.
pub(super) const RECORD_MAGIC: [u8; 2] = [0xBA, 0x5D];

/// The seeded checksum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seal(u32);

impl Seal {
    /// The seal of a log.
    pub(super) fn of(identity: &Identity) -> Self {
        Self(crc32c::crc32c_append(crc32c::crc32c(&identity.incarnation), &identity.lane_key))
    }

    /// Checksum of bytes.
    pub(super) fn sum(self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(self.0, bytes)
    }
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A record of a subject.
    Data = 1,
    /// Gives a subject's id its name; precedes the id's first use in a segment.
    Define = 2,
    /// A key's value; the position is its revision.
    Put = 3,
    /// A key's end.
    Delete = 4,
    /// Last of a group: the last position of each subject in it, so that damage to the end of a subject is noticed.
    Tally = 5,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Data, Self::Define, Self::Put, Self::Delete, Self::Tally].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// A record's header, verified; whether its body is whole is another question.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordHeader {
    pub(super) kind: Kind,
    pub(super) id: u32,
    pub(super) position: u64,
    name: usize,
    body: usize,
    body_sum: u32,
}

impl RecordHeader {
    /// Bytes of the whole record.
    pub(super) fn total(&self) -> usize {
        RECORD_HEADER + self.name + self.body
    }

    /// Where its body begins.
    pub(super) fn body_start(&self) -> usize {
        RECORD_HEADER + self.name
    }

    /// Bytes of the body.
    pub(super) fn body_len(&self) -> usize {
        self.body
    }

    /// The name within the record's bytes.
    pub(super) fn name_of<'a>(&self, record: &'a [u8]) -> Option<&'a str> {
        std::str::from_utf8(record.get(RECORD_HEADER..RECORD_HEADER + self.name)?).ok()
    }

    /// The body within the record's bytes, if it is whole.
    pub(super) fn body_of<'a>(&self, seal: Seal, record: &'a [u8]) -> Option<&'a [u8]> {
        let body = record.get(self.body_start()..self.total())?;
        (seal.sum(body) == self.body_sum).then_some(body)
    }

    /// Reads and verifies a header at the start of `bytes`.
    pub(super) fn read(seal: Seal, bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(&RECORD_MAGIC) {
            return None;
        }
        let (covered, mut rest) = bytes.get(..RECORD_HEADER)?.split_at_checked(RECORD_HEADER - 4)?;
        let sum = rest.try_get_u32_le().ok()?;
        let mut fields = covered.get(2..)?;
        let kind = fields.try_get_u8().ok()?;
        let name = usize::from(fields.try_get_u8().ok()?);
        let body = fields.try_get_u32_le().ok()? as usize;
        let id = fields.try_get_u32_le().ok()?;
        let position = fields.try_get_u64_le().ok()?;
        let body_sum = fields.try_get_u32_le().ok()?;
        let named = bytes.get(RECORD_HEADER..RECORD_HEADER + name)?;
        if crc32c::crc32c_append(seal.sum(covered), named) != sum {
            return None;
        }
        Some(Self { kind: Kind::from_byte(kind)?, id, position, name, body, body_sum })
    }
}

/// Appends a record to a buffer and returns its size. The caller has checked the limits of name (255) and body.
pub(super) fn put_record(
    out: &mut Vec<u8>,
    seal: Seal,
    kind: Kind,
    id: u32,
    position: u64,
    name: &str,
    body: &[u8],
) -> u32 {
    let start = out.len();
    out.put_slice(&RECORD_MAGIC);
    out.put_u8(kind as u8);
    out.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.put_u32_le(u32::try_from(body.len()).unwrap_or(u32::MAX));
    out.put_u32_le(id);
    out.put_u64_le(position);
    out.put_u32_le(seal.sum(body));
    let covered = out.get(start..).unwrap_or_default();
    let sum = crc32c::crc32c_append(seal.sum(covered), name.as_bytes());
    out.put_u32_le(sum);
    out.put_slice(name.as_bytes());
    out.put_slice(body);
    u32::try_from(out.len() - start).unwrap_or(u32::MAX)
}

/// A group's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GroupHeader {
    /// Bytes after the header.
    pub(super) len: u32,
    /// Records, defines and tally included.
    pub(super) count: u32,
    /// Grows by one with every group of the log.
    pub(super) sequence: u64,
}

impl GroupHeader {
    /// Writes it into the first bytes of `group`.
    pub(super) fn write(&self, seal: Seal, segment: u64, offset: u64, group: &mut [u8]) {
        let mut fields = Vec::with_capacity(GROUP_HEADER);
        fields.put_slice(&GROUP_MAGIC);
        fields.put_u32_le(self.len);
        fields.put_u32_le(self.count);
        fields.put_u64_le(self.sequence);
        fields.put_u64_le(segment);
        fields.put_u32_le(u32::try_from(offset).unwrap_or(u32::MAX));
        let sum = seal.sum(&fields);
        fields.put_u32_le(sum);
        if let Some(target) = group.get_mut(..fields.len()) {
            target.copy_from_slice(&fields);
        }
    }

    /// Reads and verifies a header that stands at `offset` of `segment`.
    pub(super) fn read(seal: Seal, segment: u64, offset: u64, bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(&GROUP_MAGIC) {
            return None;
        }
        let (covered, mut rest) = bytes.get(..GROUP_HEADER)?.split_at_checked(GROUP_HEADER - 4)?;
        if seal.sum(covered) != rest.try_get_u32_le().ok()? {
            return None;
        }
        let mut fields = covered.get(4..)?;
        let len = fields.try_get_u32_le().ok()?;
        let count = fields.try_get_u32_le().ok()?;
        let sequence = fields.try_get_u64_le().ok()?;
        let here = fields.try_get_u64_le().ok()? == segment && u64::from(fields.try_get_u32_le().ok()?) == offset;
        here.then_some(Self { len, count, sequence })
    }
}

/// A segment's header: what must be known even if older segments are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// Its number; segments are in the order of their numbers.
    pub(super) segment: u64,
    /// How often it was rewritten by compaction.
    pub(super) generation: u32,
    /// Sequence of its first group. A group of an earlier segment that is not below it is a copy left by an interrupted recovery.
    pub(super) base_sequence: u64,
    /// Highest revision given before it.
    pub(super) revision: u64,
    /// Lowest subject id not given before it.
    pub(super) next_id: u32,
}

impl SegmentHeader {
    /// Its bytes.
    pub(super) fn to_bytes(self, seal: Seal, incarnation: &[u8; 16]) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_HEADER);
        out.put_slice(&SEGMENT_MAGIC);
        out.put_u32_le(VERSION);
        out.put_u64_le(self.segment);
        out.put_u32_le(self.generation);
        out.put_u64_le(self.base_sequence);
        out.put_u64_le(self.revision);
        out.put_u32_le(self.next_id);
        out.put_slice(incarnation);
        let sum = seal.sum(&out);
        out.put_u32_le(sum);
        out
    }

    /// Reads and verifies it.
    pub(super) fn read(seal: Seal, bytes: &[u8]) -> Option<Self> {
        let (covered, mut rest) = bytes.get(..SEGMENT_HEADER)?.split_at_checked(SEGMENT_HEADER - 4)?;
        let mut fields = covered.strip_prefix(&SEGMENT_MAGIC)?;
        if seal.sum(covered) != rest.try_get_u32_le().ok()? || fields.try_get_u32_le().ok()? != VERSION {
            return None;
        }
        Some(Self {
            segment: fields.try_get_u64_le().ok()?,
            generation: fields.try_get_u32_le().ok()?,
            base_sequence: fields.try_get_u64_le().ok()?,
            revision: fields.try_get_u64_le().ok()?,
            next_id: fields.try_get_u32_le().ok()?,
        })
    }
}
