//! What comes while as much waits as may, where its documents have that set aside (`backlog.onFull: quarantine`).
//!
//! What waits already stays and is sent in its turn; what comes anew goes to PARK with its reason, also when it stands
//! in OUT far behind what the window holds: a destination that is away for days must not hide it. Such places are
//! remembered until reading comes to them, and found again after a restart by their outcomes, as is all else that had
//! ended. How much waits is looked at a few times a second, so the bound may be exceeded by what comes in between.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use barid_log::Position;
use barid_model::record::{OutRecord, Record as _};
use barid_model::{Finding, Partition, Timestamp};
use barid_pipeline::subject;

use super::{Owner, OwnerError, READ};

/// How often it is looked at how much waits.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Most that is set aside ahead of reading: a start reads that many outcomes again, about 50 bytes each. At the bound
/// channels that lead here are refused.
pub(super) const AHEAD_MAX: u64 = 1_000_000;
/// Most pieces it may lie in, 24 bytes each; as at [`AHEAD_MAX`].
const PIECES_MAX: usize = 65_536;

/// How much may wait for a destination before what comes anew is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Deliveries.
    pub messages: u64,
    /// The wait of the oldest; none: however long.
    pub age: Option<Duration>,
}

/// Positions of a partition that have ended, and where the first of their outcomes may stand.
#[derive(Debug, Clone, Copy)]
struct Piece {
    from: u64,
    to: u64,
    outcome: u64,
}

/// What is set aside because too much waits.
#[derive(Debug, Default)]
pub(super) struct Overflow {
    /// Whether the plan asked for it when it was last looked at.
    asked: bool,
    full: bool,
    aged: bool,
    look_at: Timestamp,
    /// By partition: everything up to here came while there was room.
    taken: HashMap<Partition, u64>,
    /// By partition: what came anew is set aside up to here.
    reached: HashMap<Partition, u64>,
    /// Ended and not yet read in its turn.
    ahead: HashMap<Partition, VecDeque<Piece>>,
    count: u64,
    pieces: usize,
    /// Whether OUT holds more to set aside.
    behind: bool,
}

impl Overflow {
    /// What the owner before had ended above its commit, with where the outcomes stand.
    pub(super) fn open(mut before: Vec<((Partition, u64), u64)>) -> Self {
        let mut overflow = Self::default();
        before.sort_unstable();
        for ((partition, position), outcome) in before {
            overflow.add(partition, position, outcome);
        }
        overflow
    }

    /// Whether this position has ended already: where its outcome may stand. Positions are asked for in order.
    pub(super) fn passed(&mut self, partition: Partition, position: u64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let pieces = self.ahead.get_mut(&partition)?;
        while let Some(lost) = pieces.front().filter(|piece| piece.to < position) {
            // Its last positions could not be read.
            self.count = self.count.saturating_sub(lost.to + 1 - lost.from);
            self.pieces -= 1;
            pieces.pop_front();
        }
        let piece = pieces.front_mut().filter(|piece| piece.from <= position)?;
        let outcome = piece.outcome;
        self.count = self.count.saturating_sub(position + 1 - piece.from);
        piece.from = position + 1;
        if piece.to == position {
            pieces.pop_front();
            self.pieces -= 1;
        }
        Some(outcome)
    }

    /// The first outcome of what has ended and is not yet read in its turn.
    pub(super) fn outcomes_from(&self) -> Option<u64> {
        self.ahead.values().flatten().map(|piece| piece.outcome).min()
    }

    /// How much has ended and is not yet read in its turn.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Whether no more can be set aside.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.count >= AHEAD_MAX || self.pieces >= PIECES_MAX
    }

    /// When it is looked at next.
    pub(super) fn wakes_at(&self) -> Option<Timestamp> {
        self.asked.then_some(if self.behind { Timestamp::default() } else { self.look_at })
    }

    fn is_new(&self, partition: Partition, position: u64) -> bool {
        self.asked && self.taken.get(&partition).is_none_or(|taken| position > *taken)
    }

    /// Notes that this position has ended, wherever it is among those that have.
    pub(super) fn add(&mut self, partition: Partition, position: u64, outcome: u64) {
        let pieces = self.ahead.entry(partition).or_default();
        let at = pieces.partition_point(|piece| piece.from <= position);
        match at.checked_sub(1).and_then(|before| pieces.get_mut(before)) {
            Some(piece) if position <= piece.to => return,
            Some(piece) if piece.to + 1 == position => {
                piece.to = position;
                piece.outcome = piece.outcome.min(outcome);
            }
            _ => {
                pieces.insert(at, Piece { from: position, to: position, outcome });
                self.pieces += 1;
            }
        }
        self.count += 1;
    }

    /// Whether this position has ended and is not yet read in its turn.
    pub(super) fn has_ended(&self, (partition, position): (Partition, u64)) -> bool {
        let Some(pieces) = self.ahead.get(&partition) else { return false };
        let at = pieces.partition_point(|piece| piece.from <= position);
        at.checked_sub(1).and_then(|before| pieces.get(before)).is_some_and(|piece| position <= piece.to)
    }
}

/// Why it is set aside.
pub(super) fn reason() -> Finding {
    let text = "as much waited for the destination as its backlog allows: run it again when there is room";
    Finding::error(207, "", "backlog.full", text)
}

impl Owner {
    /// Sets aside what came anew while too much waits, as far as reading does not come to it by itself.
    pub(super) async fn overflow(&mut self) -> Result<(), OwnerError> {
        let Some(bound) = self.plan.overflow else {
            self.overflow.asked = false;
            return Ok(());
        };
        if self.now() >= self.overflow.look_at {
            self.look(bound)?;
        }
        self.overflow.behind = false;
        // What is set aside is held here until it is written.
        if self.overflow.full && !self.takes_more() && !self.overflow.is_exhausted() && self.may_append() {
            self.set_aside_ahead().await?;
        }
        Ok(())
    }

    /// How many more may be taken of what is read now, and whether this position is one of those it is asked for.
    pub(super) fn has_place(&self, taken: u64, partition: Partition, position: u64) -> bool {
        let Some(bound) = self.plan.overflow else { return true };
        let fits = !self.overflow.aged && taken < bound.messages;
        fits || !self.overflow.is_new(partition, position)
    }

    /// How much waits of what was read; 0 where nobody asks.
    pub(super) fn taken(&self) -> u64 {
        let asked = self.plan.overflow.is_some();
        if asked { self.window.waiting_in_out() + self.parking.depth() } else { 0 }
    }

    fn look(&mut self, bound: Bound) -> Result<(), OwnerError> {
        let now = self.now();
        self.overflow.look_at = now.plus(LOOK_EVERY);
        let mut ends = Vec::new();
        let mut unread = 0;
        for partition in self.options.partitions.all() {
            let end = self.end_of_out(partition)?;
            unread += end.saturating_sub(self.window.read(partition));
            ends.push((partition, end));
        }
        let waits = self.taken() + unread.saturating_sub(self.overflow.count);
        let oldest = self.window.oldest().map(|oldest| self.options.clock.now().since(oldest));
        self.overflow.aged = bound.age.is_some_and(|max| oldest.is_some_and(|age| age >= max));
        let full = self.overflow.aged || waits >= bound.messages;
        if full && !self.overflow.full {
            tracing::warn!(destination = %self.options.destination, "backlog is full: what comes for it is set aside");
        } else if !full && self.overflow.full {
            tracing::info!(destination = %self.options.destination, "backlog has room again");
        }
        self.overflow.full = full;
        // What was there when it was first asked for is not new either.
        if !full || !std::mem::replace(&mut self.overflow.asked, true) {
            self.overflow.taken.extend(ends);
        }
        self.overflow.asked = true;
        Ok(())
    }

    fn end_of_out(&self, partition: Partition) -> Result<u64, OwnerError> {
        let subject = subject::out(&self.options.destination, partition)?;
        let end = *self.options.log.changed(&subject).borrow();
        Ok(end.0)
    }

    /// Sets aside a batch of what stands in OUT behind all that is to be sent.
    async fn set_aside_ahead(&mut self) -> Result<(), OwnerError> {
        for partition in self.options.partitions.all() {
            let taken = self.overflow.taken.get(&partition).copied().unwrap_or(0);
            let reached = self.overflow.reached.get(&partition).copied().unwrap_or(0);
            let from = taken.max(self.window.read(partition)).max(reached) + 1;
            if self.end_of_out(partition)? < from {
                continue;
            }
            let subject = subject::out(&self.options.destination, partition)?;
            let batch = self.options.log.read(&subject, Position(from), READ).await?;
            for entry in batch.entries {
                let position = entry.position.0;
                let record = OutRecord::decode(entry.record).map_err(|source| OwnerError::Record {
                    subject: subject.to_string(),
                    position,
                    source,
                })?;
                self.overflow.reached.insert(partition, position);
                // A person has decided on it.
                if self.overflow.has_ended((partition, position)) {
                    continue;
                }
                let outcome = self.writing.next().0;
                self.write_ahead(Arc::new(record), (partition, position), reason());
                self.overflow.add(partition, position, outcome);
            }
            self.overflow.behind = true;
            return Ok(());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
