//! Which messages an owner takes for sent by the one before it.

use super::*;
use crate::testing::{barrier, lanes};

const OUT: Partition = Partition(0);

/// What an owner finds whose forerunner could send up to the tenth message and parked ten.
fn recovered() -> Recovered {
    Recovered { limits: HashMap::from([(OUT, 10)]), parked: 10, ..Recovered::default() }
}

#[test]
fn the_first_of_a_lane_below_the_send_limit_may_have_been_sent_and_the_next_was_not() {
    let mut recovered = recovered();
    assert!(recovered.may_have_sent(OUT, 9, &lanes(&[1]), 1));
    assert!(!recovered.may_have_sent(OUT, 10, &lanes(&[1]), 1));
    assert!(!recovered.may_have_sent(OUT, 11, &lanes(&[2]), 1), "nothing is sent beyond the limit");
}

#[test]
fn the_first_of_a_lane_in_park_may_have_been_sent_though_one_behind_it_was_read_again_before() {
    let mut recovered = recovered();
    assert!(recovered.may_have_sent(OUT, 9, &lanes(&[1]), 1));
    assert!(recovered.may_have_sent_parked(3, Parked::Follows, &lanes(&[1]), 1));
    assert!(!recovered.may_have_sent_parked(4, Parked::Follows, &lanes(&[1]), 1));
    assert!(!recovered.may_have_sent_parked(5, Parked::Follows, &barrier(), 1));
}
