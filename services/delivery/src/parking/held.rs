//! What waits for a person, and what a person decided: held lanes, their release, and records that are not to come back
//! until what was decided on them is durable.

use barid_model::Lane;
use barid_model::record::{OutRecord, Parked};

use super::{Mode, Parking, Queue, queues};

impl Parking {
    /// A person has decided on the record at this position: it does not come back, and its lanes wait until that is
    /// durable and [`Parking::end`] is called.
    pub fn decide(&mut self, position: u64) {
        self.decided.insert(position);
    }

    /// Whether a person has decided on what stands at this position.
    #[must_use]
    pub fn is_decided(&self, position: u64) -> bool {
        self.decided.contains(&position)
    }

    /// The lanes of this record, which stands in PARK, wait for a person from now on.
    pub fn hold(&mut self, position: u64, why: Parked, delivery: &OutRecord) {
        if why != Parked::Held && self.held_later.insert(position) {
            self.recount(why, Parked::Held);
        }
        self.released.remove(&position);
        self.held.insert(position, queues(delivery));
        for queue in queues(delivery) {
            if let Some(park) = self.queues.get_mut(&queue) {
                park.mode = Mode::Held;
            }
        }
    }

    fn recount(&mut self, from: Parked, to: Parked) {
        if let Some(waiting) = self.waiting.get_mut(&from) {
            *waiting = waiting.saturating_sub(1);
        }
        *self.waiting.entry(to).or_default() += 1;
    }

    /// Why the record at this position waits, where it was parked for `why`.
    #[must_use]
    pub fn why(&self, position: u64, why: Parked) -> Parked {
        if self.released.contains(&position) {
            Parked::Follows
        } else if self.held_later.contains(&position) {
            Parked::Held
        } else {
            why
        }
    }

    /// The held records of a lane, or all where none is named.
    #[must_use]
    pub fn holders(&self, lane: Option<Lane>) -> Vec<u64> {
        let wanted = |all: &[Queue]| lane.is_none_or(|lane| all.contains(&Queue::Lane(lane)));
        self.held.iter().filter(|(_, all)| wanted(all)).map(|(position, _)| *position).collect()
    }

    /// A person let the record held at this position go on, and its lanes with it; that is durable.
    pub fn release(&mut self, position: u64) {
        let Some(all) = self.held.remove(&position) else { return };
        self.released.insert(position);
        self.recount(Parked::Held, Parked::Follows);
        for queue in &all {
            if let Some(park) = self.queues.get_mut(queue).filter(|park| park.mode == Mode::Held) {
                park.mode = Mode::Draining;
            }
        }
        self.rescan(position);
    }

    /// The held lanes, for the status.
    pub fn held(&self) -> impl Iterator<Item = Lane> + '_ {
        self.queues.iter().filter(|(_, park)| park.mode == Mode::Held).filter_map(|(queue, _)| match queue {
            Queue::Lane(lane) => Some(*lane),
            Queue::Facility(_) => None,
        })
    }
}
