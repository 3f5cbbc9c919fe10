//! The finished prefix of one partition of OUT: what may be committed.

use std::collections::VecDeque;

/// Positions read and not yet below the committed point.
#[derive(Debug, Default)]
pub struct Prefix {
    /// Everything up to here is finished.
    finished: u64,
    /// Positions above it in order; of a finished one the place of its outcome.
    open: VecDeque<(u64, Option<u64>)>,
    /// Finished ones among them.
    ended: u64,
}

impl Prefix {
    /// All up to `committed` is finished.
    #[must_use]
    pub const fn new(committed: u64) -> Self {
        Self { finished: committed, open: VecDeque::new(), ended: 0 }
    }

    /// A position was read; positions come in order, gaps are what was trimmed or lost.
    pub fn read(&mut self, position: u64) {
        if position > self.last() {
            self.open.push_back((position, None));
        }
    }

    /// A position is finished; `outcome` is where OUTCOME says so, [`u64::MAX`] where PARK does.
    pub fn finish(&mut self, position: u64, outcome: u64) {
        let at = self.open.partition_point(|(open, _)| *open < position);
        if let Some((open, finished)) = self.open.get_mut(at)
            && *open == position
        {
            self.ended += u64::from(finished.replace(outcome).is_none());
        }
        while let Some((position, Some(_))) = self.open.front().copied() {
            self.finished = position;
            self.open.pop_front();
            self.ended = self.ended.saturating_sub(1);
        }
    }

    /// How many positions above the finished prefix are finished.
    #[must_use]
    pub const fn ended_above(&self) -> u64 {
        self.ended
    }

    /// The last position of the finished prefix.
    #[must_use]
    pub const fn finished(&self) -> u64 {
        self.finished
    }

    /// What was parked from this position has ended too: OUTCOME says so from now on, since PARK may be trimmed.
    pub fn tell(&mut self, position: u64, outcome: u64) {
        let at = self.open.partition_point(|(open, _)| *open < position);
        if let Some((open, Some(told))) = self.open.get_mut(at)
            && *open == position
        {
            *told = outcome;
        }
    }

    /// The first outcome of a position above the finished prefix: OUTCOME is read again from there.
    #[must_use]
    pub fn outcomes_from(&self) -> Option<u64> {
        self.open.iter().filter_map(|(_, outcome)| *outcome).filter(|outcome| *outcome != u64::MAX).min()
    }

    /// The last position read.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.open.back().map_or(self.finished, |(position, _)| *position)
    }

    /// The oldest position that is not finished.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        self.open.front().map(|(position, _)| *position)
    }
}
