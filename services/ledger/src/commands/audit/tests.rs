use barid_ledger::balance::Coverage;

use super::compare;

fn known(messages: u64, first: u64, last: u64) -> Coverage {
    Coverage { subject: "in.03".into(), messages, first, last, applied: last }
}

#[test]
fn a_ledger_that_has_every_message_of_the_log_differs_in_nothing() {
    assert_eq!(compare(Some(&known(10, 1, 10)), (1, 10), false), None);
    assert_eq!(compare(None, (1, 0), false), None);
}

#[test]
fn a_message_that_the_ledger_lacks_is_told() {
    assert!(compare(Some(&known(9, 1, 10)), (1, 10), false).unwrap().starts_with("1 of the messages 1 to 10"));
    assert!(compare(None, (1, 10), false).unwrap().contains("none of them"));
    assert!(compare(Some(&known(8, 3, 10)), (1, 10), false).unwrap().contains("from 3"));
    let behind = Coverage { applied: 12, ..known(10, 1, 10) };
    assert!(compare(Some(&behind), (1, 12), false).unwrap().contains("nothing behind 10"));
}

#[test]
fn what_came_since_the_ledger_was_read_is_no_difference() {
    assert_eq!(compare(Some(&known(10, 1, 10)), (1, 25), false), None);
}

#[test]
fn what_the_ledger_has_forgotten_by_retention_is_no_difference() {
    assert_eq!(compare(Some(&known(3, 5, 10)), (1, 10), true), None);
}
