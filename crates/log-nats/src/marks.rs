//! Where positions of a subject are in its stream, as far as reads have shown.
//!
//! A mark says: no position from this one on is before that sequence, and none below it is at that sequence or after. What was once true of a block stays
//! true, so marks need no care when blocks are trimmed; they only save the search.

use std::collections::VecDeque;

/// Marks kept a subject: some readers, each at its own place, and what a search has passed.
const MOST: usize = 32;

/// Marks of one subject, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Marks(VecDeque<(u64, u64)>);

impl Marks {
    /// Notes that `position` is at `sequence` or after, and all before it are before that.
    pub(crate) fn note(&mut self, position: u64, sequence: u64) {
        self.0.retain(|(known, _)| *known != position);
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back((position, sequence));
    }

    /// The closest mark at or below a position.
    pub(crate) fn below(&self, position: u64) -> Option<(u64, u64)> {
        self.0.iter().copied().filter(|(known, _)| *known <= position).max()
    }

    /// The closest mark above it.
    pub(crate) fn above(&self, position: u64) -> Option<(u64, u64)> {
        self.0.iter().copied().filter(|(known, _)| *known > position).min()
    }
}
