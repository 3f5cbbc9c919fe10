//! Where everything is: per subject the stretches it has in which segments, per key its newest record, per segment what of it is still alive.
//!
//! This is all that stays in memory of a sealed segment (its rows are in the sidecar), so memory grows with subjects times segments and with keys, not with
//! records. Two watermarks a subject: readers obey a trim at once, but storage is freed only by what is durable, because after a crash the older one counts
//! again, and then what lies above it has to be there.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::group::{Group, Place, Placed};
use super::own::is_own;
use super::places::{KeyRecord, SegmentIndex};
use super::sidecar::{Range, Summary};
use crate::watchers::Watchers;
use crate::{Bounds, Key, Position, Revision};

/// Consecutive records of a subject in one segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) segment: u64,
    pub(super) first: u64,
    count: u32,
    bytes: u64,
    row: u32,
}

impl Extent {
    fn of(segment: u64, range: &Range) -> Self {
        Self { segment, first: range.first, count: range.count, bytes: range.bytes, row: range.row }
    }

    fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }
}

/// One subject.
#[derive(Debug)]
struct SubjectState {
    /// First position for readers.
    first: u64,
    /// First position whose loss would be damage: the durable trim.
    kept: u64,
    last: u64,
    extents: VecDeque<Extent>,
}

impl Default for SubjectState {
    fn default() -> Self {
        Self { first: 1, kept: 1, last: 0, extents: VecDeque::new() }
    }
}

/// A key's newest record.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyState {
    pub(super) revision: u64,
    pub(super) segment: u64,
    pub(super) place: Place,
}

/// One segment.
#[derive(Debug, Default)]
pub(super) struct SegmentState {
    pub(super) generation: u32,
    /// Bytes in use.
    pub(super) end: u64,
    /// Its places, until its sidecar is written.
    pub(super) index: Option<Arc<SegmentIndex>>,
    ids: Vec<u32>,
    live_extents: u32,
    live_bytes: u64,
    live_keys: u32,
    live_key_bytes: u64,
    /// Values in it, those that newer ones replaced included.
    puts: u32,
    /// Ends of keys in it.
    tombstones: u32,
    /// Something in it has died since it was last looked at.
    pub(super) dirty: bool,
}

impl SegmentState {
    /// Whether it holds ends of keys.
    pub(super) fn has_tombstones(&self) -> bool {
        self.tombstones > 0
    }
}

/// Where a read finds its records.
pub(super) enum Plan {
    /// Nothing at or after this position.
    End,
    /// Records that should be there are in no segment.
    Hole { to: u64, place: String },
    /// Their places.
    Places { segment: u64, generation: u32, places: Vec<Place> },
    /// Rows of a sidecar.
    Rows { segment: u64, generation: u32, row: u32, count: usize },
}

/// All of it.
#[derive(Default)]
pub(super) struct Index {
    subjects: HashMap<u32, SubjectState>,
    pub(super) keys: BTreeMap<Key, KeyState>,
    pub(super) segments: BTreeMap<u64, SegmentState>,
    pub(super) watchers: Watchers,
}

impl Index {
    /// A new segment, to which `publish` adds.
    pub(super) fn begin(&mut self, segment: u64, generation: u32, end: u64) {
        let index = Some(Arc::new(SegmentIndex { end, ..SegmentIndex::default() }));
        self.segments.insert(segment, SegmentState { generation, end, index, ..SegmentState::default() });
    }

    /// A group has become durable.
    pub(super) fn publish(&mut self, segment: u64, group: &Group) {
        let Some(state) = self.segments.get_mut(&segment) else { return };
        state.end += group.bytes.len() as u64;
        if let Some(index) = state.index.as_mut().map(Arc::make_mut) {
            index.end = state.end;
            index.sequence = group.sequence;
            for placed in &group.placed {
                index.add(placed);
            }
        }
        let mut rest = group.placed.as_slice();
        while let Some(placed) = rest.first() {
            let mut taken = 1;
            match placed {
                Placed::Data { id, .. } => {
                    taken =
                        rest.iter().take_while(|next| matches!(next, Placed::Data { id: of, .. } if of == id)).count();
                    self.add_records(segment, *id, rest.get(..taken).unwrap_or_default());
                }
                Placed::Put { key, revision, place } => self.add_key(segment, key, *revision, *place, false),
                Placed::Delete { key, revision, place } => self.add_key(segment, key, *revision, *place, true),
                Placed::Define { .. } => {}
            }
            rest = rest.get(taken.max(1)..).unwrap_or_default();
        }
    }

    /// Adds consecutive records of a subject.
    fn add_records(&mut self, segment: u64, id: u32, records: &[Placed]) {
        let subject = self.subjects.entry(id).or_default();
        let Some(state) = self.segments.get_mut(&segment) else { return };
        for record in records {
            let Placed::Data { position, place, .. } = record else { continue };
            let bytes = u64::from(place.len);
            subject.last = subject.last.max(*position);
            state.live_bytes += bytes;
            match subject.extents.back_mut() {
                Some(extent) if extent.segment == segment => {
                    extent.count += 1;
                    extent.bytes += bytes;
                }
                _ => {
                    subject.extents.push_back(Extent { segment, first: *position, count: 1, bytes, row: 0 });
                    state.ids.push(id);
                    state.live_extents += 1;
                }
            }
        }
    }

    fn add_key(&mut self, segment: u64, key: &Key, revision: u64, place: Place, deleted: bool) {
        if let Some(state) = self.segments.get_mut(&segment) {
            state.puts += u32::from(!deleted);
            state.tombstones += u32::from(deleted);
        }
        self.set_key(segment, key, revision, place, deleted);
        if !is_own(key) {
            self.watchers.notify(key, Revision(revision));
        }
    }

    fn set_key(&mut self, segment: u64, key: &Key, revision: u64, place: Place, deleted: bool) {
        let old = if deleted {
            self.keys.remove(key)
        } else {
            self.keys.insert(key.clone(), KeyState { revision, segment, place })
        };
        if let Some(state) = old.and_then(|old| Some((self.segments.get_mut(&old.segment)?, old))) {
            let (state, old) = state;
            state.live_keys = state.live_keys.saturating_sub(1);
            state.live_key_bytes = state.live_key_bytes.saturating_sub(u64::from(old.place.len));
            state.dirty = true;
        }
        if !deleted && let Some(state) = self.segments.get_mut(&segment) {
            state.live_keys += 1;
            state.live_key_bytes += u64::from(place.len);
        }
    }

    /// At start: a segment by its summary, in the order of segments. With `index` while it has no sidecar.
    pub(super) fn load(&mut self, segment: u64, generation: u32, summary: &Summary, index: Option<Arc<SegmentIndex>>) {
        let state = SegmentState {
            generation,
            end: summary.end,
            index,
            puts: summary.puts,
            dirty: true,
            ..SegmentState::default()
        };
        self.segments.insert(segment, state);
        for range in &summary.ranges {
            self.load_range(segment, range);
        }
        for (key, record) in &summary.keys {
            self.load_key(segment, key, record);
        }
    }

    fn load_range(&mut self, segment: u64, range: &Range) {
        let subject = self.subjects.entry(range.id).or_default();
        let extent = Extent::of(segment, range);
        subject.last = subject.last.max(extent.end().saturating_sub(1));
        subject.extents.push_back(extent);
        if let Some(state) = self.segments.get_mut(&segment) {
            state.ids.push(range.id);
            state.live_extents += 1;
            state.live_bytes += range.bytes;
        }
    }

    fn load_key(&mut self, segment: u64, key: &Key, record: &KeyRecord) {
        if let Some(state) = self.segments.get_mut(&segment) {
            state.tombstones += u32::from(record.deleted);
        }
        self.set_key(segment, key, record.revision, record.place, record.deleted);
    }

    /// The sidecar of a sealed segment is written: its places need not be kept any more. If it was made anew from damaged bytes it may hold less than was
    /// known; what it does not hold becomes a hole.
    pub(super) fn sealed(&mut self, segment: u64, summary: &Summary) {
        let Some(state) = self.segments.get_mut(&segment) else { return };
        state.index = None;
        state.dirty = true;
        let found: HashMap<u32, &Range> = summary.ranges.iter().map(|range| (range.id, range)).collect();
        let (ids, lost): (Vec<u32>, Vec<u32>) = state.ids.iter().partition(|id| found.contains_key(id));
        state.ids = ids;
        state.live_extents = state.live_extents.saturating_sub(u32::try_from(lost.len()).unwrap_or(u32::MAX));
        for id in lost {
            if let Some(subject) = self.subjects.get_mut(&id) {
                subject.extents.retain(|extent| extent.segment != segment);
            }
        }
        for (id, range) in found {
            if let Some(extent) = self.extent(id, segment) {
                *extent = Extent::of(segment, range);
            }
        }
    }

    fn extent(&mut self, id: u32, segment: u64) -> Option<&mut Extent> {
        let extents = &mut self.subjects.get_mut(&id)?.extents;
        let at = extents.binary_search_by_key(&segment, |extent| extent.segment).ok()?;
        extents.get_mut(at)
    }

    /// Readers begin at `before` from now on, or at the last record. Returns where, if that is further than it was.
    pub(super) fn trim(&mut self, id: u32, before: u64) -> Option<u64> {
        let subject = self.subjects.get_mut(&id)?;
        let first = before.min(subject.last);
        (first > subject.first).then(|| {
            subject.first = first;
            first
        })
    }

    /// The trim is durable: what lies below may be freed.
    pub(super) fn trimmed(&mut self, id: u32, before: u64) {
        let Some(subject) = self.subjects.get_mut(&id) else { return };
        let before = before.min(subject.last);
        subject.first = subject.first.max(before);
        subject.kept = subject.kept.max(before);
        while let Some(extent) = subject.extents.front().copied()
            && extent.end() <= subject.kept
        {
            subject.extents.pop_front();
            if let Some(state) = self.segments.get_mut(&extent.segment) {
                state.live_extents = state.live_extents.saturating_sub(1);
                state.live_bytes = state.live_bytes.saturating_sub(extent.bytes);
                state.ids.retain(|known| *known != id);
                state.dirty = true;
            }
        }
        if let Some(state) = subject.extents.front().and_then(|extent| self.segments.get_mut(&extent.segment)) {
            state.dirty = true;
        }
    }

    /// The first position that readers get, the durable trim, and the last position.
    pub(super) fn marks(&self, id: u32) -> Option<(u64, u64, u64)> {
        self.subjects.get(&id).map(|subject| (subject.first, subject.kept, subject.last))
    }

    /// What a subject holds; the bytes of a stretch that is trimmed in part are counted in proportion.
    pub(super) fn bounds(&self, id: u32) -> Option<Bounds> {
        let subject = self.subjects.get(&id)?;
        let live = |extent: &Extent| extent.bytes - dead_part(extent, subject.first);
        Some(Bounds {
            first: Position(subject.first),
            last: Position(subject.last),
            bytes: subject.extents.iter().map(live).sum(),
        })
    }

    /// Where the records from `from` on are, at most `records` of them, in one segment.
    pub(super) fn plan(&self, id: u32, from: u64, records: usize) -> Plan {
        let Some(subject) = self.subjects.get(&id).filter(|subject| from <= subject.last) else { return Plan::End };
        let after = subject.extents.partition_point(|extent| extent.end() <= from);
        let Some(extent) = subject.extents.get(after).filter(|extent| extent.first <= from) else {
            let next = subject.extents.get(after);
            let to = next.map_or(subject.last, |extent| extent.first.saturating_sub(1));
            let place = next
                .map_or_else(|| "after the last segment".into(), |extent| format!("before segment {}", extent.segment));
            return Plan::Hole { to, place };
        };
        let count = records.min(usize::try_from(extent.end() - from).unwrap_or(usize::MAX));
        let skip = u32::try_from(from - extent.first).unwrap_or(u32::MAX);
        let Some(state) = self.segments.get(&extent.segment) else { return Plan::End };
        let (segment, generation) = (extent.segment, state.generation);
        let Some(index) = &state.index else {
            return Plan::Rows { segment, generation, row: extent.row + skip, count };
        };
        let run = index.runs.get(&id);
        let start = run.and_then(|run| usize::try_from(from.checked_sub(run.first)?).ok()).unwrap_or(usize::MAX);
        let places = run.and_then(|run| run.places.get(start..run.places.len().min(start.saturating_add(count))));
        Plan::Places { segment, generation, places: places.unwrap_or_default().to_vec() }
    }

    /// Bytes of a segment that are still needed.
    pub(super) fn live(&self, segment: u64) -> u64 {
        let Some(state) = self.segments.get(&segment) else { return 0 };
        let mut live = state.live_bytes + state.live_key_bytes;
        for id in &state.ids {
            let Some(subject) = self.subjects.get(id) else { continue };
            // Only a subject's first stretch can be trimmed in part.
            if let Some(extent) = subject.extents.front().filter(|extent| extent.segment == segment) {
                live = live.saturating_sub(dead_part(extent, subject.kept));
            }
        }
        live
    }

    /// Whether a segment holds nothing that is needed. The end of a key is needed while an older value of it may still be stored somewhere before it.
    pub(super) fn is_dead(&self, segment: u64) -> bool {
        let Some(state) = self.segments.get(&segment) else { return false };
        state.live_extents == 0 && state.live_keys == 0 && (state.tombstones == 0 || self.keys_clean_before(segment))
    }

    /// Whether no segment before this one holds a value that a newer record replaced.
    pub(super) fn keys_clean_before(&self, segment: u64) -> bool {
        self.segments.range(..segment).all(|(_, state)| state.puts == state.live_keys)
    }

    /// Compaction has rewritten a segment: all places in it are new.
    pub(super) fn replaced(&mut self, segment: u64, generation: u32, summary: &Summary) {
        let mut state = SegmentState { generation, end: summary.end, puts: summary.puts, ..SegmentState::default() };
        for range in &summary.ranges {
            let Some(extent) = self.extent(range.id, segment) else { continue };
            *extent = Extent::of(segment, range);
            state.ids.push(range.id);
            state.live_extents += 1;
            state.live_bytes += range.bytes;
        }
        for (key, record) in &summary.keys {
            state.tombstones += u32::from(record.deleted);
            if let Some(known) =
                self.keys.get_mut(key).filter(|known| known.segment == segment && known.revision == record.revision)
            {
                known.place = record.place;
                state.live_keys += 1;
                state.live_key_bytes += u64::from(record.place.len);
            }
        }
        self.segments.insert(segment, state);
    }
}

/// Bytes of an extent below a trim, in proportion.
fn dead_part(extent: &Extent, first: u64) -> u64 {
    let dead = first.saturating_sub(extent.first).min(u64::from(extent.count));
    u64::try_from(u128::from(extent.bytes) * u128::from(dead) / u128::from(extent.count.max(1))).unwrap_or(extent.bytes)
}
