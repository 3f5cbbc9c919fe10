//! Giving space back: a sealed segment with nothing alive is removed, one with less than half is rewritten, one a step.
//!
//! Rewriting keeps the order and the positions, and drops what is trimmed and what newer values of keys replaced. A record with a damaged body is copied as it
//! is and stays reported; one that cannot be recognised becomes a known loss; a key that cannot be recognised leaves its segment as it is. The new file has the next generation in its name and is whole before it has that name; readers change over
//! under the index lock, and the old file goes afterwards. A crash in between leaves two generations, of which a start takes the newer.

use std::io;
use std::sync::Arc;

use super::files::{self, Part};
use super::format::{Kind, RecordHeader, SEGMENT_HEADER, SegmentHeader};
use super::group::{GroupBuilder, Place};
use super::places::SegmentIndex;
use super::read::fetch;
use super::shared::Shared;
use super::sidecar;
use super::storage::File;
use crate::{Key, Subject};

/// Bytes after which a rewritten group ends: memory used by compaction, and how much one read takes from the device.
const GROUP_BYTES: usize = 1 << 20;
/// A smaller segment is not rewritten, only removed once it is dead, in bytes: most of it would be names and headers again.
const WORTH_REWRITING: u64 = 64 << 10;
/// Records read together.
const RECORDS_READ: usize = 256;

/// A record that stays.
enum Item {
    Data { id: u32, position: u64 },
    Key { key: Key, revision: u64, deleted: bool },
}

impl Shared {
    /// One step: removes what is dead, rewrites at most one segment.
    pub(super) fn compact(&self) {
        let mut rewritten = false;
        for (segment, generation) in self.candidates() {
            let (dead, worth_it) = {
                let index = self.index.read();
                let size = index.segments.get(&segment).map_or(0, |state| state.end);
                (index.is_dead(segment), size >= WORTH_REWRITING && index.live(segment) < size / 2)
            };
            let done = if dead {
                self.index.write().segments.remove(&segment);
                // Durable before the next removal: an end of a key must not go before the values that it ends.
                self.files.remove(segment, generation).and_then(|()| self.storage.sync_dir())
            } else if worth_it && rewritten {
                continue;
            } else {
                if let Some(state) = self.index.write().segments.get_mut(&segment) {
                    state.dirty = false;
                }
                rewritten |= worth_it;
                if worth_it { self.rewrite(segment, generation) } else { Ok(()) }
            };
            if let Err(error) = done {
                tracing::warn!(error = %error, segment, "compaction of a segment failed");
            }
        }
    }

    /// Sealed segments in which something has died since they were last looked at.
    fn candidates(&self) -> Vec<(u64, u32)> {
        let index = self.index.read();
        let sealed =
            index.segments.iter().filter(|(_, state)| state.index.is_none() && (state.dirty || state.has_tombstones()));
        sealed.map(|(number, state)| (*number, state.generation)).collect()
    }

    fn rewrite(&self, segment: u64, generation: u32) -> io::Result<()> {
        self.repair(segment, generation)?;
        let file = self.files.get(segment, generation, Part::Sidecar)?;
        let Some(old) = sidecar::read_index(self.seal, segment, generation, &*file)? else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its index cannot be read"));
        };
        let items = self.alive(segment, &old);
        let source = self.files.get(segment, generation, Part::Data)?;
        let mut head = vec![0; SEGMENT_HEADER];
        source.read_at(&mut head, 0)?;
        let base = SegmentHeader::read(self.seal, &head).map_or(old.sequence, |header| header.base_sequence);
        let header = SegmentHeader {
            segment,
            generation: generation + 1,
            base_sequence: base,
            revision: old.revision,
            next_id: 0,
        };

        let name = files::name(segment, generation + 1, Part::Data);
        let temporary = format!("{name}.tmp");
        let target = self.storage.create(&temporary, 0)?;
        target.write_at(&header.to_bytes(self.seal, &self.identity.incarnation), 0)?;
        let mut copy = Copy {
            shared: self,
            segment,
            sequence: base,
            source,
            target,
            index: SegmentIndex { end: SEGMENT_HEADER as u64, ..SegmentIndex::default() },
        };
        copy.run(&old, &items)?;
        let Copy { target, mut index, .. } = copy;
        target.sync_data()?;
        (index.sequence, index.revision) = (old.sequence, old.revision);
        self.storage.rename(&temporary, &name)?;
        let summary = self.write_sidecar(segment, generation + 1, &index)?;
        self.index.write().replaced(segment, generation + 1, &summary);
        self.files.remove(segment, generation)
    }

    /// What of a segment stays, in the order of the file.
    fn alive(&self, segment: u64, old: &SegmentIndex) -> Vec<(Place, Item)> {
        let index = self.index.read();
        let keep_ends = !index.keys_clean_before(segment);
        let mut items = Vec::new();
        for (id, run) in &old.runs {
            let kept = index.marks(*id).map_or(run.first, |(_, kept, _)| kept);
            for (position, place) in (run.first..).zip(&run.places).filter(|(position, _)| *position >= kept) {
                items.push((*place, Item::Data { id: *id, position }));
            }
        }
        for (key, record) in &old.keys {
            let newest =
                index.keys.get(key).is_some_and(|state| state.segment == segment && state.revision == record.revision);
            if newest || (record.deleted && keep_ends) {
                items.push((
                    record.place,
                    Item::Key { key: key.clone(), revision: record.revision, deleted: record.deleted },
                ));
            }
        }
        items.sort_by_key(|(place, _)| place.offset);
        items
    }
}

/// A rewriting in progress.
struct Copy<'a> {
    shared: &'a Shared,
    segment: u64,
    sequence: u64,
    source: Arc<dyn File>,
    target: Arc<dyn File>,
    index: SegmentIndex,
}

impl Copy<'_> {
    fn run(&mut self, old: &SegmentIndex, items: &[(Place, Item)]) -> io::Result<()> {
        let mut rest = items;
        while !rest.is_empty() {
            rest = self.group(old, rest)?;
        }
        Ok(())
    }

    /// Writes one group of the first items, and returns the others.
    fn group<'i>(&mut self, old: &SegmentIndex, items: &'i [(Place, Item)]) -> io::Result<&'i [(Place, Item)]> {
        let defined = self.index.names.keys().copied().collect();
        let mut group =
            GroupBuilder::new(self.shared.seal, self.segment, self.index.end, self.sequence, &defined, Vec::new());
        let mut lost: Vec<(u32, u64)> = Vec::new();
        let mut rest = items;
        while group.len() < GROUP_BYTES && !rest.is_empty() {
            let (now, later) = rest.split_at_checked(RECORDS_READ).unwrap_or((rest, &[]));
            let places: Vec<Place> = now.iter().map(|(place, _)| *place).collect();
            for ((_, item), raw) in now.iter().zip(fetch(&*self.source, &places)?) {
                if self.add(&mut group, old, item, &raw) {
                    continue;
                }
                let Item::Data { id, position } = item else {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds a damaged key"));
                };
                if let Some(name) = self.name(old, *id) {
                    group.reaches(*id, &name, *position);
                    lost.push((*id, *position));
                }
            }
            rest = later;
        }
        let group = group.finish();
        self.target.write_at(&group.bytes, self.index.end)?;
        let offset = u32::try_from(self.index.end).unwrap_or(u32::MAX);
        for placed in &group.placed {
            self.index.add(placed);
        }
        for (id, position) in lost {
            self.index.tally(id, position, offset);
        }
        self.index.end += group.bytes.len() as u64;
        Ok(rest)
    }

    fn name(&self, old: &SegmentIndex, id: u32) -> Option<Subject> {
        old.names.get(&id).cloned().or_else(|| self.shared.name_of(id))
    }

    /// Adds a record as it is, if it is the right one.
    fn add(&self, group: &mut GroupBuilder<'_>, old: &SegmentIndex, item: &Item, raw: &[u8]) -> bool {
        let Some(header) = RecordHeader::read(self.shared.seal, raw).filter(|header| header.total() == raw.len())
        else {
            return false;
        };
        match item {
            Item::Data { id, position }
                if header.kind == Kind::Data && header.id == *id && header.position == *position =>
            {
                let Some(name) = self.name(old, *id) else { return false };
                group.copy_data(*id, &name, *position, raw);
                true
            }
            Item::Key { key, revision, deleted }
                if header.position == *revision && header.name_of(raw) == Some(key.as_str()) =>
            {
                group.copy_key(key, *revision, *deleted, raw);
                true
            }
            _ => false,
        }
    }
}
