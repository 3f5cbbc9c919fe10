//! Noticing that documents changed, and waiting until whoever changes them is done.
//!
//! Editors write a file in several steps and git replaces many one after another, so a change is taken only when two
//! looks in a row see the same files, sizes and times, and the texts then read differ from the ones in effect. Some
//! file systems tell time in seconds; so every so often the texts are compared although nothing seems to have changed.
//! There is no clock here: the caller looks about once a second, on a thread that may block.

use std::path::{Path, PathBuf};

use barid_model::Digest;

use crate::load::{Sources, load_dir};

/// Every so many looks the texts are read although sizes and times are as before.
const LOOKS_UNTIL_READ: u32 = 30;

/// Watches a folder of documents.
#[derive(Debug)]
pub struct Watcher {
    root: PathBuf,
    /// What the caller has.
    taken: Digest,
    /// What the last look saw; none: nothing new.
    seen: Option<Sources>,
    /// The last reading, whose sizes and times are compared with.
    last: Sources,
    looks: u32,
}

impl Watcher {
    /// Watches the folder that `sources` were read from, for anything that differs from them.
    #[must_use]
    pub fn new(sources: &Sources) -> Self {
        let root = sources.root().to_owned();
        Self { root, taken: sources.digest(), seen: None, last: sources.clone(), looks: 0 }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Looks once; gives the new sources when they changed and have settled. Blocking.
    pub fn look(&mut self) -> Option<Sources> {
        self.looks += 1;
        if let Some(seen) = self.seen.take() {
            if seen.changed_since() {
                self.seen = Some(load_dir(&self.root));
                return None;
            }
            return self.take(seen);
        }
        if self.last.changed_since() || self.looks >= LOOKS_UNTIL_READ {
            self.looks = 0;
            let found = load_dir(&self.root);
            if found.digest() == self.taken && !found.unreadable {
                self.last = found;
            } else {
                self.seen = Some(found);
            }
        }
        None
    }

    fn take(&mut self, found: Sources) -> Option<Sources> {
        let digest = found.digest();
        self.last = found.clone();
        let is_news = digest != self.taken;
        self.taken = digest;
        is_news.then_some(found)
    }
}

#[cfg(test)]
mod tests;
