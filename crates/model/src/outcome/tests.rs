//! The closed lists of the balance.

use super::*;

#[test]
fn every_outcome_has_a_word_of_its_own_that_reads_back() {
    for outcome in Outcome::ALL {
        assert_eq!(Outcome::read(outcome.word()), Some(outcome));
    }
    assert_eq!(Outcome::read("held"), None, "what is held has not ended");
}

#[test]
fn g4_only_a_quarantined_delivery_is_opened_again_and_only_to_be_delivered_or_discarded() {
    let mut allowed = Vec::new();
    for first in Outcome::ALL {
        allowed.extend(Outcome::ALL.into_iter().filter(|later| first.may_become(*later)).map(|later| (first, later)));
    }
    assert_eq!(allowed, [(Outcome::Quarantined, Outcome::Delivered), (Outcome::Quarantined, Outcome::Discarded)]);
}
