//! The rules of a delivery's row, one by one.

use super::*;

fn ending(outcome: Outcome, position: i64) -> Option<Ending> {
    let place = At { subject: Some(1), position };
    let at = Timestamp::from_millis(position);
    Some(Ending { outcome, place, at, answer: None, findings: None, actor: None, reason: None })
}

fn told(ending: Option<Ending>) -> Told {
    Told { destination: 2, out: (3, 4), park: None, attempts: 1, possible_duplicate: false, ending }
}

fn routed(outcome: Option<Outcome>) -> Routed {
    Routed { destination: Some(2), out: None, outcome, at: Timestamp::from_millis(0), chained: None, findings: None }
}

fn parked(position: i64, why: Parked, attempts: u32) -> Parking {
    let place = At { subject: Some(9), position };
    let waiting = Waiting { place, why: Some((why, Timestamp::from_millis(position))) };
    Parking { destination: 2, out: (3, 4), waiting, attempts, possible_duplicate: false }
}

#[test]
fn the_first_terminal_outcome_counts_and_the_same_record_again_is_nothing_new() {
    let mut delivery = Delivery::default();
    assert_eq!(delivery.outcome(told(ending(Outcome::Delivered, 5))), Took::Ended);
    assert_eq!(delivery.outcome(told(ending(Outcome::Delivered, 5))), Took::Again);
    assert_eq!(delivery.outcome(told(ending(Outcome::Rejected, 6))), Took::Noted);
    assert_eq!(delivery.state(), State::Delivered);
}

#[test]
fn only_delivered_and_discarded_follow_a_quarantine() {
    for later in Outcome::ALL {
        let mut delivery = Delivery::default();
        delivery.outcome(told(ending(Outcome::Quarantined, 5)));
        delivery.outcome(told(ending(later, 6)));
        // The quarantine is read once more.
        delivery.outcome(told(ending(Outcome::Quarantined, 5)));
        let opens = matches!(later, Outcome::Delivered | Outcome::Discarded);
        assert_eq!(delivery.state(), if opens { later.into() } else { State::Quarantined });
    }
}

#[test]
fn what_the_router_ended_stays_so_whichever_is_read_first() {
    for router_first in [true, false] {
        let mut delivery = Delivery::default();
        if router_first {
            delivery.routed(routed(Some(Outcome::Filtered)));
            delivery.outcome(told(ending(Outcome::Delivered, 5)));
        } else {
            delivery.outcome(told(ending(Outcome::Delivered, 5)));
            delivery.routed(routed(Some(Outcome::Filtered)));
        }
        assert_eq!(delivery.state(), State::Filtered);
    }
}

#[test]
fn what_the_router_set_aside_is_quarantined_until_an_outcome_says_otherwise() {
    for router_first in [true, false] {
        let mut delivery = Delivery::default();
        if router_first {
            delivery.routed(routed(Some(Outcome::Quarantined)));
            assert_eq!(delivery.state(), State::Quarantined);
            delivery.outcome(told(ending(Outcome::Discarded, 5)));
        } else {
            delivery.outcome(told(ending(Outcome::Discarded, 5)));
            delivery.routed(routed(Some(Outcome::Quarantined)));
        }
        assert_eq!(delivery.state(), State::Discarded);
    }
}

#[test]
fn the_latest_place_in_park_counts_until_the_delivery_ends() {
    let mut delivery = Delivery::default();
    delivery.parked(parked(8, Parked::Held, 2));
    delivery.parked(parked(6, Parked::Stalled, 1));
    assert_eq!((delivery.state(), delivery.attempts), (State::Held, 2));
    delivery.parked(parked(9, Parked::Follows, 2));
    assert_eq!(delivery.state(), State::Parked);
    delivery.outcome(told(ending(Outcome::Delivered, 1)));
    delivery.parked(parked(10, Parked::Held, 2));
    assert_eq!(delivery.state(), State::Delivered);
}

#[test]
fn what_park_has_as_quarantined_is_so_before_its_outcome_is_read_and_where_that_is_gone() {
    let mut delivery = Delivery::default();
    delivery.parked(parked(7, Parked::Stalled, 1));
    assert_eq!(delivery.state(), State::Parked);
    delivery.parked(parked(8, Parked::Quarantined, 1));
    assert_eq!(delivery.state(), State::Quarantined);
    delivery.outcome(told(ending(Outcome::Quarantined, 1)));
    assert_eq!(delivery.state(), State::Quarantined);
}

#[test]
fn attempts_and_the_mark_of_a_possible_duplicate_only_grow() {
    let mut delivery = Delivery::default();
    delivery.outcome(Told { attempts: 4, possible_duplicate: true, ..told(None) });
    delivery.outcome(told(ending(Outcome::Delivered, 3)));
    assert_eq!((delivery.attempts, delivery.possible_duplicate), (4, true));
}
