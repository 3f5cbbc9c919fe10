//! The keeper: a second thread for what must not hold up the writer.
//!
//! It seals segments (cuts them to size, writes their sidecars), watches free space, and lets compaction take its steps. The three levels of space come from
//! `statvfs`, and from two facts that `statvfs` does not know under a quota: whether the reserve file could be made again, and whether a small allocation
//! succeeds. Space returns by levels with some slack, so that the log does not flap at a threshold.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::files::{self, Part};
use super::places::SegmentIndex;
use super::scan::scan;
use super::shared::Shared;
use super::sidecar::{self, Summary};
use crate::{LogError, Purpose, SpaceLevel};

/// Segments that may wait to be sealed before the writer waits: each holds its index in memory, at worst some megabytes.
const WAITING_SEALS: usize = 4;
/// Part of the reserve that must be free, and can be allocated, before an exhausted log takes outcomes and commits again: 4 MiB, some ten thousand of them.
const PROBE_PART: u64 = 16;
/// The reserve's file.
const RESERVE: &str = "reserve";
/// The file that shows whether an allocation succeeds.
const PROBE: &str = "probe.tmp";

/// What the keeper has to do and knows.
#[derive(Default)]
pub(super) struct KeepState {
    seals: VecDeque<u64>,
    stop: bool,
    /// Whether the reserve file exists.
    reserve: bool,
    /// A write failed for lack of space although the reserve was gone.
    exhausted: bool,
}

impl Shared {
    /// Runs until the log closes or fails.
    pub(super) fn keep(self: Arc<Self>) {
        let mut last = Instant::now();
        loop {
            let seals = {
                let mut keep = self.keep.lock();
                let wait = self.options.keep_every.saturating_sub(last.elapsed());
                if keep.seals.is_empty() && !keep.stop && !wait.is_zero() {
                    self.keep_work.wait_for(&mut keep, wait);
                }
                let seals = std::mem::take(&mut keep.seals);
                if keep.stop && seals.is_empty() {
                    return;
                }
                self.keep_work.notify_all();
                seals
            };
            if matches!(self.queue.lock().closed, Some(LogError::Failed(_))) {
                return;
            }
            for segment in seals {
                self.try_seal(segment);
            }
            if last.elapsed() >= self.options.keep_every {
                last = Instant::now();
                self.retry_seals();
                self.compact();
                self.check_space();
            }
        }
    }

    /// Ends the keeper.
    pub(super) fn stop_keeping(&self) {
        self.keep.lock().stop = true;
        self.keep_work.notify_all();
    }

    /// Hands a full segment to the keeper; waits while too many wait.
    pub(super) fn seal_later(&self, segment: u64) {
        let mut keep = self.keep.lock();
        while keep.seals.len() >= WAITING_SEALS && !keep.stop {
            self.keep_work.wait(&mut keep);
        }
        keep.seals.push_back(segment);
        self.keep_work.notify_all();
    }

    fn try_seal(&self, segment: u64) {
        let Some((generation, index)) =
            self.index.read().segments.get(&segment).and_then(|s| Some((s.generation, s.index.clone()?)))
        else {
            return;
        };
        if let Err(error) = self.seal_segment(segment, generation, &index) {
            tracing::warn!(error = %error, segment, "segment not sealed, will be tried again");
        }
    }

    /// Seals what could not be sealed before: all segments with an index in memory but the newest, which is being written.
    fn retry_seals(&self) {
        let mut waiting: Vec<u64> =
            self.index.read().segments.iter().filter(|(_, s)| s.index.is_some()).map(|(number, _)| *number).collect();
        waiting.pop();
        for segment in waiting {
            self.try_seal(segment);
        }
    }

    /// Cuts a segment to its size, writes its sidecar, and forgets its places.
    pub(super) fn seal_segment(&self, segment: u64, generation: u32, index: &SegmentIndex) -> io::Result<()> {
        let file = self.files.get(segment, generation, Part::Data)?;
        file.resize(index.end)?;
        file.sync_data()?;
        let summary = self.write_sidecar(segment, generation, index)?;
        self.index.write().sealed(segment, &summary);
        Ok(())
    }

    /// Writes a sidecar; it has its name only when it is whole.
    pub(super) fn write_sidecar(&self, segment: u64, generation: u32, index: &SegmentIndex) -> io::Result<Summary> {
        let summary = Summary::of(index, |id| self.name_of(id));
        let bytes = sidecar::encode(self.seal, segment, generation, &summary, index);
        let name = files::name(segment, generation, Part::Sidecar);
        let temporary = format!("{name}.tmp");
        let file = self.storage.create(&temporary, 0)?;
        file.write_at(&bytes, 0)?;
        file.sync_data()?;
        self.storage.rename(&temporary, &name)?;
        self.storage.sync_dir()?;
        self.files.reopen_sidecar(segment, generation);
        Ok(summary)
    }

    /// Makes the sidecar of a sealed segment anew if it is not whole.
    pub(super) fn repair(&self, segment: u64, generation: u32) -> io::Result<()> {
        let _one = self.repair.lock();
        let whole = match self.files.get(segment, generation, Part::Sidecar) {
            Ok(file) => sidecar::read_index(self.seal, segment, generation, &*file)?.is_some(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if whole {
            return Ok(());
        }
        tracing::warn!(segment, "index of a segment is damaged, making it anew");
        let bytes = self.read_segment(segment, generation)?;
        let found = scan(self.seal, segment, &bytes, u64::MAX, false);
        let summary = self.write_sidecar(segment, generation, &found.index)?;
        self.index.write().sealed(segment, &summary);
        Ok(())
    }

    /// All bytes of a segment.
    pub(super) fn read_segment(&self, segment: u64, generation: u32) -> io::Result<Vec<u8>> {
        let file = self.files.get(segment, generation, Part::Data)?;
        let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(0)];
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// A write has failed for lack of space. Which purposes have to give way.
    pub(super) fn give_up_reserve(&self) -> (SpaceLevel, &'static [Purpose]) {
        let had = {
            let mut keep = self.keep.lock();
            let had = std::mem::take(&mut keep.reserve);
            keep.exhausted |= !had;
            had
        };
        let (level, purposes): (_, &'static [Purpose]) = if had && self.storage.remove(RESERVE).is_ok() {
            (SpaceLevel::NoRouting, &[Purpose::Intake, Purpose::Routing])
        } else {
            self.keep.lock().exhausted = true;
            (SpaceLevel::Exhausted, &Purpose::ALL)
        };
        self.space.send_if_modified(|now| std::mem::replace(now, level.max(*now)) < level);
        (level, purposes)
    }

    /// Looks at the volume, makes the reserve again if it can be, and sets the level.
    pub(super) fn check_space(&self) {
        let Ok(free) = self.storage.free_bytes() else { return };
        let options = &self.options;
        let now = *self.space.borrow();
        // From a level upwards only with an eighth more than its floor.
        let slack = |floor: u64, level: SpaceLevel| if now >= level { floor + floor / 8 } else { floor };
        let (mut reserve, mut exhausted) = {
            let keep = self.keep.lock();
            (keep.reserve, keep.exhausted)
        };
        let probe = options.reserve_bytes / PROBE_PART;
        if exhausted && free >= probe && self.allocate(PROBE, probe) {
            drop(self.storage.remove(PROBE));
            exhausted = false;
        }
        if !reserve && !exhausted && free >= options.reserve_bytes.saturating_add(probe) {
            reserve = self.allocate(RESERVE, options.reserve_bytes);
        }
        {
            let mut keep = self.keep.lock();
            (keep.reserve, keep.exhausted) = (reserve, exhausted);
        }
        let level = if exhausted {
            SpaceLevel::Exhausted
        } else if !reserve || free < slack(options.routing_floor, SpaceLevel::NoRouting) {
            SpaceLevel::NoRouting
        } else if free < slack(options.intake_floor, SpaceLevel::NoIntake) {
            SpaceLevel::NoIntake
        } else {
            SpaceLevel::Free
        };
        if level != now {
            tracing::warn!(level = ?level, free_bytes = free, "free space of the log's volume has another level");
            self.space.send_replace(level);
        }
    }

    fn allocate(&self, name: &str, bytes: u64) -> bool {
        self.storage.create(name, bytes).is_ok()
    }
}
