use super::*;
use crate::testing::{barrier, lanes, orderless, parked};
use barid_model::record::ParkRecord;

/// PARK as a list: position 1 is the first.
struct Park {
    parking: Parking,
    records: Vec<ParkRecord>,
}

impl Default for Park {
    fn default() -> Self {
        let mut parking = Parking::default();
        parking.begin(1);
        Self { parking, records: Vec::new() }
    }
}

impl Park {
    fn park(&mut self, why: Parked, out: u64, record: OutRecord) -> u64 {
        self.parking.reserve(&record, why, out);
        self.records.push(parked(why, out, record.clone()));
        let position = self.records.len() as u64;
        self.parking.parked(position, why, out, &record);
        position
    }

    /// Passes until nothing more comes back; gives the places in OUT of what did.
    fn back(&mut self) -> Vec<u64> {
        let mut back = Vec::new();
        while let Some(next) = self.parking.wants() {
            match self.records.get(next as usize - 1) {
                Some(record) if self.parking.offer(next, record, false) == Offer::Admit => back.push(record.out.1),
                _ => self.parking.passed(next + 1),
            }
        }
        back
    }

    fn end(&mut self, position: u64) {
        let record = self.records[position as usize - 1].clone();
        self.parking.end(position, record.why, &record.delivery);
    }
}

#[test]
fn a_held_lane_waits_for_a_person_and_others_are_open() {
    let mut park = Park::default();
    let held = park.park(Parked::Held, 1, lanes(&[1]));
    park.park(Parked::Follows, 2, lanes(&[1]));
    assert!(park.parking.blocks(&lanes(&[1])) && !park.parking.blocks(&lanes(&[2])));
    assert!(park.back().is_empty());
    park.parking.release(held);
    assert_eq!(park.back(), [1, 2]);
}

#[test]
fn a_lane_is_open_again_when_its_last_record_has_ended() {
    let mut park = Park::default();
    let first = park.park(Parked::Stalled, 1, lanes(&[1]));
    let second = park.park(Parked::Follows, 2, lanes(&[1]));
    assert_eq!(park.back(), [1, 2]);
    park.end(first);
    assert!(park.parking.blocks(&lanes(&[1])));
    park.end(second);
    assert!(!park.parking.blocks(&lanes(&[1])));
}

#[test]
fn a_message_with_a_held_lane_keeps_its_other_lane_behind_it() {
    let mut park = Park::default();
    let held = park.park(Parked::Held, 1, lanes(&[1]));
    park.park(Parked::Follows, 2, lanes(&[1, 2]));
    park.park(Parked::Follows, 3, lanes(&[2]));
    assert!(park.back().is_empty());
    park.parking.release(held);
    assert_eq!(park.back(), [1, 2, 3]);
}

#[test]
fn what_was_parked_late_comes_back_before_what_stands_behind_it_in_out() {
    let mut park = Park::default();
    park.park(Parked::Follows, 5, lanes(&[1, 2]));
    park.park(Parked::Stalled, 4, lanes(&[1]));
    assert_eq!(park.back(), [4, 5]);
}

#[test]
fn nothing_overtakes_a_parked_barrier_and_it_overtakes_nothing() {
    let mut park = Park::default();
    let held = park.park(Parked::Held, 1, lanes(&[1]));
    park.park(Parked::Follows, 2, barrier());
    park.park(Parked::Follows, 3, lanes(&[2]));
    assert!(park.parking.blocks(&lanes(&[9])), "all of the facility waits for its barrier");
    assert!(!park.parking.blocks(&orderless()));
    assert!(park.back().is_empty());
    park.parking.release(held);
    assert_eq!(park.back(), [1, 2, 3]);
}

#[test]
fn what_is_quarantined_is_in_nobodys_way_but_keeps_its_place() {
    let mut park = Park::default();
    let aside = park.park(Parked::Quarantined, 1, lanes(&[1]));
    assert!(!park.parking.blocks(&lanes(&[1])));
    assert!(park.back().is_empty());
    assert_eq!(park.parking.trim_before(), aside);
    park.end(aside);
    assert_eq!(park.parking.trim_before(), aside + 1);
}

#[test]
fn a_released_lane_comes_back_a_bounded_number_at_a_time() {
    let mut park = Park::default();
    for out in 1..=100 {
        park.park(Parked::Follows, out, lanes(&[1]));
    }
    let first: Vec<u64> = (1..=u64::from(PER_LANE_IN_WINDOW)).collect();
    assert_eq!(park.back(), first);
    for position in first {
        park.end(position);
    }
    assert_eq!(park.back().first(), Some(&u64::from(PER_LANE_IN_WINDOW + 1)));
}

#[test]
fn a_record_that_came_back_and_is_held_keeps_its_lane_until_it_is_released() {
    let mut park = Park::default();
    let first = park.park(Parked::Stalled, 1, lanes(&[1]));
    assert_eq!(park.back(), [1]);
    park.parking.hold(first, Parked::Stalled, &lanes(&[1]));
    park.parking.withdrawn(first, &lanes(&[1]));
    assert!(park.back().is_empty());
    assert_eq!(park.parking.waiting(Parked::Held), 1);
    park.parking.release(first);
    assert_eq!(park.back(), [1]);
}

#[test]
fn what_a_person_decided_on_stays_until_that_is_durable_and_its_lane_waits_for_it() {
    for why in [Parked::Held, Parked::Stalled] {
        let mut park = Park::default();
        let head = park.park(why, 1, lanes(&[1]));
        park.park(Parked::Follows, 2, lanes(&[1]));
        park.parking.decide(head);
        assert!(park.back().is_empty(), "{why:?}");
        park.end(head);
        assert_eq!(park.back(), [2], "{why:?}");
    }
    let mut park = Park::default();
    let loose = park.park(Parked::Rerun, 1, orderless());
    park.parking.decide(loose);
    assert!(park.back().is_empty());
}

#[test]
fn what_waited_for_a_barrier_that_was_parked_late_comes_back_behind_it() {
    let mut park = Park::default();
    park.park(Parked::Follows, 7, lanes(&[1]));
    park.park(Parked::Follows, 5, barrier());
    assert_eq!(park.back(), [5, 7]);
}

#[test]
fn what_waited_for_a_barrier_that_was_parked_late_comes_back_when_that_is_given_up() {
    let mut park = Park::default();
    park.park(Parked::Follows, 7, lanes(&[1]));
    let late = park.park(Parked::Held, 5, barrier());
    assert!(park.back().is_empty());
    park.end(late);
    assert_eq!(park.back(), [7]);
}
