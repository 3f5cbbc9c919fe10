//! What one segment holds and where: built while it is written or scanned, kept in its sidecar once it is sealed.
//!
//! The records of a subject in one segment are consecutive, because subjects are dense and trims and compaction take prefixes only. So a run is its first
//! position and a list of places; a hole in it can only be damage, and is filled with markers when the next record (or a tally) shows it.

use std::collections::{BTreeMap, HashMap};

use super::group::{Place, Placed};
use crate::{Key, Subject};

/// Largest hole that is filled with markers, in records; a larger one means that the position itself is wrong.
const MAX_HOLE: u64 = 1 << 24;

/// The records of one subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Run {
    /// Position of the first place.
    pub(super) first: u64,
    pub(super) places: Vec<Place>,
    /// Bytes of its records, headers included.
    pub(super) bytes: u64,
}

impl Run {
    /// Position after the last.
    pub(super) fn end(&self) -> u64 {
        self.first + self.places.len() as u64
    }
}

/// The newest record of a key in the segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyRecord {
    pub(super) revision: u64,
    pub(super) place: Place,
    pub(super) deleted: bool,
}

/// The index of one segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SegmentIndex {
    pub(super) names: BTreeMap<u32, Subject>,
    pub(super) runs: BTreeMap<u32, Run>,
    pub(super) keys: HashMap<Key, KeyRecord>,
    /// Values of keys in all, those that newer ones replaced included.
    pub(super) puts: u32,
    /// Highest revision and group sequence in it.
    pub(super) revision: u64,
    pub(super) sequence: u64,
    /// Bytes in use.
    pub(super) end: u64,
}

impl SegmentIndex {
    /// Adds what a group holds, in order.
    pub(super) fn add(&mut self, placed: &Placed) {
        match placed {
            Placed::Define { id, name } => {
                self.names.entry(*id).or_insert_with(|| name.clone());
            }
            Placed::Data { id, position, place } => self.data(*id, *position, *place),
            Placed::Put { key, revision, place } => self.key(key, *revision, *place, false),
            Placed::Delete { key, revision, place } => self.key(key, *revision, *place, true),
        }
    }

    fn data(&mut self, id: u32, position: u64, place: Place) {
        if !self.fill(id, position, place.offset) {
            return;
        }
        let run = self.runs.entry(id).or_insert_with(|| Run { first: position, ..Run::default() });
        run.places.push(place);
        run.bytes += u64::from(place.len);
    }

    /// Marks what is missing below `position` as lost. False if the position was there before, or cannot be true.
    fn fill(&mut self, id: u32, position: u64, about: u32) -> bool {
        let Some(run) = self.runs.get_mut(&id) else { return true };
        match position.checked_sub(run.end()) {
            Some(hole) if hole <= MAX_HOLE => {
                run.places.extend((0..hole).map(|_| Place::lost(about)));
                true
            }
            _ => false,
        }
    }

    /// The last position of a subject, by a tally: what is missing up to it is lost.
    pub(super) fn tally(&mut self, id: u32, last: u64, about: u32) {
        // A subject of which all is lost here is noticed only by its first record elsewhere, or not at all below a tally: then this is the record of it.
        if !self.runs.contains_key(&id) && last > 0 {
            self.runs.insert(id, Run { first: last, ..Run::default() });
        }
        self.fill(id, last + 1, about);
    }

    fn key(&mut self, key: &Key, revision: u64, place: Place, deleted: bool) {
        self.puts += u32::from(!deleted);
        self.revision = self.revision.max(revision);
        let newer = self.keys.get(key).is_none_or(|known| known.revision < revision);
        if newer {
            self.keys.insert(key.clone(), KeyRecord { revision, place, deleted });
        }
    }

    /// Number of records of subjects, lost ones included.
    pub(super) fn data_records(&self) -> usize {
        self.runs.values().map(|run| run.places.len()).sum()
    }
}
