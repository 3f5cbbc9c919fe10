//! What went wrong with deliveries so far: their last tries, for who asks why something is still on its way.
//!
//! A record in the log for each try would be more than the messages themselves while a destination is down, so this is
//! kept in memory alone, of the deliveries that failed last, and gone with the process. What ended, how often it was tried
//! and why it was set aside is in OUTCOME and PARK. A text here holds no word of a receiver: those may be patient data.

use std::collections::HashMap;

pub use barid_custody::tried::{Trouble, Try};
use barid_model::{DeliveryId, Timestamp};

/// Deliveries of one destination whose tries are kept; about 1 KiB each.
const DELIVERIES_MAX: usize = 1_024;
/// Tries of a delivery that are kept, the newest.
const TRIES_MAX: usize = 8;

/// The deliveries that failed last.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    by: HashMap<DeliveryId, Trouble>,
}

impl Troubles {
    /// A try failed.
    pub(super) fn failed(&mut self, id: DeliveryId, tried: Try) {
        if self.by.len() >= DELIVERIES_MAX && !self.by.contains_key(&id) {
            self.make_room();
        }
        push(self.by.entry(id).or_default(), tried);
    }

    /// A try ended the delivery; it is noted where others failed before.
    pub(super) fn ended(&mut self, id: DeliveryId, tried: Try) {
        if let Some(trouble) = self.by.get_mut(&id) {
            push(trouble, tried);
        }
    }

    /// When it may be tried again.
    pub(super) fn next(&mut self, id: DeliveryId, at: Option<Timestamp>) {
        if let Some(trouble) = self.by.get_mut(&id) {
            trouble.next = at;
        }
    }

    pub(super) fn of(&self, id: DeliveryId) -> Option<&Trouble> {
        self.by.get(&id)
    }

    fn make_room(&mut self) {
        let last = |trouble: &Trouble| trouble.tries.back().map(|last| last.at);
        if let Some(oldest) = self.by.iter().min_by_key(|(_, trouble)| last(trouble)).map(|(id, _)| *id) {
            self.by.remove(&oldest);
        }
    }
}

fn push(trouble: &mut Trouble, tried: Try) {
    if trouble.tries.len() == TRIES_MAX {
        trouble.tries.pop_front();
    }
    trouble.tries.push_back(tried);
    trouble.next = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(number: u32) -> Try {
        Try { number, at: Timestamp::from_millis(i64::from(number)), text: "closed".into() }
    }

    #[test]
    fn the_last_tries_are_kept_of_the_deliveries_that_failed_last() {
        let mut troubles = Troubles::default();
        let id = |number: u32| DeliveryId::from_bytes(u128::from(number).to_be_bytes());
        for number in 1..=20 {
            troubles.failed(id(0), tried(number));
        }
        let numbers: Vec<u32> = troubles.of(id(0)).unwrap().tries.iter().map(|tried| tried.number).collect();
        assert_eq!(numbers, [13, 14, 15, 16, 17, 18, 19, 20]);
        for number in 1..=DELIVERIES_MAX as u32 {
            troubles.failed(id(number), tried(20 + number));
        }
        assert_eq!((troubles.by.len(), troubles.of(id(0))), (DELIVERIES_MAX, None));
        troubles.ended(id(5_000_000), tried(1));
        assert_eq!(troubles.of(id(5_000_000)), None, "what went well at once is not kept");
    }
}
