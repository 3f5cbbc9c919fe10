//! Who waits for whom: a queue for each lane, and the barriers of each facility. A message that asks for no order waits
//! for nobody, and nobody for it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use barid_model::record::OutRecord;
use barid_model::{Lane, Lanes};

use super::EntryId;

/// All members of a facility, and which of them are barriers; both in order of admission.
#[derive(Debug, Default)]
struct Facility {
    members: BTreeSet<EntryId>,
    barriers: BTreeSet<EntryId>,
}

/// The queues of all lanes in the window.
#[derive(Debug, Default)]
pub(super) struct LaneQueues {
    lanes: HashMap<Lane, VecDeque<EntryId>>,
    facilities: HashMap<Arc<str>, Facility>,
    /// How many of a lane are accepted, not recorded, and out of its queue.
    ahead: HashMap<Lane, usize>,
}

impl LaneQueues {
    /// Whether one more of each of its lanes may be sent ahead of its record.
    pub(super) fn may_go_ahead(&self, record: &OutRecord, bound: usize) -> bool {
        let lanes = record.lanes.as_slice();
        !lanes.is_empty() && lanes.iter().all(|lane| self.ahead.get(lane).copied().unwrap_or(0) + 1 < bound)
    }

    /// Counts it as accepted and not recorded.
    pub(super) fn ahead(&mut self, record: &OutRecord) {
        for lane in record.lanes.as_slice() {
            *self.ahead.entry(*lane).or_default() += 1;
        }
    }

    /// It is recorded.
    pub(super) fn caught_up(&mut self, record: &OutRecord) {
        for lane in record.lanes.as_slice() {
            if let Some(ahead) = self.ahead.get_mut(lane) {
                *ahead -= 1;
                if *ahead == 0 {
                    self.ahead.remove(lane);
                }
            }
        }
    }

    /// Puts an entry at the end of its lanes.
    pub(super) fn push(&mut self, id: EntryId, record: &OutRecord) {
        if record.lanes == Lanes::None {
            return;
        }
        for lane in record.lanes.as_slice() {
            self.lanes.entry(*lane).or_default().push_back(id);
        }
        let facility = self.facilities.entry(Arc::clone(&record.facility)).or_default();
        facility.members.insert(id);
        if record.lanes == Lanes::Barrier {
            facility.barriers.insert(id);
        }
    }

    /// Whether nothing before it has to be finished first.
    pub(super) fn is_head(&self, id: EntryId, record: &OutRecord) -> bool {
        if record.lanes == Lanes::None {
            return true;
        }
        let Some(facility) = self.facilities.get(&record.facility) else { return true };
        if record.lanes == Lanes::Barrier {
            return facility.members.first() == Some(&id);
        }
        facility.barriers.first().is_none_or(|barrier| *barrier > id)
            && record.lanes.as_slice().iter().all(|lane| self.front(*lane) == Some(id))
    }

    /// Whether anything waits for it.
    pub(super) fn has_followers(&self, id: EntryId, record: &OutRecord) -> bool {
        let Some(facility) = self.facilities.get(&record.facility) else { return false };
        let others = |members: &BTreeSet<EntryId>| members.last().is_some_and(|last| *last > id);
        let lanes = || record.lanes.as_slice().iter().filter_map(|lane| self.lanes.get(lane));
        match record.lanes {
            Lanes::None => false,
            Lanes::Barrier => others(&facility.members),
            _ => others(&facility.barriers) || lanes().any(|queue| queue.back().is_some_and(|last| *last > id)),
        }
    }

    /// Takes an entry out, wherever it stands; returns who may be head now.
    pub(super) fn pop(&mut self, id: EntryId, record: &OutRecord) -> Vec<EntryId> {
        let mut candidates = Vec::new();
        for lane in record.lanes.as_slice() {
            if let Some(queue) = self.lanes.get_mut(lane) {
                if queue.front() == Some(&id) {
                    queue.pop_front();
                } else {
                    queue.retain(|other| *other != id);
                }
                match queue.front() {
                    Some(next) => candidates.push(*next),
                    None => drop(self.lanes.remove(lane)),
                }
            }
        }
        if let Some(facility) = self.facilities.get_mut(&record.facility) {
            facility.members.remove(&id);
            let was_barrier = facility.barriers.remove(&id);
            let barrier = facility.barriers.first().copied();
            if was_barrier {
                let until = barrier.map_or_else(|| facility.members.range(..), |next| facility.members.range(..next));
                candidates.extend(until.copied());
            }
            candidates.extend(barrier.filter(|barrier| facility.members.first() == Some(barrier)));
            if facility.members.is_empty() {
                self.facilities.remove(&record.facility);
            }
        }
        candidates
    }

    fn front(&self, lane: Lane) -> Option<EntryId> {
        self.lanes.get(&lane)?.front().copied()
    }
}
