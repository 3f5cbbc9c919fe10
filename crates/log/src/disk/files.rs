//! Names of the files of segments, and a bounded set of open ones.
//!
//! A segment's name has its number and its generation (how often compaction rewrote it). Files never change their meaning under a name, so a reader that
//! planned with an older generation either still has the old file or finds none, and plans again.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::storage::{File, Storage};

/// Open files kept, data and sidecars: far below the usual 1,024 a process may have, more than the segments that readers are in at a time.
const OPEN_FILES: usize = 128;

/// Which of a segment's two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// The groups.
    Data,
    /// The index beside it.
    Sidecar,
}

/// The name of a segment's file.
pub(super) fn name(segment: u64, generation: u32, part: Part) -> String {
    let end = match part {
        Part::Data => "seg",
        Part::Sidecar => "idx",
    };
    format!("{segment:012}.{generation:04}.{end}")
}

/// The segment, generation and part of a file's name, if it is one.
pub(super) fn parse(name: &str) -> Option<(u64, u32, Part)> {
    let mut parts = name.split('.');
    let (segment, generation, end) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
    let part = match end {
        "seg" => Part::Data,
        "idx" => Part::Sidecar,
        _ => return None,
    };
    parts.next().is_none().then_some((segment, generation, part))
}

type Key = (u64, u32, Part);

/// Open files, the least recently used closed first.
pub(super) struct Files {
    storage: Arc<dyn Storage>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    files: HashMap<Key, (Arc<dyn File>, u64)>,
    clock: u64,
}

impl Files {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, open: Mutex::new(Open::default()) }
    }

    /// A segment's file; `NotFound` when compaction has replaced or removed it.
    pub(super) fn get(&self, segment: u64, generation: u32, part: Part) -> io::Result<Arc<dyn File>> {
        let key = (segment, generation, part);
        let mut open = self.open.lock();
        open.clock += 1;
        let clock = open.clock;
        if let Some((file, used)) = open.files.get_mut(&key) {
            *used = clock;
            return Ok(file.clone());
        }
        let file = self.storage.open(&name(segment, generation, part))?;
        if open.files.len() >= OPEN_FILES
            && let Some(oldest) = open.files.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key)
        {
            open.files.remove(&oldest);
        }
        open.files.insert(key, (file.clone(), clock));
        Ok(file)
    }

    /// Closes and removes a segment's files.
    pub(super) fn remove(&self, segment: u64, generation: u32) -> io::Result<()> {
        for part in [Part::Data, Part::Sidecar] {
            self.open.lock().files.remove(&(segment, generation, part));
            match self.storage.remove(&name(segment, generation, part)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Forgets an open sidecar, as another has been put in its place.
    pub(super) fn reopen_sidecar(&self, segment: u64, generation: u32) {
        self.open.lock().files.remove(&(segment, generation, Part::Sidecar));
    }
}
