//! A set of positions above a base, one bit each.

use std::collections::VecDeque;

/// Positions, dense above a base that moves up as the lowest are all set.
#[derive(Debug, Default)]
pub(super) struct Bits {
    /// Positions below this one are in the set.
    base: u64,
    words: VecDeque<u64>,
}

impl Bits {
    /// All below `first` is in the set.
    pub(super) fn from(first: u64) -> Self {
        Self { base: first / 64 * 64, words: VecDeque::from([(1_u64 << (first % 64)) - 1]) }
    }

    pub(super) fn insert(&mut self, position: u64) {
        let Some((word, bit)) = self.place(position) else { return };
        while self.words.len() <= word {
            self.words.push_back(0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
    }

    /// Removes it; whether it was there. Only used on sets whose base does not move.
    pub(super) fn remove(&mut self, position: u64) -> bool {
        let Some((word, bit)) = self.place(position) else { return false };
        let Some(word) = self.words.get_mut(word) else { return false };
        let was = *word & bit != 0;
        *word &= !bit;
        was
    }

    pub(super) fn contains(&self, position: u64) -> bool {
        match self.place(position) {
            None => true,
            Some((word, bit)) => self.words.get(word).is_some_and(|word| word & bit != 0),
        }
    }

    /// The lowest position that is not in the set.
    pub(super) fn first_missing(&self) -> u64 {
        let mut at = self.base;
        for word in &self.words {
            if *word != u64::MAX {
                return at + u64::from(word.trailing_ones());
            }
            at += 64;
        }
        at
    }

    /// Frees the words whose positions are all in the set.
    pub(super) fn compact(&mut self) {
        while self.words.front() == Some(&u64::MAX) {
            self.words.pop_front();
            self.base += 64;
        }
    }

    fn place(&self, position: u64) -> Option<(usize, u64)> {
        let above = position.checked_sub(self.base)?;
        Some((usize::try_from(above / 64).ok()?, 1 << (above % 64)))
    }
}
