//! The index of a sealed segment, in a file beside it (`.idx`).
//!
//! It has two parts with a checksum each: a summary (names, ranges, newest keys), which a start reads of every segment, and the table of places, of which a
//! reader reads just the rows it needs. The rows need no check of their own then, because a record found by a wrong row does not carry the right subject and
//! position. A missing or damaged sidecar is made again by scanning its segment: it never holds what the segment does not.

use std::io;

use bytes::{Buf, BufMut};

use super::format::Seal;
use super::group::Place;
use super::places::{KeyRecord, Run, SegmentIndex};
use super::storage::File;
use crate::{Key, Subject};

const MAGIC: [u8; 8] = *b"BARIDIDX";
const VERSION: u32 = 1;
/// magic, version, segment, generation, bytes of summary and table, a checksum of each, and one of this header.
const HEADER: usize = 8 + 4 + 8 + 4 + 4 + 8 + 4 + 4 + 4;
/// Bytes of one row of the table.
const ROW: usize = 8;
/// Largest summary read, in bytes: a segment of nothing but keys with the longest names.
const MAX_SUMMARY: u32 = 256 << 20;

/// One subject in a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) id: u32,
    pub(super) name: Subject,
    pub(super) first: u64,
    pub(super) count: u32,
    pub(super) bytes: u64,
    /// Row of its first place.
    pub(super) row: u32,
}

/// What a start has to know of a sealed segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) ranges: Vec<Range>,
    pub(super) keys: Vec<(Key, KeyRecord)>,
    pub(super) puts: u32,
    pub(super) revision: u64,
    pub(super) sequence: u64,
    pub(super) end: u64,
}

impl Summary {
    /// The summary of an index. Ids without a name (its definitions were damaged) are left out; `names` is asked for those of other segments.
    pub(super) fn of(index: &SegmentIndex, names: impl Fn(u32) -> Option<Subject>) -> Self {
        let mut row = 0u32;
        let mut ranges = Vec::with_capacity(index.runs.len());
        for (id, run) in &index.runs {
            let count = u32::try_from(run.places.len()).unwrap_or(u32::MAX);
            if let Some(name) = index.names.get(id).cloned().or_else(|| names(*id)) {
                ranges.push(Range { id: *id, name, first: run.first, count, bytes: run.bytes, row });
            }
            row = row.saturating_add(count);
        }
        let mut keys: Vec<_> = index.keys.iter().map(|(key, record)| (key.clone(), record.clone())).collect();
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        Self { ranges, keys, puts: index.puts, revision: index.revision, sequence: index.sequence, end: index.end }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u32_le(self.puts);
        out.put_u64_le(self.revision);
        out.put_u64_le(self.sequence);
        out.put_u64_le(self.end);
        out.put_u32_le(u32::try_from(self.ranges.len()).unwrap_or(u32::MAX));
        for range in &self.ranges {
            out.put_u32_le(range.id);
            put_name(&mut out, range.name.as_str());
            out.put_u64_le(range.first);
            out.put_u32_le(range.count);
            out.put_u64_le(range.bytes);
            out.put_u32_le(range.row);
        }
        out.put_u32_le(u32::try_from(self.keys.len()).unwrap_or(u32::MAX));
        for (key, record) in &self.keys {
            put_name(&mut out, key.as_str());
            out.put_u64_le(record.revision);
            put_place(&mut out, record.place);
            out.put_u8(u8::from(record.deleted));
        }
        out
    }

    fn from_bytes(mut b: &[u8]) -> Option<Self> {
        let mut summary = Self {
            puts: b.try_get_u32_le().ok()?,
            revision: b.try_get_u64_le().ok()?,
            sequence: b.try_get_u64_le().ok()?,
            end: b.try_get_u64_le().ok()?,
            ..Self::default()
        };
        for _ in 0..b.try_get_u32_le().ok()? {
            summary.ranges.push(Range {
                id: b.try_get_u32_le().ok()?,
                name: Subject::stored(get_name(&mut b)?),
                first: b.try_get_u64_le().ok()?,
                count: b.try_get_u32_le().ok()?,
                bytes: b.try_get_u64_le().ok()?,
                row: b.try_get_u32_le().ok()?,
            });
        }
        for _ in 0..b.try_get_u32_le().ok()? {
            let key = Key::stored(get_name(&mut b)?);
            let revision = b.try_get_u64_le().ok()?;
            let place = get_place(&mut b)?;
            summary.keys.push((key, KeyRecord { revision, place, deleted: b.try_get_u8().ok()? != 0 }));
        }
        Some(summary)
    }
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    out.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.put_slice(name.as_bytes());
}

fn get_name<'a>(b: &mut &'a [u8]) -> Option<&'a str> {
    let len = usize::from(b.try_get_u8().ok()?);
    let (name, rest) = b.split_at_checked(len)?;
    *b = rest;
    std::str::from_utf8(name).ok()
}

fn put_place(out: &mut Vec<u8>, place: Place) {
    out.put_u32_le(place.offset);
    out.put_u32_le(place.len);
}

fn get_place(b: &mut &[u8]) -> Option<Place> {
    Some(Place { offset: b.try_get_u32_le().ok()?, len: b.try_get_u32_le().ok()? })
}

/// The bytes of a sidecar.
pub(super) fn encode(seal: Seal, segment: u64, generation: u32, summary: &Summary, index: &SegmentIndex) -> Vec<u8> {
    let head = summary.to_bytes();
    let mut table = Vec::with_capacity(index.data_records() * ROW);
    for place in index.runs.values().flat_map(|run| &run.places) {
        put_place(&mut table, *place);
    }
    let mut out = Vec::with_capacity(HEADER + head.len() + table.len());
    out.put_slice(&MAGIC);
    out.put_u32_le(VERSION);
    out.put_u64_le(segment);
    out.put_u32_le(generation);
    out.put_u32_le(u32::try_from(head.len()).unwrap_or(u32::MAX));
    out.put_u64_le(table.len() as u64);
    out.put_u32_le(seal.sum(&head));
    out.put_u32_le(seal.sum(&table));
    let sum = seal.sum(&out);
    out.put_u32_le(sum);
    out.put_slice(&head);
    out.put_slice(&table);
    out
}

/// A sidecar's header, verified.
struct Header {
    summary: u32,
    table: u64,
    summary_sum: u32,
    table_sum: u32,
}

fn read_header(seal: Seal, segment: u64, generation: u32, file: &dyn File) -> io::Result<Option<Header>> {
    let mut bytes = [0; HEADER];
    if file.read_at(&mut bytes, 0)? < HEADER {
        return Ok(None);
    }
    Ok(parse_header(seal, segment, generation, &bytes))
}

fn parse_header(seal: Seal, segment: u64, generation: u32, bytes: &[u8]) -> Option<Header> {
    let (covered, mut rest) = bytes.split_at_checked(HEADER - 4)?;
    let mut fields = covered.strip_prefix(&MAGIC)?;
    let sound = seal.sum(covered) == rest.try_get_u32_le().ok()?;
    let mine = fields.try_get_u32_le().ok()? == VERSION
        && fields.try_get_u64_le().ok()? == segment
        && fields.try_get_u32_le().ok()? == generation;
    let header = Header {
        summary: fields.try_get_u32_le().ok()?,
        table: fields.try_get_u64_le().ok()?,
        summary_sum: fields.try_get_u32_le().ok()?,
        table_sum: fields.try_get_u32_le().ok()?,
    };
    (sound && mine && header.summary <= MAX_SUMMARY).then_some(header)
}

/// The summary, or none if the sidecar is not whole.
pub(super) fn read_summary(seal: Seal, segment: u64, generation: u32, file: &dyn File) -> io::Result<Option<Summary>> {
    let Some(header) = read_header(seal, segment, generation, file)? else { return Ok(None) };
    let mut bytes = vec![0; header.summary as usize];
    let read = file.read_at(&mut bytes, HEADER as u64)?;
    let whole = read == bytes.len()
        && seal.sum(&bytes) == header.summary_sum
        && file.len()? == HEADER as u64 + read as u64 + header.table;
    Ok(if whole { Summary::from_bytes(&bytes) } else { None })
}

/// Some rows of the table; fewer than asked for when the file is too short.
pub(super) fn read_rows(
    seal: Seal,
    segment: u64,
    generation: u32,
    file: &dyn File,
    row: u32,
    count: usize,
) -> io::Result<Vec<Place>> {
    let Some(header) = read_header(seal, segment, generation, file)? else { return Ok(Vec::new()) };
    let mut bytes = vec![0; count * ROW];
    let read = file.read_at(&mut bytes, HEADER as u64 + u64::from(header.summary) + u64::from(row) * ROW as u64)?;
    let mut rest = bytes.get(..read).unwrap_or_default();
    Ok(std::iter::from_fn(|| get_place(&mut rest)).collect())
}

/// The whole index, or none if the sidecar is not whole.
pub(super) fn read_index(
    seal: Seal,
    segment: u64,
    generation: u32,
    file: &dyn File,
) -> io::Result<Option<SegmentIndex>> {
    let Some(summary) = read_summary(seal, segment, generation, file)? else { return Ok(None) };
    let Some(header) = read_header(seal, segment, generation, file)? else { return Ok(None) };
    let mut table = vec![0; usize::try_from(header.table).unwrap_or(0)];
    let read = file.read_at(&mut table, HEADER as u64 + u64::from(header.summary))?;
    if read != table.len() || seal.sum(&table) != header.table_sum {
        return Ok(None);
    }
    let mut index = SegmentIndex {
        puts: summary.puts,
        revision: summary.revision,
        sequence: summary.sequence,
        end: summary.end,
        keys: summary.keys.into_iter().collect(),
        ..SegmentIndex::default()
    };
    for range in summary.ranges {
        let start = range.row as usize * ROW;
        let Some(mut rows) = table.get(start..start + range.count as usize * ROW) else { return Ok(None) };
        let places = std::iter::from_fn(|| get_place(&mut rows)).collect();
        index.runs.insert(range.id, Run { first: range.first, places, bytes: range.bytes });
        index.names.insert(range.id, range.name);
    }
    Ok(Some(index))
}
