use super::*;

/// Message `n` of facility CHN in one lane on one connection, sent at `10 n` and acknowledged 5 later.
fn sent(n: u64) -> SentMessage {
    SentMessage {
        key: key(n),
        lanes: vec!["chn".into()],
        connection: 0,
        sequence: n,
        sent: n * 10,
        acknowledged: Some(n * 10 + 5),
        destinations: vec!["registry".into()],
        expected: Some(digest(n)),
    }
}

fn key(n: u64) -> Key {
    Key::new("CHN", n.to_string())
}

fn digest(n: u64) -> Digest {
    Digest::of(&n.to_be_bytes())
}

fn arrival(n: u64) -> Arrival {
    Arrival { key: key(n), digest: digest(n), is_marked: false }
}

/// Messages 0 to 4, arrived in this order.
fn history(order: &[u64]) -> History {
    History {
        sent: (0..5).map(sent).collect(),
        arrived: BTreeMap::from([("registry".into(), order.iter().copied().map(arrival).collect())]),
        ..History::default()
    }
}

fn only(report: &Report, kind: ViolationKind, key: &Key) {
    for other in ViolationKind::ALL {
        assert_eq!(report.count(other), u64::from(other == kind), "{report}");
    }
    assert_eq!(&report.violations()[0].key, key, "{report}");
    assert!(report.to_string().contains(kind.words()) && !report.is_clean());
}

#[test]
fn a_history_that_keeps_every_rule_is_clean() {
    let report = history(&[0, 1, 2, 3, 4]).judge();
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.sent, report.acknowledged, report.arrived), (5, 5, 5));
}

#[test]
fn an_acknowledged_message_that_did_not_arrive_is_missing() {
    only(&history(&[0, 1, 3, 4]).judge(), ViolationKind::Missing, &key(2));
    let mut nothing = history(&[]);
    nothing.arrived.clear();
    assert_eq!(nothing.judge().count(ViolationKind::Missing), 5, "also where the destination saw nothing at all");
}

#[test]
fn what_the_ledger_accounts_for_is_not_missing() {
    let mut history = history(&[0, 1, 3, 4]);
    history.accounted.insert(("registry".into(), key(2)));
    let report = history.judge();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.accounted, 1);
}

#[test]
fn what_was_never_acknowledged_may_arrive_or_not() {
    for order in [&[0, 1, 2, 3, 4][..], &[0, 1, 3, 4]] {
        let mut history = history(order);
        history.sent[2].acknowledged = None;
        assert!(history.judge().is_clean());
    }
}

#[test]
fn one_connection_keeps_its_order_even_where_acknowledgements_overlap() {
    let mut history = history(&[0, 2, 1, 3, 4]);
    history.sent[1].acknowledged = Some(1_000);
    only(&history.judge(), ViolationKind::OutOfOrder, &key(1));
}

#[test]
fn a_message_acknowledged_before_another_was_sent_comes_first_over_all_connections() {
    let mut history = history(&[1, 0, 2, 3, 4]);
    for message in &mut history.sent {
        message.connection = message.sequence;
    }
    only(&history.judge(), ViolationKind::OutOfOrder, &key(0));
}

#[test]
fn messages_that_overlap_on_different_connections_may_arrive_either_way() {
    let mut history = history(&[1, 0, 2, 3, 4]);
    history.sent[0].acknowledged = Some(15);
    history.sent[1].connection = 7;
    let report = history.judge();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn lanes_do_not_wait_for_each_other_and_a_message_in_two_waits_for_both() {
    let mut apart = history(&[1, 0, 2, 3, 4]);
    apart.sent[1].lanes = vec!["other".into()];
    assert!(apart.judge().is_clean());
    let mut both = history(&[1, 0, 2, 3, 4]);
    both.sent[0].lanes = vec!["a".into(), "b".into()];
    both.sent[1].lanes = vec!["b".into()];
    only(&both.judge(), ViolationKind::OutOfOrder, &key(0));
}

#[test]
fn order_is_found_across_many_messages_between() {
    let mut sent_late = history(&[4, 0, 1, 2, 3]);
    sent_late.sent[4].connection = 9;
    let report = sent_late.judge();
    assert_eq!(report.count(ViolationKind::OutOfOrder), 4, "{report}");
}

#[test]
fn a_repeat_is_allowed_only_where_it_is_marked() {
    only(&history(&[0, 1, 1, 2, 3, 4]).judge(), ViolationKind::Duplicate, &key(1));
    let mut in_ledger = history(&[0, 1, 1, 2, 3, 4]);
    in_ledger.marked.insert(("registry".into(), key(1)));
    assert_eq!((in_ledger.judge().is_clean(), in_ledger.judge().repeats), (true, 1));
    let mut at_receiver = history(&[0, 1, 2, 1, 3, 4]);
    at_receiver.arrived.get_mut("registry").unwrap()[3].is_marked = true;
    assert!(at_receiver.judge().is_clean());
    let mut elsewhere = history(&[0, 1, 1, 2, 3, 4]);
    elsewhere.marked.insert(("archive".into(), key(1)));
    only(&elsewhere.judge(), ViolationKind::Duplicate, &key(1));
}

#[test]
fn a_repeat_out_of_place_does_not_count_as_disorder() {
    let mut history = history(&[0, 1, 2, 3, 4, 0]);
    history.marked.insert(("registry".into(), key(0)));
    assert!(history.judge().is_clean());
}

#[test]
fn altered_bytes_are_found_where_they_were_to_stay_the_same() {
    let mut history = history(&[0, 1, 2, 3, 4]);
    history.arrived.get_mut("registry").unwrap()[2].digest = digest(99);
    only(&history.judge(), ViolationKind::Altered, &key(2));
    history.sent[2].expected = None;
    assert!(history.judge().is_clean());
}

#[test]
fn what_nobody_sent_or_sent_elsewhere_is_found() {
    let mut history = history(&[0, 1, 2, 3, 4]);
    history.arrived.get_mut("registry").unwrap().push(arrival(77));
    only(&history.judge(), ViolationKind::Invented, &key(77));
    let mut elsewhere = super::tests::history(&[0, 1, 2, 3, 4]);
    elsewhere.arrived.insert("archive".into(), vec![arrival(1)]);
    only(&elsewhere.judge(), ViolationKind::Invented, &key(1));
}

#[test]
fn a_report_counts_all_and_shows_the_first_of_each_kind() {
    let mut many = History { sent: (0..100).map(sent).collect(), ..History::default() };
    many.arrived.insert("registry".into(), vec![]);
    let report = many.judge();
    assert_eq!((report.count(ViolationKind::Missing), report.violations().len()), (100, 10));
    assert!(report.to_string().contains("CHN/0 at registry"), "{report}");
}
