//! The last segment at a start: where the log goes on, and its last group written anew.
//!
//! Why that group is not believed: see the module above.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;

use super::Opening;
use crate::disk::files::{self, Part};
use crate::disk::format::{self, Kind, SEGMENT_HEADER, SegmentHeader};
use crate::disk::group::{Group, GroupBuilder, Placed};
use crate::disk::scan::{Scan, Tail};
use crate::disk::sidecar::Summary;
use crate::disk::storage::{File, is_full};
use crate::disk::write::Active;
use crate::{Key, Position, Subject};

impl Opening {
    /// The last segment.
    pub(super) fn load_last(
        &mut self,
        number: u64,
        generation: u32,
        bytes: &[u8],
        mut found: Scan,
    ) -> io::Result<(Active, u64)> {
        if let Some(header) = found.header {
            self.max_revision = self.max_revision.max(header.revision);
            self.shared.names.write().start_at(header.next_id);
        }
        let tail = found.tail.take();
        let base = found.header.map_or(1, |header| header.base_sequence);
        let sequence = tail.as_ref().map_or(base.saturating_sub(1), |tail| tail.sequence);
        let (cut, torn) = match &tail {
            // A group that confirms the one before it: the log goes on behind it.
            Some(tail) if tail.records.is_empty() && tail.torn == 0 => (tail.offset + format::GROUP_HEADER as u64, 0),
            Some(tail) => (tail.offset, tail.torn),
            None => (found.index.end, 0),
        };
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        self.recovery.torn_bytes = torn.max(if tail.as_ref().is_none_or(|tail| tail.records.is_empty()) {
            written.saturating_sub(cut)
        } else {
            0
        });
        match tail {
            Some(tail) if !tail.records.is_empty() => {
                let active = self.copy_tail(number, generation, bytes, &found, &tail)?;
                Ok((active, sequence + 1))
            }
            _ => {
                found.index.end = cut;
                Ok((self.go_on(number, generation, bytes, &found, cut)?, sequence))
            }
        }
    }

    /// Goes on writing behind `cut` of the last segment; what follows there is not part of the log.
    fn go_on(&mut self, number: u64, generation: u32, bytes: &[u8], found: &Scan, cut: u64) -> io::Result<Active> {
        self.report(number, generation, bytes, found);
        let file = self.shared.files.get(number, generation, Part::Data)?;
        let size = self.shared.options.segment_bytes.max(cut);
        file.resize(cut)?;
        if let Err(error) = file.resize(size) {
            // A full volume: the writer finds out when it needs the room.
            tracing::warn!(error = %error, "segment not reserved");
        }
        file.sync_data()?;
        let size = file.len()?;
        let summary = Summary::of(&found.index, |id| self.shared.name_of(id));
        self.load(number, generation, &summary, Some(Arc::new(found.index.clone())));
        // A sidecar belongs to a segment that is not written to.
        drop(self.shared.storage.remove(&files::name(number, generation, Part::Sidecar)));
        let defined = found.index.names.keys().copied().collect();
        Ok(Active { number, file, size, end: cut, defined })
    }

    /// Writes the last group anew into a segment of its own, with a group behind it that confirms it.
    fn copy_tail(
        &mut self,
        number: u64,
        generation: u32,
        bytes: &[u8],
        found: &Scan,
        tail: &Tail,
    ) -> io::Result<Active> {
        // The segment before it, without the group.
        let old = (tail.offset > SEGMENT_HEADER as u64).then(|| {
            self.report(number, generation, bytes, found);
            Summary::of(&found.index, |id| self.shared.name_of(id))
        });
        if let Some(summary) = &old {
            self.load(number, generation, summary, Some(Arc::new(found.index.clone())));
        }
        let names = self.tail_names(found, tail);
        let next = number + 1;
        let name = files::name(next, 0, Part::Data);
        let temporary = format!("{name}.tmp");
        let none = HashSet::new();
        let mut group =
            GroupBuilder::new(self.shared.seal, next, SEGMENT_HEADER as u64, tail.sequence, &none, Vec::new());
        for record in &tail.records {
            let body = bytes.get(record.body.clone()).unwrap_or_default();
            let key = Key::stored(&record.name);
            match record.kind {
                Kind::Data => match names.get(&record.id).cloned().or_else(|| self.shared.name_of(record.id)) {
                    Some(subject) => group.data(record.id, &subject, record.position, [body]),
                    None => self.recovery.damaged_places.push(format!("{name}: subject {} has no name", record.id)),
                },
                Kind::Put => group.key(&key, record.position, Some(body)),
                Kind::Delete => group.key(&key, record.position, None),
                Kind::Define | Kind::Tally => {}
            }
            self.max_revision = self.max_revision.max(if matches!(record.kind, Kind::Put | Kind::Delete) {
                record.position
            } else {
                0
            });
        }
        let group = group.finish();
        let end = SEGMENT_HEADER as u64 + group.bytes.len() as u64;
        let confirm = GroupBuilder::new(self.shared.seal, next, end, tail.sequence + 1, &none, Vec::new()).finish();

        let header = SegmentHeader {
            segment: next,
            generation: 0,
            base_sequence: tail.sequence,
            revision: self.max_revision,
            next_id: self.shared.names.read().next_id(),
        };
        let file = self.room_for_tail(&temporary, end + end / 8, (number, generation), tail.end)?;
        file.write_at(&header.to_bytes(self.shared.seal, &self.shared.identity.incarnation), 0)?;
        file.write_at(&group.bytes, SEGMENT_HEADER as u64)?;
        file.write_at(&confirm.bytes, end)?;
        file.sync_data()?;
        self.shared.storage.rename(&temporary, &name)?;
        self.shared.storage.sync_dir()?;
        self.cut_old(number, generation, tail.offset, found, old.is_some())?;

        let size = file.len()?;
        self.adopt(next, &group);
        let defined = group
            .placed
            .iter()
            .filter_map(|placed| if let Placed::Define { id, .. } = placed { Some(*id) } else { None })
            .collect();
        self.shared.index.write().publish(next, &confirm);
        Ok(Active { number: next, file, size, end: end + confirm.bytes.len() as u64, defined })
    }

    /// A file for the copy of the last group. Smaller than a segment if the volume has no more; and if it has not even that, what the old segment has reserved
    /// behind its last group is given up.
    fn room_for_tail(
        &self,
        name: &str,
        least: u64,
        (number, generation): (u64, u32),
        used: u64,
    ) -> io::Result<Arc<dyn File>> {
        let storage = &self.shared.storage;
        let full = match storage.create(name, self.shared.options.segment_bytes.max(least)) {
            Err(error) if is_full(&error) => storage.create(name, least),
            created => return created,
        };
        match full {
            Err(error) if is_full(&error) => {
                let old = self.shared.files.get(number, generation, Part::Data)?;
                old.resize(used.min(old.len()?))?;
                storage.create(name, least)
            }
            created => created,
        }
    }

    /// The old segment ends before the group that was copied.
    fn cut_old(&mut self, number: u64, generation: u32, end: u64, found: &Scan, keep: bool) -> io::Result<()> {
        if !keep {
            self.shared.files.remove(number, generation)?;
            return self.shared.storage.sync_dir();
        }
        let file = self.shared.files.get(number, generation, Part::Data)?;
        file.resize(end)?;
        file.sync_data()?;
        match self.shared.seal_segment(number, generation, &found.index) {
            // Its index is in memory, so the keeper seals it when there is space.
            Err(error) if is_full(&error) => {
                tracing::warn!(error = %error, segment = number, "segment not sealed, will be tried again");
                Ok(())
            }
            sealed => sealed,
        }
    }

    /// The copied group becomes readable.
    fn adopt(&mut self, number: u64, group: &Group) {
        let mut names = self.shared.names.write();
        for placed in &group.placed {
            if let Placed::Define { id, name } = placed {
                names.insert_if_new(*id, name);
            }
        }
        let mut index = self.shared.index.write();
        index.begin(number, 0, SEGMENT_HEADER as u64);
        index.publish(number, group);
        for stream in names.all() {
            if let Some((_, _, last)) = index.marks(stream.id) {
                stream.durable.send_replace(Position(last));
            }
        }
    }

    fn tail_names(&self, found: &Scan, tail: &Tail) -> BTreeMap<u32, Subject> {
        let mut names = found.index.names.clone();
        for record in tail.records.iter().filter(|record| record.kind == Kind::Define) {
            names.insert(record.id, Subject::stored(&record.name));
        }
        names
    }
}
