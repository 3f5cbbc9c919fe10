//! Reading a segment from its bytes alone: at start (the last one) and when a sidecar is missing or damaged.
//!
//! Groups are serial: one is begun only after the sync of the one before it has succeeded. So whatever stands before the start of the last valid group was
//! durable once, and if it does not verify it is damage: it is reported with its place, and what can be verified around it is still served. Only the last
//! group may be torn by a crash, and it was acknowledged to nobody before the next one began; it is returned apart, up to its first invalid record, for the
//! start to write it anew. (A group without records follows the last one when the writer has nothing to do, so the window in which a flipped bit could pass
//! for a torn write is about a second.)

use std::ops::Range;

use super::format::{
    GROUP_HEADER, GROUP_MAGIC, GroupHeader, Kind, RECORD_MAGIC, RecordHeader, SEGMENT_HEADER, Seal, SegmentHeader,
};
use super::group::{Place, Placed, read_tally};
use super::places::SegmentIndex;
use crate::{Key, Subject};

/// What a scan found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// None if it is damaged.
    pub(super) header: Option<SegmentHeader>,
    pub(super) index: SegmentIndex,
    /// Bytes that were durable and do not verify.
    pub(super) broken: Vec<Range<u64>>,
    /// The last group, when asked for: not in `index`.
    pub(super) tail: Option<Tail>,
}

/// The last group of the log, which may be torn.
#[derive(Debug)]
pub(super) struct Tail {
    /// Where it stands.
    pub(super) offset: u64,
    /// Where it ends: nothing of the log is behind it.
    pub(super) end: u64,
    pub(super) sequence: u64,
    /// Its records up to the first that does not verify.
    pub(super) records: Vec<TailRecord>,
    /// Bytes of it that do not verify; 0 when it is whole.
    pub(super) torn: u64,
}

/// A record of the last group.
#[derive(Debug)]
pub(super) struct TailRecord {
    pub(super) kind: Kind,
    pub(super) id: u32,
    pub(super) position: u64,
    pub(super) name: String,
    /// Its body within the segment.
    pub(super) body: Range<usize>,
}

/// Scans the bytes of a segment. `below`: groups from this sequence on are a copy that the next segment has too. `apart`: return the last group as tail.
pub(super) fn scan(seal: Seal, segment: u64, bytes: &[u8], below: u64, apart: bool) -> Scan {
    let mut scan = Scan { header: SegmentHeader::read(seal, bytes), ..Scan::default() };
    if scan.header.is_none() {
        scan.broken.push(0..SEGMENT_HEADER.min(bytes.len()) as u64);
    }
    let (mut regions, end) = regions(seal, segment, bytes, below);
    let last = if apart { regions.pop() } else { None };
    for region in &regions {
        match region {
            Region::Group { start, header } => {
                scan.index.sequence = header.sequence;
                walk(seal, bytes, start + GROUP_HEADER..start + GROUP_HEADER + header.len as usize, &mut scan);
            }
            Region::Broken(range) => walk(seal, bytes, range.clone(), &mut scan),
        }
    }
    scan.index.end = end as u64;
    if let Some(Region::Group { start, header }) = last {
        scan.index.end = start as u64;
        scan.tail = Some(tail(seal, bytes, start, header));
    }
    scan.broken.sort_by_key(|range| range.start);
    scan
}

/// A stretch of a segment.
enum Region {
    Group {
        start: usize,
        header: GroupHeader,
    },
    /// Between two valid group headers, and no group.
    Broken(Range<usize>),
}

/// Splits a segment by its valid group headers; the last region is a group. Also returns where the last group ends.
fn regions(seal: Seal, segment: u64, bytes: &[u8], below: u64) -> (Vec<Region>, usize) {
    let mut regions = Vec::new();
    let mut at = SEGMENT_HEADER;
    let mut sequence = 0;
    let mut broken_from = None;
    let mut end = at;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let header =
            GroupHeader::read(seal, segment, at as u64, rest).filter(|h| h.sequence >= sequence && h.sequence < below);
        match header {
            Some(header) => {
                if let Some(from) = broken_from.take() {
                    regions.push(Region::Broken(from..at));
                }
                sequence = header.sequence;
                regions.push(Region::Group { start: at, header });
                at += GROUP_HEADER + header.len as usize;
                end = at;
            }
            None => {
                broken_from.get_or_insert(at);
                at = find(bytes, at + 1, &GROUP_MAGIC).unwrap_or(bytes.len());
            }
        }
    }
    (regions, end.min(bytes.len()))
}

/// The next place of these bytes from `from` on.
fn find(bytes: &[u8], from: usize, magic: &[u8]) -> Option<usize> {
    /// Bytes looked at in one step: `contains` is a vectorised search, and the free end of a segment is tens of megabytes of zeros.
    const STEP: usize = 4096;
    let first = *magic.first()?;
    let mut at = from;
    loop {
        let step = bytes.get(at..bytes.len().min(at + STEP)).filter(|step| !step.is_empty())?;
        if !step.contains(&first) {
            at += step.len();
            continue;
        }
        at += step.iter().position(|b| *b == first)?;
        if bytes.get(at..)?.starts_with(magic) {
            return Some(at);
        }
        at += 1;
    }
}

/// Takes every record that verifies out of a range. A body that does not is left to its reader, who knows its position; a header that does not is skipped
/// to the next that does.
fn walk(seal: Seal, bytes: &[u8], range: Range<usize>, scan: &mut Scan) {
    let bytes = bytes.get(..range.end).unwrap_or(bytes);
    let mut at = range.start;
    let mut skipped_from = None;
    while let Some(record) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match RecordHeader::read(seal, record).filter(|header| header.total() <= record.len()) {
            Some(header) => {
                if let Some(from) = skipped_from.take() {
                    scan.broken.push(from as u64..at as u64);
                }
                take(seal, record, header, at, scan);
                at += header.total();
            }
            None => {
                skipped_from.get_or_insert(at);
                at = find(bytes, at + 1, &RECORD_MAGIC).unwrap_or(bytes.len());
            }
        }
    }
    if let Some(from) = skipped_from {
        scan.broken.push(from as u64..bytes.len() as u64);
    }
}

/// Adds one record to the index.
fn take(seal: Seal, record: &[u8], header: RecordHeader, at: usize, scan: &mut Scan) {
    let offset = u32::try_from(at).unwrap_or(u32::MAX);
    let place = Place { offset, len: u32::try_from(header.total()).unwrap_or(u32::MAX) };
    let name = header.name_of(record).unwrap_or_default();
    let body = header.body_of(seal, record);
    if body.is_none() {
        scan.broken.push(at as u64..(at + header.total()) as u64);
    }
    let (id, position) = (header.id, header.position);
    match header.kind {
        Kind::Data => scan.index.add(&Placed::Data { id, position, place }),
        Kind::Define => scan.index.add(&Placed::Define { id, name: Subject::stored(name) }),
        Kind::Put => scan.index.add(&Placed::Put { key: Key::stored(name), revision: position, place }),
        Kind::Delete => scan.index.add(&Placed::Delete { key: Key::stored(name), revision: position, place }),
        Kind::Tally => {
            for (id, last) in read_tally(body.unwrap_or_default()) {
                scan.index.tally(id, last, offset);
            }
        }
    }
}

/// The last group, up to its first record that does not verify.
fn tail(seal: Seal, bytes: &[u8], start: usize, group: GroupHeader) -> Tail {
    let mut at = start + GROUP_HEADER;
    let end = at + group.len as usize;
    let mut tail =
        Tail { offset: start as u64, end: end as u64, sequence: group.sequence, records: Vec::new(), torn: 0 };
    while let Some(record) = bytes.get(at..end.min(bytes.len())).filter(|rest| !rest.is_empty()) {
        let Some(header) = RecordHeader::read(seal, record).filter(|header| header.body_of(seal, record).is_some())
        else {
            break;
        };
        let body = at + header.body_start()..at + header.total();
        let name = header.name_of(record).unwrap_or_default().to_owned();
        tail.records.push(TailRecord { kind: header.kind, id: header.id, position: header.position, name, body });
        at += header.total();
    }
    tail.torn = (end - at) as u64;
    tail
}
