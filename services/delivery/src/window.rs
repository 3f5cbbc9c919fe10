//! The window: what a destination's owner has read and not finished, and which of it may be sent now.
//!
//! It reads no clock and does no I/O, so that a simulation can drive it through thousands of histories. An entry is
//! *ready* when it is the head of all its lanes; it leaves when its outcome is durable, and only then is the next of
//! its lanes ready. A barrier waits for everything of its facility before it, and everything after waits for it. The
//! prefix of finished entries of each partition is what may be committed.

mod entry;
mod lanes;
mod prefix;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use barid_model::record::OutRecord;
use barid_model::{Partition, Timestamp};

pub use entry::{Entry, EntryId, Phase, Place};
use lanes::LaneQueues;
pub use prefix::Prefix;

/// Most entries a destination holds in memory: enough that 16 connections never wait for a read, bounded by what a
/// restart has to read again.
pub const WINDOW_ENTRIES: usize = 4_096;
/// Most bytes of payload a destination holds in memory; one larger message is taken alone.
pub const WINDOW_BYTES: usize = 64 << 20;

/// What a destination's owner has read and not finished.
#[derive(Debug, Default)]
pub struct Window {
    entries: HashMap<EntryId, Entry>,
    lanes: LaneQueues,
    prefixes: HashMap<Partition, Prefix>,
    ready: VecDeque<EntryId>,
    timers: BTreeSet<(Timestamp, EntryId)>,
    next: EntryId,
    bytes: usize,
}

impl Window {
    /// Whether another entry may be read into it.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.entries.len() < WINDOW_ENTRIES && self.bytes < WINDOW_BYTES
    }

    /// Entries in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of payload in it.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Begins a partition behind its committed position.
    pub fn begin(&mut self, partition: Partition, committed: u64) {
        self.prefixes.insert(partition, Prefix::new(committed));
    }

    /// Notes a position that has nothing to send: its outcome is known already, or it cannot be read.
    /// `outcome` is where its outcome stands, [`u64::MAX`] where it has none in OUTCOME.
    pub fn skip(&mut self, partition: Partition, position: u64, outcome: u64) {
        let prefix = self.prefixes.entry(partition).or_default();
        prefix.read(position);
        prefix.finish(position, outcome);
    }

    /// Puts an entry at the end of its lanes.
    pub fn admit(&mut self, entry: Entry) -> EntryId {
        let id = self.next;
        self.next = id.next();
        if let Place::Out { partition, position } = entry.place {
            self.prefixes.entry(partition).or_default().read(position);
        }
        self.bytes += entry.record.payload.len();
        self.lanes.push(id, &entry.record);
        let later = entry.not_before;
        self.entries.insert(id, entry);
        match later {
            Some(at) => self.wait_until(id, at),
            None => self.make_ready(id),
        }
        id
    }

    /// The entry.
    #[must_use]
    pub fn get(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// The entry, to count an attempt.
    pub fn get_mut(&mut self, id: EntryId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    /// Takes the next entry that may be sent, if `allowed` lets it; what it does not let stays ready.
    pub fn take_ready(&mut self, allowed: impl Fn(&Entry) -> bool) -> Option<EntryId> {
        let at = self.ready.iter().position(|id| self.entries.get(id).is_some_and(&allowed))?;
        let id = self.ready.remove(at)?;
        self.entries.get_mut(&id)?.phase = Phase::Sending;
        Some(id)
    }

    /// Takes of what may be sent the one that ranks first; what has no rank stays ready.
    pub fn take_first<R: Ord>(&mut self, rank: impl Fn(EntryId, &Entry) -> Option<R>) -> Option<EntryId> {
        let ranks = self.ready.iter().enumerate().filter_map(|(at, id)| {
            let rank = self.entries.get(id).and_then(|entry| rank(*id, entry))?;
            Some((rank, at))
        });
        let (_, at) = ranks.min()?;
        let id = self.ready.remove(at)?;
        self.entries.get_mut(&id)?.phase = Phase::Sending;
        Some(id)
    }

    /// Whether this one could be sent now.
    #[must_use]
    pub fn is_ready(&self, id: EntryId) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.phase == Phase::Ready)
    }

    /// Whether any entry could be sent but for `allowed`.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The entry's answer is known and being recorded.
    pub fn recording(&mut self, id: EntryId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if let Some(trace) = &mut entry.trace {
            trace.recording();
        }
        if std::mem::replace(&mut entry.phase, Phase::Recording) == Phase::Ready {
            self.ready.retain(|ready| *ready != id);
        }
    }

    /// The entry is sent again at once when a slot is free: the destination backs off, not the lane.
    pub fn again(&mut self, id: EntryId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.phase = Phase::Ready;
            self.ready.push_front(id);
        }
    }

    /// The entry is sent again after `at`; its lanes wait for it.
    pub fn wait_until(&mut self, id: EntryId, at: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&id) {
            if std::mem::replace(&mut entry.phase, Phase::BackingOff) == Phase::Ready {
                self.ready.retain(|ready| *ready != id);
            }
            entry.not_before = Some(at);
            self.timers.insert((at, id));
        }
    }

    /// When the next back-off of a lane ends.
    #[must_use]
    pub fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Makes ready what has waited long enough.
    pub fn elapse(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, id));
            if let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.phase == Phase::BackingOff) {
                entry.phase = Phase::Waiting;
                entry.not_before = None;
                self.make_ready(id);
            }
        }
    }

    /// The entry's outcome is durable at this position of OUTCOME, or it is durably parked ([`u64::MAX`]): it leaves,
    /// and what waited for it may be ready.
    pub fn finish(&mut self, id: EntryId, outcome: u64) -> Option<Entry> {
        let entry = self.leave(id)?;
        if let Place::Out { partition, position } = entry.place {
            self.prefixes.entry(partition).or_default().finish(position, outcome);
        }
        Some(entry)
    }

    /// What was parked from this position of OUT has ended; its outcome is durable.
    pub fn tell(&mut self, out: (Partition, u64), outcome: u64) {
        if let Some(prefix) = self.prefixes.get_mut(&out.0) {
            prefix.tell(out.1, outcome);
        }
    }

    /// The entry was accepted and its outcome is being recorded: the next of its lanes may go ahead of the record, as
    /// far as `bound` allows (1: not at all).
    pub fn go_ahead(&mut self, id: EntryId, bound: usize) {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| !entry.gone_ahead) else { return };
        if !self.lanes.may_go_ahead(&entry.record, bound) {
            return;
        }
        entry.gone_ahead = true;
        let record = Arc::clone(&entry.record);
        self.lanes.ahead(&record);
        for candidate in self.lanes.pop(id, &record) {
            self.make_ready(candidate);
        }
    }

    /// The first outcome that has to be read again if everything above the finished prefixes is read again.
    #[must_use]
    pub fn outcomes_from(&self) -> Option<u64> {
        self.prefixes.values().filter_map(Prefix::outcomes_from).min()
    }

    /// Whether something waits for this entry to end.
    #[must_use]
    pub fn has_followers(&self, id: EntryId) -> bool {
        self.entries.get(&id).is_some_and(|entry| self.lanes.has_followers(id, &entry.record))
    }

    /// Takes an entry out whose place is in PARK, where it goes on waiting.
    pub fn withdraw(&mut self, id: EntryId) -> Option<Entry> {
        self.leave(id)
    }

    fn leave(&mut self, id: EntryId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.bytes = self.bytes.saturating_sub(entry.record.payload.len());
        if let Some(at) = entry.not_before {
            self.timers.remove(&(at, id));
        }
        if entry.phase == Phase::Ready {
            self.ready.retain(|ready| *ready != id);
        }
        if entry.gone_ahead {
            self.lanes.caught_up(&entry.record);
        } else {
            for candidate in self.lanes.pop(id, &entry.record) {
                self.make_ready(candidate);
            }
        }
        Some(entry)
    }

    /// Everything that may be taken out of the window now, in order: what is being sent or recorded may not.
    #[must_use]
    pub fn movable(&self) -> Vec<EntryId> {
        let mut ids: Vec<EntryId> =
            self.entries.iter().filter(|(_, entry)| entry.phase.is_movable()).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }

    /// What has held up a partition's prefix since before `since` by backing off again and again.
    #[must_use]
    pub fn stalled(&self, since: Timestamp) -> Vec<EntryId> {
        let heads: BTreeSet<(Partition, u64)> =
            self.prefixes.iter().filter_map(|(p, prefix)| prefix.oldest().map(|at| (*p, at))).collect();
        let mut stalled: Vec<EntryId> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.phase == Phase::BackingOff && entry.admitted <= since)
            .filter(|(_, entry)| match entry.place {
                Place::Out { partition, position } => heads.contains(&(partition, position)),
                Place::Park(_) => false,
            })
            .map(|(id, _)| *id)
            .collect();
        stalled.sort_unstable();
        stalled
    }

    /// The last position of a partition below which all is finished.
    #[must_use]
    pub fn finished(&self, partition: Partition) -> u64 {
        self.prefixes.get(&partition).map_or(0, Prefix::finished)
    }

    /// The last position of a partition that was read.
    #[must_use]
    pub fn read(&self, partition: Partition) -> u64 {
        self.prefixes.get(&partition).map_or(0, Prefix::last)
    }

    /// Received time of the oldest entry.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        self.entries.values().map(|entry| entry.record.received).min()
    }

    /// Entries whose place is in OUT and whose outcome is not being recorded.
    #[must_use]
    pub fn waiting_in_out(&self) -> u64 {
        let waits = |entry: &&Entry| matches!(entry.place, Place::Out { .. }) && entry.phase != Phase::Recording;
        self.entries.values().filter(waits).count() as u64
    }

    /// Positions that are finished above the finished prefixes.
    #[must_use]
    pub fn ended_above(&self) -> u64 {
        self.prefixes.values().map(Prefix::ended_above).sum()
    }

    /// Finds the entry of a delivery.
    #[must_use]
    pub fn find(&self, id: barid_model::DeliveryId) -> Option<EntryId> {
        self.entries.iter().find(|(_, entry)| entry.record.id == id).map(|(id, _)| *id)
    }

    fn make_ready(&mut self, id: EntryId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.phase == Phase::Waiting && self.lanes.is_head(id, &entry.record) {
            entry.phase = Phase::Ready;
            self.ready.push_back(id);
        }
    }
}

/// The facility and lanes of a record, as the window and the parking see them.
pub(crate) fn shares_lane(a: &OutRecord, b: &OutRecord) -> bool {
    use barid_model::Lanes::{Barrier, None, Of};
    let same_facility = Arc::ptr_eq(&a.facility, &b.facility) || a.facility == b.facility;
    match (&a.lanes, &b.lanes) {
        (None, _) | (_, None) => false,
        (Barrier, _) | (_, Barrier) => same_facility,
        (Of(a), Of(b)) => a.iter().any(|lane| b.contains(lane)),
    }
}
