//! A pass over PARK in order: which records come back into the window now.
//!
//! A pass starts at the first record of a lane that may drain. A record that cannot come back closes all its lanes for
//! the rest of the pass to what comes behind it in OUT, so that nothing overtakes. When something changes behind the pass (a lane is
//! released, a record ended), the next pass starts there.

use std::collections::HashMap;
use std::sync::Arc;

use barid_model::Lanes;
use barid_model::record::{ParkRecord, Parked};

use super::{Mode, PER_LANE_IN_WINDOW, Parking, Queue, order, queues};

/// Where a pass stands.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    start: u64,
    next: u64,
    /// The last position it has any use for.
    until: u64,
    /// Where the next pass begins, if anything changed behind this one.
    again: Option<u64>,
    /// What could not come back in this pass: of each queue, and of each facility, the first in order.
    closed: HashMap<Queue, u64>,
    closed_facilities: HashMap<Arc<str>, u64>,
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
        if paused {
            self.pause(&all);
        }
        let open = !paused && self.may_come_back(position, record, &all, &mut scan);
        if open {
            self.admit(position, &record.delivery.facility, &all, &mut scan);
        } else if !all.is_empty() {
            let order = order(record.why, record.out.1);
            let first = |at: &mut u64| *at = order.min(*at);
            let facility = Arc::clone(&record.delivery.facility);
            scan.closed_facilities.entry(facility).and_modify(first).or_insert(order);
            for queue in all {
                scan.closed.entry(queue).and_modify(first).or_insert(order);
            }
        }
        self.scan = Some(scan);
        if open { Offer::Admit } else { Offer::Pass }
    }

    fn pause(&mut self, all: &[Queue]) {
        for queue in all {
            if let Some(park) = self.queues.get_mut(queue).filter(|park| park.mode == Mode::Draining) {
                park.mode = Mode::Paused;
            }
        }
    }

    fn may_come_back(&self, position: u64, record: &ParkRecord, all: &[Queue], scan: &mut Scan) -> bool {
        if self.is_decided(position) {
            return false;
        }
        if all.is_empty() {
            return self.why(position, record.why) != Parked::Held;
        }
        let order = order(record.why, record.out.1);
        let (facility, lanes) = (&record.delivery.facility, &record.delivery.lanes);
        let barrier = *lanes == Lanes::Barrier;
        let before = |closed: Option<&u64>| closed.is_none_or(|closed| order < *closed);
        before(scan.closed.get(&Queue::Facility(Arc::clone(facility))))
            && all.iter().all(|queue| before(scan.closed.get(queue)))
            && (!barrier || before(scan.closed_facilities.get(facility)))
            && !self.waits_for_late(position, order, facility, lanes)
            && self.is_past_barriers(facility, position, scan)
            && all.iter().all(|queue| self.may_drain(queue, scan))
            && (!barrier || self.began_before(facility, scan))
    }

    fn admit(&mut self, position: u64, facility: &Arc<str>, all: &[Queue], scan: &mut Scan) {
        self.admitted.insert(position);
        if let Some(first) = self.waited_for_late(position, facility) {
            scan.again = Some(scan.again.map_or(first, |again| again.min(first)));
        }
        for queue in all {
            let Some(park) = self.queues.get_mut(queue) else { continue };
            park.in_window += 1;
            if scan.closed.contains_key(queue) {
                // What waited for this one stands before it.
                scan.again = Some(scan.again.map_or(park.low, |again| again.min(park.low)));
            } else {
                park.low = park.low.max(position + 1);
            }
        }
    }

    /// Whether something stands further on in PARK that comes before it in OUT.
    fn waits_for_late(&self, position: u64, order: u64, facility: &Arc<str>, lanes: &Lanes) -> bool {
        let Some(park) = self.facilities.get(facility) else { return false };
        park.late.iter().any(|late| {
            let shares = match (&late.lanes, lanes) {
                (Lanes::Barrier, _) | (_, Lanes::Barrier) => true,
                (late, own) => late.as_slice().iter().any(|lane| own.as_slice().contains(lane)),
            };
            shares && late.position > position && late.order < order && !self.admitted.contains(late.position)
        })
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
