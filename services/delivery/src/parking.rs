//! Parking: which lanes wait in PARK, and what may come back from there.
//!
//! A lane that is held (a person must act) or that stalls would keep the window's start for ever. Its messages, and all
//! that follow them in the lane, go to PARK instead, and the window moves on. A message with a parked lane is parked
//! and parks its other lanes, so that nothing overtakes it in any of them.
//!
//! A parked lane is *held* or *draining*. Draining lanes come back through scans of PARK in order: a record comes back
//! when none of its lanes is held or has an earlier record that could not come back. When the last record of a lane has
//! ended, the lane is open again and new messages go straight to the window. What is held in memory is per parked lane
//! plus two bits a parked record; what is quarantined stands in PARK too, but in nobody's way.

mod bits;
mod held;
mod late;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use barid_model::record::{OutRecord, Parked};
use barid_model::{Lane, Lanes};

use bits::Bits;
use late::Late;
pub use scan::{Offer, Scan};

/// Most parked lanes of a destination; at the bound it pauses. About 100 bytes each.
pub const PARKED_LANES_MAX: usize = 100_000;
/// Most records of one parked lane in the window at once: enough to keep it flowing, few enough that released lanes
/// cannot fill the window.
pub const PER_LANE_IN_WINDOW: u32 = 32;

/// What a lane waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A person.
    Held,
    /// Its channel to be resumed.
    Paused,
    /// Its turn.
    Draining,
}

#[derive(Debug, Clone)]
struct LanePark {
    mode: Mode,
    /// Below this position all its records are in the window or have ended; 0 while its first is being written.
    low: u64,
    /// Position of its last record.
    last: u64,
    /// Records that have not ended, those being written included.
    remaining: u32,
    /// Records that are in the window.
    in_window: u32,
}

#[derive(Debug, Default)]
struct FacilityPark {
    /// Its parked queues.
    queues: u32,
    /// Its first parked record since it has any; a barrier comes back only in a pass that began there.
    first: u64,
    /// The highest place in OUT of what was parked.
    highest: u64,
    /// What was parked after something that comes behind it in OUT: it was on its way when its lane was closed.
    late: Vec<Late>,
}

/// A lane, or all of a facility for a barrier that is parked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Queue {
    Lane(Lane),
    Facility(Arc<str>),
}

/// The parked lanes of one destination.
#[derive(Debug, Default)]
pub struct Parking {
    queues: HashMap<Queue, LanePark>,
    facilities: HashMap<Arc<str>, FacilityPark>,
    ended: Bits,
    admitted: Bits,
    end: u64,
    scan: Option<Scan>,
    /// Records that stand in PARK and have not ended, by why.
    waiting: HashMap<Parked, u64>,
    /// Records that were parked for another reason and hold their lanes by now.
    held_later: HashSet<u64>,
    /// Records whose destination may have them already, as far as that is not in the record itself.
    doubted: HashSet<u64>,
    /// Records without a lane that stand in PARK and are not set aside.
    loose: BTreeSet<u64>,
    /// Records that a person has to decide on, with what waits for them.
    held: BTreeMap<u64, Vec<Queue>>,
    /// Held records that a person let go on.
    released: HashSet<u64>,
    /// Records that a person has decided on, until that is durable: they stand, and do not come back.
    decided: HashSet<u64>,
}

impl Parking {
    /// Whether this message must be parked, because something before it is.
    #[must_use]
    pub fn blocks(&self, record: &OutRecord) -> bool {
        if self.queues.is_empty() {
            return false;
        }
        let facility = || self.queues.contains_key(&Queue::Facility(Arc::clone(&record.facility)));
        match &record.lanes {
            Lanes::Barrier => self.facilities.contains_key(&record.facility),
            Lanes::None => false,
            Lanes::Of(lanes) => lanes.iter().any(|lane| self.queues.contains_key(&Queue::Lane(*lane))) || facility(),
        }
    }

    /// How many lanes are parked.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.queues.len()
    }

    /// How many records wait in PARK for this reason.
    #[must_use]
    pub fn waiting(&self, why: Parked) -> u64 {
        self.waiting.get(&why).copied().unwrap_or(0)
    }

    /// How many records wait in PARK for their turn or for a person, quarantined ones apart.
    #[must_use]
    pub fn depth(&self) -> u64 {
        self.waiting.iter().filter(|(why, _)| **why != Parked::Quarantined).map(|(_, count)| count).sum()
    }

    /// How many records stand in PARK, quarantined ones included.
    #[must_use]
    pub fn standing(&self) -> u64 {
        self.waiting.values().sum()
    }

    /// The first position that stands, and how many records there are from it on.
    pub fn span(&mut self) -> (u64, u64) {
        let first = self.trim_before();
        (first, (self.end + 1).saturating_sub(first))
    }

    /// A message is about to be written to PARK: its lanes are closed from now on, and it counts in them. `out` is its
    /// place in OUT, which is the order that counts.
    pub fn reserve(&mut self, record: &OutRecord, why: Parked, out: u64) {
        if why == Parked::Quarantined {
            return;
        }
        self.note_order(record, why, out);
        for queue in queues(record) {
            let facility = &mut self.facilities;
            let park = self.queues.entry(queue).or_insert_with(|| {
                facility.entry(Arc::clone(&record.facility)).or_default().queues += 1;
                LanePark { mode: Mode::Draining, low: 0, last: 0, remaining: 0, in_window: 0 }
            });
            park.remaining += 1;
            match why {
                Parked::Held => park.mode = Mode::Held,
                Parked::Paused if park.mode == Mode::Draining => park.mode = Mode::Paused,
                _ => {}
            }
        }
    }

    /// A reserved record stands in PARK at this position.
    pub fn parked(&mut self, position: u64, why: Parked, out: u64, record: &OutRecord) {
        self.end = self.end.max(position);
        *self.waiting.entry(why).or_default() += 1;
        if why == Parked::Quarantined {
            return;
        }
        let mut drains = true;
        if why == Parked::Held {
            self.held.insert(position, queues(record));
        }
        if record.lanes == Lanes::None {
            self.loose.insert(position);
        }
        for queue in queues(record) {
            if let Some(park) = self.queues.get_mut(&queue) {
                if park.low == 0 {
                    park.low = position;
                }
                park.last = position;
                drains &= park.mode == Mode::Draining;
            }
        }
        if record.lanes != Lanes::None {
            if let Some(facility) = self.facilities.get_mut(&record.facility).filter(|facility| facility.first == 0) {
                facility.first = position;
            }
            self.late_stands(position, order(why, out), &record.facility);
        }
        if drains {
            self.rescan(position);
        }
    }

    /// The record at this position waits no more; lanes without records are open again.
    pub fn end(&mut self, position: u64, why: Parked, delivery: &OutRecord) {
        if self.ended.contains(position) {
            return;
        }
        self.ended.insert(position);
        self.loose.remove(&position);
        self.doubted.remove(&position);
        self.held.remove(&position);
        let was_in_window = self.admitted.remove(position);
        let counted = self.why(position, why);
        self.held_later.remove(&position);
        self.released.remove(&position);
        self.decided.remove(&position);
        if let Some(waiting) = self.waiting.get_mut(&counted) {
            *waiting = waiting.saturating_sub(1);
        }
        if why == Parked::Quarantined {
            return;
        }
        let mut from = self.waited_for_late(position, &delivery.facility);
        if let Some(facility) = self.facilities.get_mut(&delivery.facility) {
            facility.late.retain(|late| late.position != position);
        }
        for queue in queues(delivery) {
            let Some(park) = self.queues.get_mut(&queue) else { continue };
            park.remaining = park.remaining.saturating_sub(1);
            park.in_window = park.in_window.saturating_sub(u32::from(was_in_window));
            if counted == Parked::Held && park.mode == Mode::Held {
                park.mode = Mode::Draining;
            }
            if park.remaining == 0 {
                self.queues.remove(&queue);
                self.open_facility(&delivery.facility);
            } else if park.in_window <= PER_LANE_IN_WINDOW / 2 && park.low <= park.last {
                from = Some(from.map_or(park.low, |first| first.min(park.low)));
            }
        }
        // A barrier may have waited for the last lane of its facility.
        let barrier = Queue::Facility(Arc::clone(&delivery.facility));
        if let Some(park) = self.queues.get(&barrier).filter(|park| park.in_window == 0) {
            let first = self.facilities.get(&delivery.facility).map_or(park.low, |facility| facility.first);
            from = Some(from.map_or(first, |from| from.min(first)));
        }
        if let Some(from) = from {
            self.rescan(from);
        }
    }

    /// Whether what stands at this position waits no more.
    #[must_use]
    pub fn has_ended(&self, position: u64) -> bool {
        position > self.end || self.ended.contains(position)
    }

    /// A record that only says that another has ended needs nothing itself.
    pub fn end_marker(&mut self, position: u64) {
        self.end = self.end.max(position);
        self.ended.insert(position);
    }

    /// The destination may have the record at this position already.
    pub fn doubt(&mut self, position: u64) {
        self.doubted.insert(position);
    }

    /// Whether the destination may have the record at this position already.
    #[must_use]
    pub fn is_doubted(&self, position: u64) -> bool {
        self.doubted.contains(&position)
    }

    /// The record was taken back out of the window.
    pub fn withdrawn(&mut self, position: u64, delivery: &OutRecord) {
        if self.admitted.remove(position) {
            for queue in queues(delivery) {
                if let Some(park) = self.queues.get_mut(&queue) {
                    park.in_window = park.in_window.saturating_sub(1);
                    park.low = park.low.min(position);
                }
            }
        }
    }

    /// A channel was resumed: lanes that waited for one are looked at again.
    pub fn resume(&mut self) {
        let mut from: Option<u64> = None;
        for park in self.queues.values_mut().filter(|park| park.mode == Mode::Paused) {
            park.mode = Mode::Draining;
            from = Some(from.map_or(park.low, |first| first.min(park.low)));
        }
        if let Some(first) = self.loose.first() {
            from = Some(from.map_or(*first, |from| from.min(*first)));
        }
        if let Some(from) = from {
            self.rescan(from);
        }
    }

    /// Everything below this position has ended: PARK may be trimmed before it.
    pub fn trim_before(&mut self) -> u64 {
        self.ended.compact();
        self.ended.first_missing().min(self.end + 1)
    }

    /// PARK begins here; what is below was trimmed.
    pub fn begin(&mut self, first: u64) {
        self.ended = Bits::from(first);
        self.admitted = Bits::from(first);
        self.end = first.saturating_sub(1);
    }

    fn open_facility(&mut self, facility: &Arc<str>) {
        if let Some(park) = self.facilities.get_mut(facility) {
            park.queues = park.queues.saturating_sub(1);
            if park.queues == 0 {
                self.facilities.remove(facility);
            }
        }
    }
}

/// The place in its lanes of a parked record: as in OUT; a re-run comes last.
fn order(why: Parked, out: u64) -> u64 {
    if why == Parked::Rerun { u64::MAX } else { out }
}

/// The queues a record stands in: its lanes, or its whole facility for a barrier.
fn queues(record: &OutRecord) -> Vec<Queue> {
    match &record.lanes {
        Lanes::Barrier => vec![Queue::Facility(Arc::clone(&record.facility))],
        Lanes::None => Vec::new(),
        Lanes::Of(lanes) => lanes.iter().map(|lane| Queue::Lane(*lane)).collect(),
    }
}
