//! The balance.

use std::time::Duration;

use barid_model::record::Parked;
use barid_model::{Disposition, Name, Outcome};

use super::world::{BEGIN, Piece, World, Written, apply};
use crate::Ledger;
use crate::balance::{BalanceRange, Breach, Deliveries, Line};

pub fn g4_everything_accepted_is_accounted_for(ledger: &dyn Ledger) {
    let mut world = World::default();
    let first = world.deliver();
    let resend = world.accept();
    world.duplicate(resend, first);
    let aside = world.accept();
    world.set_aside(aside, 207);
    world.accept();
    let many = world.accept_as(|envelope| envelope.channel = Some(Name::local("results")));
    let routes = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    world.route(many, &routes);
    let outcomes = [Outcome::Delivered, Outcome::Rejected, Outcome::Expired, Outcome::Merged, Outcome::Discarded];
    for (route, outcome) in routes.iter().zip(outcomes) {
        world.end(Piece::new(many, route), outcome);
    }
    world.quarantine(Piece::new(many, "f"));
    world.park(Piece::new(many, "g"), Parked::Held);
    world.park(Piece::new(many, "h"), Parked::Follows);
    let nobody = world.accept_as(|envelope| envelope.channel = None);
    let mut routed = world.routed(nobody, Disposition::Routed, &["a"]);
    routed.deliveries[0].outcome = Some(Outcome::Filtered);
    world.write_routed(routed);
    world.apply(ledger);
    let balance = ledger.balance(&BalanceRange::default()).unwrap();
    assert!(balance.holds(), "{balance}");
    let channels: Vec<Option<String>> =
        balance.channels.iter().map(|(name, _)| name.as_ref().map(Name::short)).collect();
    assert_eq!(channels, [None, Some("admissions".into()), Some("results".into())]);
    let admissions = Line {
        decided: 0,
        accepted: 4,
        routed: 1,
        duplicate: 1,
        quarantined: 1,
        not_yet_routed: 1,
        deliveries: Deliveries { total: 1, delivered: 1, ..Deliveries::default() },
    };
    assert_eq!(balance.channels[1].1, admissions);
    let results = Deliveries {
        total: 9,
        delivered: 1,
        rejected: 1,
        expired: 1,
        merged: 1,
        discarded: 1,
        quarantined: 1,
        in_flight: 3,
        held: 1,
        parked: 1,
        ..Deliveries::default()
    };
    assert_eq!(balance.channels[2].1.deliveries, results);
    assert_eq!((balance.total.accepted, balance.total.routed, balance.total.deliveries.total), (6, 3, 11));
    let early = BalanceRange { from: None, to: Some(BEGIN.plus(Duration::from_millis(1))) };
    let early = ledger.balance(&early).unwrap();
    assert_eq!((early.total.accepted, early.total.deliveries.total), (1, 1));
}

/// One of each breach, with the message it is to be listed for.
fn broken(world: &mut World) -> Vec<(Breach, barid_model::MessageUid)> {
    let never = world.uid();
    world.route(never, &["registry"]);
    let orphan = world.uid();
    world.end(Piece::new(orphan, "registry"), Outcome::Delivered);
    let twice = world.accept();
    let envelope = world.records.iter().find_map(|(_, _, written)| match written {
        Written::In(envelope) if envelope.uid == twice => Some(envelope.clone()),
        _ => None,
    });
    world.write("in.11", Written::In(envelope.unwrap()));
    let unrouted = world.accept();
    world.route(unrouted, &["registry"]);
    world.end(Piece::new(unrouted, "archive"), Outcome::Delivered);
    let first = world.deliver();
    let resend = world.accept();
    let mut routed = world.routed(resend, Disposition::Duplicate, &["registry"]);
    routed.duplicate_of = Some(first);
    world.write_routed(routed);
    let rerun = world.accept();
    world.route(rerun, &["registry"]);
    world.end(Piece { run: 2, ..Piece::new(rerun, "registry") }, Outcome::Delivered);
    let chain = world.accept();
    let missing = world.uid();
    let mut routed = world.routed(chain, Disposition::Routed, &["next"]);
    routed.deliveries[0].outcome = Some(Outcome::Delivered);
    routed.deliveries[0].chained = Some(missing);
    world.write_routed(routed);
    let lost = world.accept();
    let unknown = world.uid();
    world.duplicate(lost, unknown);
    vec![
        (Breach::NeverAccepted, never),
        (Breach::NeverAccepted, orphan),
        (Breach::AcceptedTwice, twice),
        (Breach::NeverRouted, orphan),
        (Breach::NeverRouted, unrouted),
        (Breach::RoutedAnyway, resend),
        (Breach::RerunOfNothing, rerun),
        (Breach::ChainBroken, chain),
        (Breach::DuplicateOfNothing, lost),
    ]
}

pub fn g4_every_breach_is_listed_with_its_message(ledger: &dyn Ledger) {
    let mut world = World::default();
    let mut expected = broken(&mut world);
    world.deliver();
    world.apply(ledger);
    let balance = ledger.balance(&BalanceRange::default()).unwrap();
    let mut found: Vec<_> = balance.violations.iter().map(|violation| (violation.breach, violation.uid)).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(balance.violations_found, found.len() as u64);
    assert!(!balance.holds());
    assert_eq!(ledger.confirm(&balance.violations).unwrap(), balance.violations);
}

pub fn a_violation_that_later_records_explain_is_not_confirmed(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.deliver();
    let mut records = world.records.clone();
    records.reverse();
    apply(ledger, &records[..1]);
    let balance = ledger.balance(&BalanceRange::default()).unwrap();
    let breaches: Vec<_> = balance.violations.iter().map(|violation| (violation.uid, violation.breach)).collect();
    assert_eq!(breaches, [(uid, Breach::NeverAccepted), (uid, Breach::NeverRouted)]);
    apply(ledger, &records[1..2]);
    let left = ledger.confirm(&balance.violations).unwrap();
    assert_eq!(left.iter().map(|violation| violation.breach).collect::<Vec<_>>(), [Breach::NeverAccepted]);
    apply(ledger, &records[2..]);
    assert_eq!(ledger.confirm(&balance.violations).unwrap(), []);
}

pub fn a_message_from_before_the_log_is_no_violation(ledger: &dyn Ledger) {
    let mut world = World::default();
    let old = world.deliver();
    world.wait(1_000);
    let trimmed = world.now;
    let new = world.uid();
    world.route(new, &["registry"]);
    world.records.remove(0);
    world.apply(ledger);
    let count = |ledger: &dyn Ledger| ledger.balance(&BalanceRange::default()).unwrap().violations_found;
    assert_eq!(count(ledger), 2);
    ledger.incomplete_before(trimmed).unwrap();
    ledger.incomplete_before(BEGIN).unwrap();
    let balance = ledger.balance(&BalanceRange::default()).unwrap();
    assert_eq!(balance.incomplete_before, Some(trimmed));
    assert_eq!(balance.violations.iter().map(|violation| violation.uid).collect::<Vec<_>>(), [new]);
    assert_ne!(old, new);
}

pub fn coverage_shows_a_gap_in_a_subject(ledger: &dyn Ledger) {
    let mut world = World::default();
    for _ in 0..5 {
        world.accept();
    }
    world.records.remove(2);
    world.apply(ledger);
    let coverage = ledger.coverage().unwrap();
    assert_eq!(coverage.len(), 1);
    let one = &coverage[0];
    assert_eq!((one.subject.as_str(), one.first, one.last, one.applied), ("in.11", 1, 5, 5));
    assert_eq!(one.messages, 4, "one of five positions is missing");
}

pub fn the_balance_is_printed_with_its_violations(ledger: &dyn Ledger) {
    let mut world = World::default();
    world.deliver();
    world.apply(ledger);
    let text = ledger.balance(&BalanceRange::default()).unwrap().to_string();
    let line = text.lines().find(|line| line.starts_with("admissions")).unwrap();
    assert_eq!(
        line.split_whitespace().collect::<Vec<_>>(),
        ["admissions", "1", "=", "1", "+", "0", "+", "0", "+", "0"]
    );
    assert!(text.ends_with("no violations\n"), "{text}");
    let lost = world.uid();
    world.route(lost, &["registry"]);
    world.apply(ledger);
    let text = ledger.balance(&BalanceRange::default()).unwrap().to_string();
    assert!(text.contains(&format!("1 violations:\n  message {lost} has later records, but none in IN")), "{text}");
}
