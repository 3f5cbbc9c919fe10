//! Building the bytes of a group, for the writer, for compaction and for the copy of the tail.
//!
//! A subject's name is written with its first record in a segment, at the head of the group and again before its end: one damaged place never makes the
//! records of a subject nameless. The tally at the end says how far each subject goes.

use std::collections::{BTreeMap, HashSet};

use super::format::{GROUP_HEADER, GroupHeader, Kind, NO_SUBJECT, Seal, put_record};
use crate::{Key, Subject};

/// Where a record stands in its segment. With length 0: lost, at about this offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u32,
    pub(super) len: u32,
}

impl Place {
    /// The marker of a record that damage has taken.
    pub(super) fn lost(offset: u32) -> Self {
        Self { offset, len: 0 }
    }
}

/// A record that a group holds and where it will be.
#[derive(Debug, Clone)]
pub(super) enum Placed {
    Data { id: u32, position: u64, place: Place },
    Define { id: u32, name: Subject },
    Put { key: Key, revision: u64, place: Place },
    Delete { key: Key, revision: u64, place: Place },
}

/// A group under construction.
pub(super) struct GroupBuilder<'a> {
    seal: Seal,
    segment: u64,
    offset: u64,
    sequence: u64,
    out: Vec<u8>,
    count: u32,
    placed: Vec<Placed>,
    /// Ids that the segment names already.
    defined: &'a HashSet<u32>,
    named: Vec<(u32, Subject)>,
    tally: BTreeMap<u32, u64>,
}

/// A finished group.
pub(super) struct Group {
    pub(super) bytes: Vec<u8>,
    pub(super) placed: Vec<Placed>,
    pub(super) sequence: u64,
}

impl<'a> GroupBuilder<'a> {
    /// Begins a group for `offset` of `segment`; `buffer` is reused.
    pub(super) fn new(
        seal: Seal,
        segment: u64,
        offset: u64,
        sequence: u64,
        defined: &'a HashSet<u32>,
        mut buffer: Vec<u8>,
    ) -> Self {
        buffer.clear();
        buffer.resize(GROUP_HEADER, 0);
        Self {
            seal,
            segment,
            offset,
            sequence,
            out: buffer,
            count: 0,
            placed: Vec::new(),
            defined,
            named: Vec::new(),
            tally: BTreeMap::new(),
        }
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    fn record(&mut self, kind: Kind, id: u32, position: u64, name: &str, body: &[u8]) -> Place {
        let offset = u32::try_from(self.offset + self.out.len() as u64).unwrap_or(u32::MAX);
        self.count += 1;
        let len = put_record(&mut self.out, self.seal, kind, id, position, name, body);
        Place { offset, len }
    }

    /// Adds consecutive records of a subject.
    pub(super) fn data<'b>(&mut self, id: u32, name: &Subject, first: u64, bodies: impl IntoIterator<Item = &'b [u8]>) {
        self.define(id, name);
        let mut position = first;
        for body in bodies {
            let place = self.record(Kind::Data, id, position, "", body);
            self.placed.push(Placed::Data { id, position, place });
            position += 1;
        }
        self.tally.insert(id, position.saturating_sub(1));
    }

    /// Adds a record of a subject as it stands elsewhere, whole or with a damaged body: what is damaged stays known as damaged.
    pub(super) fn copy_data(&mut self, id: u32, name: &Subject, position: u64, raw: &[u8]) {
        self.define(id, name);
        let place = self.copy(raw);
        self.placed.push(Placed::Data { id, position, place });
        self.tally.insert(id, position);
    }

    /// Adds a key's record as it stands elsewhere.
    pub(super) fn copy_key(&mut self, key: &Key, revision: u64, deleted: bool, raw: &[u8]) {
        let (key, place) = (key.clone(), self.copy(raw));
        self.placed.push(if deleted {
            Placed::Delete { key, revision, place }
        } else {
            Placed::Put { key, revision, place }
        });
    }

    fn copy(&mut self, raw: &[u8]) -> Place {
        let offset = u32::try_from(self.offset + self.out.len() as u64).unwrap_or(u32::MAX);
        self.count += 1;
        self.out.extend_from_slice(raw);
        Place { offset, len: u32::try_from(raw.len()).unwrap_or(u32::MAX) }
    }

    /// Notes that a subject goes as far as this, although the record is lost.
    pub(super) fn reaches(&mut self, id: u32, name: &Subject, last: u64) {
        self.define(id, name);
        self.tally.insert(id, last);
    }

    fn define(&mut self, id: u32, name: &Subject) {
        if !self.defined.contains(&id) && !self.named.iter().any(|(named, _)| *named == id) {
            self.record(Kind::Define, id, 0, name.as_str(), &[]);
            self.named.push((id, name.clone()));
            self.placed.push(Placed::Define { id, name: name.clone() });
        }
    }

    /// Adds a key's new value, or its end.
    pub(super) fn key(&mut self, key: &Key, revision: u64, value: Option<&[u8]>) {
        let kind = if value.is_some() { Kind::Put } else { Kind::Delete };
        let place = self.record(kind, NO_SUBJECT, revision, key.as_str(), value.unwrap_or_default());
        let key = key.clone();
        self.placed.push(if value.is_some() {
            Placed::Put { key, revision, place }
        } else {
            Placed::Delete { key, revision, place }
        });
    }

    /// The finished group.
    pub(super) fn finish(mut self) -> Group {
        for (id, name) in std::mem::take(&mut self.named) {
            self.record(Kind::Define, id, 0, name.as_str(), &[]);
        }
        if !self.tally.is_empty() {
            let body: Vec<u8> =
                std::mem::take(&mut self.tally).iter().flat_map(|(id, last)| tally_entry(*id, *last)).collect();
            self.record(Kind::Tally, NO_SUBJECT, 0, "", &body);
        }
        let len = u32::try_from(self.out.len() - GROUP_HEADER).unwrap_or(u32::MAX);
        let header = GroupHeader { len, count: self.count, sequence: self.sequence };
        header.write(self.seal, self.segment, self.offset, &mut self.out);
        Group { bytes: self.out, placed: self.placed, sequence: self.sequence }
    }
}

/// Bytes of one entry of a tally.
const TALLY_ENTRY: usize = 12;

fn tally_entry(id: u32, last: u64) -> [u8; TALLY_ENTRY] {
    let mut entry = [0; TALLY_ENTRY];
    let (front, back) = entry.split_at_mut(4);
    front.copy_from_slice(&id.to_le_bytes());
    back.copy_from_slice(&last.to_le_bytes());
    entry
}

/// The entries of a tally's body: subject id and last position.
pub(super) fn read_tally(body: &[u8]) -> impl Iterator<Item = (u32, u64)> {
    body.as_chunks::<TALLY_ENTRY>().0.iter().filter_map(|entry| {
        let (id, last) = entry.split_at_checked(4)?;
        Some((u32::from_le_bytes(id.try_into().ok()?), u64::from_le_bytes(last.try_into().ok()?)))
    })
}
