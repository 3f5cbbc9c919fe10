//! A pass over PARK in order: which records come back into the window now.
//!
//! A pass starts at the first record of a lane that may drain. A record that cannot come back closes all its lanes for
//! the rest of the pass, so that nothing behind it overtakes. When something changes behind the pass (a lane is
//! released, a record ended), the next pass starts there.

use std::collections::HashSet;
use std::sync::Arc;

use barid_model::Lanes;
use barid_model::record::{ParkRecord, Parked};

use super::{Mode, PER_LANE_IN_WINDOW, Parking, Queue, queues};

/// Where a pass stands.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    start: u64,
    next: u64,
    /// The last position it has any use for.
    until: u64,
    /// Where the next pass begins, if anything changed behind this one.
    again: Option<u64>,
    closed: HashSet<Queue>,
    closed_facilities: HashSet<Arc<str>>,
}

/// What to do with a record that a pass met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Put it into the window.
    Admit,
    /// Go on.
    Pass,
}

impl Parking {
    /// Where PARK should be read now; none where nothing can come back.
    #[must_use]
    pub fn wants(&mut self) -> Option<u64> {
        let scan = self.scan.as_ref()?;
        if scan.next > scan.until {
            self.scan = scan.again.map(|from| self.pass(from)).filter(|scan| scan.next <= scan.until);
        }
        self.scan.as_ref().map(|scan| scan.next)
    }

    /// Something at or behind `from` may come back now.
    pub(super) fn rescan(&mut self, from: u64) {
        let from = from.max(1);
        match &mut self.scan {
            None => self.scan = Some(self.pass(from)),
            Some(scan) => scan.again = Some(scan.again.map_or(from, |again| again.min(from))),
        }
    }

    fn pass(&self, from: u64) -> Scan {
        let draining = self.queues.values().filter(|park| park.mode == Mode::Draining);
        let until = draining.map(|park| park.last).max().unwrap_or(0);
        // Records without a lane are in no queue.
        let until = until.max(self.loose.last().copied().unwrap_or(0));
        Scan { start: from, next: from, until: until.max(from.min(self.end)), ..Scan::default() }
    }

    /// The pass has read up to `next`, whatever was there.
    pub fn passed(&mut self, next: u64) {
        if let Some(scan) = &mut self.scan {
            scan.next = scan.next.max(next);
        }
    }

    /// Judges the record at a position the pass has come to; `paused` where its channel is.
    pub fn offer(&mut self, position: u64, record: &ParkRecord, paused: bool) -> Offer {
        self.passed(position + 1);
        if record.why == Parked::Quarantined || self.ended.contains(position) || self.admitted.contains(position) {
            return Offer::Pass;
        }
        let Some(mut scan) = self.scan.take() else { return Offer::Pass };
        let all = queues(&record.delivery);
        let facility = &record.delivery.facility;
        let free = !all.is_empty()
            || self.why(position, record.why) != Parked::Held
            || position <= self.freed_up_to
            || self.freed.contains(&position);
        if paused {
            for queue in &all {
                if let Some(park) = self.queues.get_mut(queue).filter(|park| park.mode == Mode::Draining) {
                    park.mode = Mode::Paused;
                }
            }
        }
        let mut open = free && !paused && (all.is_empty() || self.is_past_barriers(facility, position, &mut scan));
        for queue in &all {
            open &= !scan.closed.contains(queue) && self.may_drain(queue, &mut scan);
        }
        if record.delivery.lanes == Lanes::Barrier {
            open &= !scan.closed_facilities.contains(facility) && self.began_before(facility, &mut scan);
        }
        if open {
            self.admitted.insert(position);
            for queue in &all {
                if let Some(park) = self.queues.get_mut(queue) {
                    park.in_window += 1;
                    park.low = park.low.max(position + 1);
                }
            }
        } else if !all.is_empty() {
            scan.closed_facilities.insert(Arc::clone(facility));
            scan.closed.extend(all);
        }
        self.scan = Some(scan);
        if open { Offer::Admit } else { Offer::Pass }
    }

    fn may_drain(&self, queue: &Queue, scan: &mut Scan) -> bool {
        let Some(park) = self.queues.get(queue) else { return false };
        // An earlier record of this lane stands before the pass: it has to be met first.
        let behind = park.low != 0 && park.low < scan.start;
        if behind && park.mode == Mode::Draining {
            scan.again = Some(scan.again.map_or(park.low, |again| again.min(park.low)));
        }
        park.mode == Mode::Draining && park.in_window < PER_LANE_IN_WINDOW && !behind
    }

    /// Whether no barrier of the facility that stands before this position still waits in PARK.
    fn is_past_barriers(&self, facility: &Arc<str>, position: u64, scan: &mut Scan) -> bool {
        let barrier = Queue::Facility(Arc::clone(facility));
        if scan.closed.contains(&barrier) {
            return false;
        }
        let Some(park) = self.queues.get(&barrier).filter(|park| park.remaining > park.in_window) else { return true };
        if park.low != 0 && park.low < scan.start && park.low < position {
            scan.again = Some(scan.again.map_or(park.low, |again| again.min(park.low)));
            return false;
        }
        true
    }

    fn began_before(&self, facility: &Arc<str>, scan: &mut Scan) -> bool {
        let first = self.facilities.get(facility).map_or(0, |park| park.first);
        if first < scan.start {
            scan.again = Some(scan.again.map_or(first.max(1), |again| again.min(first.max(1))));
        }
        first >= scan.start
    }
}
