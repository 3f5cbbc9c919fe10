//! Opening a log: what a start finds, and what it does before anything is read or appended.
//!
//! Sealed segments are known by their sidecars, so only the last segment is scanned, whatever the log holds. Its last group is not believed, even if it
//! verifies: it may have been written without its sync having succeeded, and then the page cache shows bytes that the device may never have got; a sync of
//! the same file would succeed and prove nothing. So its records are written anew into a new segment, that segment is synced under a temporary name, and only
//! then is it renamed and the old one cut before the group. This is done at every start, so it needs no marker of the failure, which a failing disk
//! might not have taken. A log that was closed, or had a second of rest, ends in a group without records: then nothing has to be copied.

mod last;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::files::{self, Files, Part};
use super::format::{SEGMENT_HEADER, Seal, SegmentHeader};
use super::options::{OpenError, Options, Recovery};
use super::own::trim_of;
use super::places::SegmentIndex;
use super::scan::{Scan, scan};
use super::shared::Shared;
use super::sidecar::{self, Summary};
use super::storage::{Storage, is_full};
use super::write::{Active, Writer, create};
use super::{format, identity};
use crate::{Damage, Key, Position, SpaceLevel};

/// Opens the log. The writer is to be run in a thread of its own.
pub(super) fn open(storage: Arc<dyn Storage>, options: Options) -> Result<(Arc<Shared>, Writer, Recovery), OpenError> {
    let place = storage.place();
    let identity = identity::load(&*storage, &options)?;
    let shared = Arc::new(Shared {
        seal: Seal::of(&identity),
        files: Files::new(storage.clone()),
        storage,
        options,
        identity,
        names: Default::default(),
        queue: Default::default(),
        work: Default::default(),
        room: Default::default(),
        index: Default::default(),
        tail: Default::default(),
        space: tokio::sync::watch::Sender::new(SpaceLevel::Free),
        keep: Default::default(),
        keep_work: Default::default(),
        repair: Default::default(),
    });
    let mut opening = Opening { shared: shared.clone(), recovery: Recovery::default(), max_revision: 0 };
    let (active, sequence) =
        opening.run().map_err(|source| OpenError::Storage { place, what: "reading its segments", source })?;
    let recovery = opening.recovery;
    let writer = Writer { shared: shared.clone(), active, sequence, unconfirmed: false, buffer: Vec::new() };
    Ok((shared, writer, recovery))
}

struct Opening {
    shared: Arc<Shared>,
    recovery: Recovery,
    max_revision: u64,
}

impl Opening {
    /// Loads all segments, and returns the one to write to and the sequence of the last group.
    fn run(&mut self) -> io::Result<(Active, u64)> {
        let mut segments = self.tidy()?;
        let last = loop {
            let Some((number, generation)) = segments.pop_last() else { break None };
            let bytes = self.shared.read_segment(number, generation)?;
            let found = scan(self.shared.seal, number, &bytes, u64::MAX, true);
            if found.header.is_some() || found.tail.is_some() {
                break Some((number, generation, bytes, found));
            }
            // It was being made when the process died: nothing was ever written to it.
            self.shared.files.remove(number, generation)?;
        };
        let numbers: Vec<(u64, u32)> = segments.into_iter().collect();
        for (at, (number, generation)) in numbers.iter().enumerate() {
            let next = numbers
                .get(at + 1)
                .map_or(last.as_ref().and_then(|(.., found)| found.header), |(n, g)| self.header(*n, *g));
            self.load_sealed(*number, *generation, next.map_or(u64::MAX, |header| header.base_sequence))?;
        }
        let before = numbers.last().map_or(0, |(number, _)| *number);
        let opened = match last {
            Some((number, generation, bytes, found)) => self.load_last(number, generation, &bytes, found)?,
            None => self.begin(before + 1, 1)?,
        };
        self.apply_trims();
        self.shared.queue.lock().revision = self.max_revision;
        self.recovery.segments = self.shared.index.read().segments.len();
        Ok(opened)
    }

    /// Removes what an interrupted step left, and returns the newest generation of each segment.
    fn tidy(&self) -> io::Result<BTreeMap<u64, u32>> {
        let names = self.shared.storage.list()?;
        let mut newest = BTreeMap::new();
        for (number, generation, part) in names.iter().filter_map(|name| files::parse(name)) {
            let known = newest.entry(number).or_insert(generation);
            if part == Part::Data {
                *known = generation.max(*known);
            }
        }
        for name in &names {
            let old = files::parse(name)
                .is_some_and(|(number, generation, _)| newest.get(&number).is_some_and(|newest| generation < *newest));
            let orphan = files::parse(name).is_some_and(|(number, generation, part)| {
                part == Part::Sidecar && !names.contains(&files::name(number, generation, Part::Data))
            });
            if old || orphan || name.ends_with(".tmp") || name == "reserve" {
                self.shared.storage.remove(name)?;
            }
        }
        newest.retain(|number, generation| names.contains(&files::name(*number, *generation, Part::Data)));
        Ok(newest)
    }

    fn header(&self, number: u64, generation: u32) -> Option<SegmentHeader> {
        let file = self.shared.files.get(number, generation, Part::Data).ok()?;
        let mut bytes = vec![0; SEGMENT_HEADER];
        file.read_at(&mut bytes, 0).ok()?;
        SegmentHeader::read(self.shared.seal, &bytes)
    }

    /// A segment that is not written to any more: by its sidecar, or by a scan that makes one.
    fn load_sealed(&mut self, number: u64, generation: u32, below: u64) -> io::Result<()> {
        let summary = match self.shared.files.get(number, generation, Part::Sidecar) {
            Ok(file) => sidecar::read_summary(self.shared.seal, number, generation, &*file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(summary) = summary {
            self.load(number, generation, &summary, None);
            return Ok(());
        }
        let bytes = self.shared.read_segment(number, generation)?;
        let found = scan(self.shared.seal, number, &bytes, below, false);
        match self.seal_scanned(number, generation, &bytes, &found) {
            Ok(summary) => self.load(number, generation, &summary, None),
            // A full volume keeps nothing from being read: its index stays in memory until the keeper can seal it.
            Err(error) if is_full(&error) => {
                tracing::warn!(error = %error, segment = number, "segment not sealed, will be tried again");
                let summary = Summary::of(&found.index, |id| self.shared.name_of(id));
                self.load(number, generation, &summary, Some(Arc::new(found.index)));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Cuts a scanned segment to its groups and writes its sidecar.
    fn seal_scanned(&mut self, number: u64, generation: u32, bytes: &[u8], found: &Scan) -> io::Result<Summary> {
        self.report(number, generation, bytes, found);
        for (id, name) in &found.index.names {
            self.shared.names.write().insert_if_new(*id, name);
        }
        let file = self.shared.files.get(number, generation, Part::Data)?;
        file.resize(found.index.end)?;
        file.sync_data()?;
        self.shared.write_sidecar(number, generation, &found.index)
    }

    fn load(&mut self, number: u64, generation: u32, summary: &Summary, index: Option<Arc<SegmentIndex>>) {
        self.max_revision = self.max_revision.max(summary.revision);
        {
            let mut names = self.shared.names.write();
            for range in &summary.ranges {
                let last = (range.first + u64::from(range.count)).saturating_sub(1);
                names.insert(range.id, &range.name, Position(last));
            }
        }
        self.shared.index.write().load(number, generation, summary, index);
    }

    /// Notes damage that a scan has found.
    fn report(&mut self, number: u64, generation: u32, bytes: &[u8], found: &Scan) {
        if found.broken.is_empty() {
            return;
        }
        let name = files::name(number, generation, Part::Data);
        for range in &found.broken {
            let place = format!("{name}:{}+{}", range.start, range.end - range.start);
            tracing::error!(place = %place, log = %self.shared.storage.place(), "stored bytes are damaged");
            self.recovery.damaged_places.push(place);
        }
        for (id, run) in &found.index.runs {
            let Some(subject) = found.index.names.get(id).cloned().or_else(|| self.shared.name_of(*id)) else {
                continue;
            };
            for (position, at) in (run.first..).zip(&run.places) {
                let raw = bytes.get(at.offset as usize..at.offset as usize + at.len as usize).unwrap_or_default();
                let whole = format::RecordHeader::read(self.shared.seal, raw)
                    .is_some_and(|header| header.body_of(self.shared.seal, raw).is_some());
                if !whole {
                    let place = format!("{name}:{}", at.offset);
                    let damage = Damage { from: Position(position), to: Position(position), place };
                    self.recovery.lost.push((subject.clone(), damage));
                }
            }
        }
    }

    /// An empty segment to write to.
    fn begin(&mut self, number: u64, sequence: u64) -> io::Result<(Active, u64)> {
        let active = create(&self.shared, number, self.shared.options.segment_bytes, sequence)?;
        self.shared.index.write().begin(number, 0, SEGMENT_HEADER as u64);
        Ok((active, sequence.saturating_sub(1)))
    }

    /// Trims count again from where they were durable.
    fn apply_trims(&self) {
        let keys: Vec<(u32, Key)> =
            self.shared.index.read().keys.keys().filter_map(|key| Some((trim_of(key)?, key.clone()))).collect();
        for (id, key) in keys {
            if let Ok(Some((_, value))) = self.shared.read_key(&key)
                && let Ok(before) = <[u8; 8]>::try_from(value.as_ref())
            {
                self.shared.index.write().trimmed(id, u64::from_le_bytes(before));
            }
        }
    }
}
