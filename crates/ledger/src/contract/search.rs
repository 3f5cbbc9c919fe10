//! Finding messages.

use std::time::Duration;

use barid_model::record::{OutcomeRecord, Parked};
use barid_model::{Cause, Name, Outcome, Revision};

use super::ask::{find, uids};
use super::world::{BEGIN, Piece, World, finding, key, kind};
use crate::filter::{Key, SCAN_MAX};
use crate::{Cursor, Ledger, LedgerError, MessageFilter, Paging, State};

fn filter(change: impl FnOnce(&mut MessageFilter)) -> MessageFilter {
    let mut filter = MessageFilter::default();
    change(&mut filter);
    filter
}

pub fn messages_are_found_by_what_people_know_of_them(ledger: &dyn Ledger) {
    let mut world = World::default();
    for _ in 0..5 {
        world.deliver();
    }
    let wanted = world.accept_as(|envelope| {
        envelope.listener = Name::local("https");
        envelope.facility.name = "default/lab".into();
        envelope.facility.speaks_for = Some("default/clinic".into());
        envelope.channel = Some(Name::new("regions", "results"));
        envelope.control_id = b"AB 1\xe9".as_slice().to_vec().into();
        envelope.cause = Cause::Replayed;
        envelope.revision = Revision::of(b"results");
        envelope.keys = vec![key("patient", "aa11"), key("visit", "V-7")];
    });
    world.route(wanted, &["archive"]);
    world.deliver();
    world.apply(ledger);
    let pair = |name: &str, value: &str| Key { name: name.into(), value: value.into() };
    let questions = [
        filter(|f| f.listener = Some(Name::local("https"))),
        filter(|f| f.facility = Some("default/lab".into())),
        filter(|f| f.facility = Some("default/clinic".into())),
        filter(|f| f.channel = Some(Name::new("regions", "results"))),
        filter(|f| f.cause = Some("replayed".into())),
        filter(|f| f.revision = Some(Revision::of(b"results"))),
        filter(|f| f.destination = Some(Name::local("archive"))),
        filter(|f| f.keys = vec![pair("patient", "aa11")]),
        filter(|f| f.keys = vec![pair("patient", "aa11"), pair("visit", "V-7")]),
        filter(|f| f.state = Some(State::InFlight)),
    ];
    for question in questions {
        assert_eq!(uids(ledger, &question), [wanted], "{question:?}");
    }
    let nothing = [
        filter(|f| f.keys = vec![pair("patient", "aa1")]),
        filter(|f| f.keys = vec![pair("visit", "aa11")]),
        filter(|f| f.keys = vec![pair("patient", "aa11"), pair("visit", "V-8")]),
        filter(|f| f.control_id = Some("AB 1".into())),
    ];
    for question in nothing {
        assert!(uids(ledger, &question).is_empty(), "{question:?}");
    }
    let by_id = filter(|f| f.control_id = Some("C2".into()));
    assert_eq!(uids(ledger, &by_id), [world.uids()[1]]);
}

pub fn what_a_destination_may_have_twice_is_found(ledger: &dyn Ledger) {
    let mut world = World::default();
    for _ in 0..3 {
        world.deliver();
    }
    let twice = world.accept();
    world.route(twice, &["archive", "registry"]);
    for route in ["archive", "registry"] {
        let record = world.outcome(Piece::new(twice, route), Some(Outcome::Delivered));
        world.write_outcome(OutcomeRecord { possible_duplicate: route == "registry", ..record });
    }
    world.apply(ledger);
    assert_eq!(uids(ledger, &filter(|f| f.possible_duplicate = true)), [twice]);
}

pub fn a_type_is_found_by_its_code_event_or_structure(ledger: &dyn Ledger) {
    let mut world = World::default();
    let types = [("ADT", "A01", "ADT_A01"), ("ADT", "A08", "ADT_A01"), ("ORU", "R01", "ORU_R01"), ("ACK", "", "")];
    for (code, event, structure) in types {
        world.accept_as(|envelope| envelope.message_type = kind(code, event, structure));
    }
    world.apply(ledger);
    let count = |text: &str| uids(ledger, &filter(|f| f.message_type = Some(text.into()))).len();
    assert_eq!((count("ADT"), count("ADT^A08"), count("ADT^A01^ADT_A01"), count("ADT^^ADT_A01")), (2, 1, 1, 2));
    assert_eq!((count("ACK"), count("A01"), count("ADT^R01"), count("ORU^R01")), (1, 0, 0, 1));
}

pub fn a_time_range_has_its_beginning_and_not_its_end(ledger: &dyn Ledger) {
    let mut world = World::default();
    for _ in 0..10 {
        world.accept();
        world.wait(99);
    }
    world.apply(ledger);
    let at = |millis| Some(BEGIN.plus(Duration::from_millis(millis)));
    let count = |from, to| {
        uids(
            ledger,
            &filter(|f| {
                f.from = from;
                f.to = to;
            }),
        )
        .len()
    };
    assert_eq!(count(at(0), at(100)), 1);
    assert_eq!(count(at(100), at(300)), 2);
    assert_eq!(count(at(101), at(300)), 1);
    assert_eq!(count(at(900), None), 1);
    assert_eq!(count(None, at(901)), 10);
    assert_eq!(count(at(300), at(300)), 0);
}

pub fn pages_give_every_message_once_newest_first(ledger: &dyn Ledger) {
    let mut world = World::default();
    for number in 0..60 {
        world.accept();
        // Several messages share a millisecond.
        if number % 3 == 0 {
            world.now = BEGIN.plus(Duration::from_millis(number));
        }
    }
    world.apply(ledger);
    let mut expected = world.uids();
    expected.reverse();
    for limit in [1, 7, 60, 61] {
        let found: Vec<_> = find(ledger, &MessageFilter::default(), limit).into_iter().map(|m| m.uid).collect();
        assert_eq!(found, expected, "{limit} a page");
    }
}

pub fn pages_of_a_common_key_give_every_message_once(ledger: &dyn Ledger) {
    let mut world = World::default();
    for number in 0..1_300 {
        world.accept_as(|envelope| {
            envelope.keys = vec![key("ward", if number % 13 == 0 { "icu" } else { "general" })];
        });
    }
    for records in world.records.chunks(250) {
        super::world::apply(ledger, records);
    }
    for (value, expected, limit) in [("icu", 100, 30), ("general", 1_200, 999), ("general", 1_200, 100)] {
        let found = find(ledger, &filter(|f| f.keys = vec![Key { name: "ward".into(), value: value.into() }]), limit);
        let mut uids: Vec<_> = found.iter().map(|message| message.uid).collect();
        assert_eq!(uids.len(), expected);
        assert!(uids.is_sorted_by(|a, b| a > b));
        uids.dedup();
        assert_eq!(uids.len(), expected);
    }
}

pub fn a_message_is_found_by_the_state_of_its_deliveries(ledger: &dyn Ledger) {
    let mut world = World::default();
    let waiting = world.accept();
    let first = world.deliver();
    let resend = world.accept();
    world.duplicate(resend, first);
    let aside = world.accept();
    world.set_aside(aside, 207);
    let both = world.accept();
    world.route(both, &["registry", "archive"]);
    world.end(Piece::new(both, "archive"), Outcome::Delivered);
    world.quarantine(Piece::new(both, "registry"));
    let rejected = world.accept();
    world.route(rejected, &["registry"]);
    world.end(Piece::new(rejected, "registry"), Outcome::Rejected);
    let flying = world.accept();
    world.route(flying, &["registry"]);
    let parked = world.accept();
    world.route(parked, &["registry"]);
    world.park(Piece::new(parked, "registry"), Parked::Stalled);
    world.apply(ledger);
    let by = |state| uids(ledger, &filter(|f| f.state = Some(state)));
    assert_eq!(by(State::NotYetRouted), [waiting]);
    assert_eq!(by(State::Duplicate), [resend]);
    assert_eq!(by(State::Quarantined), [both, aside]);
    assert_eq!(by(State::Delivered), [both, first]);
    assert_eq!(by(State::Rejected), [rejected]);
    assert_eq!(by(State::InFlight), [parked, flying]);
    assert_eq!(by(State::Parked), [parked]);
    assert_eq!(by(State::Held), []);
    let found = find(ledger, &MessageFilter::default(), 10);
    let states: Vec<State> = found.iter().map(|message| message.state).collect();
    let expected = [
        State::Parked,
        State::InFlight,
        State::Rejected,
        State::Quarantined,
        State::Quarantined,
        State::Duplicate,
        State::Delivered,
        State::NotYetRouted,
    ];
    assert_eq!(states, expected);
}

pub fn a_message_is_found_by_the_code_of_a_finding(ledger: &dyn Ledger) {
    let mut world = World::default();
    world.deliver();
    let accepted = world.accept_as(|envelope| envelope.findings = vec![finding(100), finding(102)]);
    let aside = world.accept();
    world.set_aside(aside, 205);
    let quarantined = world.accept();
    world.route(quarantined, &["registry"]);
    world.quarantine(Piece::new(quarantined, "registry"));
    world.apply(ledger);
    let by = |code| uids(ledger, &filter(|f| f.finding = Some(code)));
    assert_eq!(by(102), [accepted]);
    assert_eq!(by(205), [aside]);
    assert_eq!(by(207), [quarantined]);
    assert_eq!(by(10), []);
}

pub fn a_name_that_nothing_has_finds_nothing(ledger: &dyn Ledger) {
    let mut world = World::default();
    world.deliver();
    world.apply(ledger);
    for question in [
        filter(|f| f.channel = Some(Name::local("nobody"))),
        filter(|f| f.facility = Some("nobody".into())),
        filter(|f| f.message_type = Some("ZZZ".into())),
        filter(|f| f.cause = Some("magic".into())),
        filter(|f| f.destination = Some(Name::local("nobody"))),
    ] {
        assert_eq!(uids(ledger, &question), [], "{question:?}");
    }
}

pub fn a_cursor_of_another_question_is_refused(ledger: &dyn Ledger) {
    let paging = Paging { limit: 5, after: Some(Cursor("17".into())) };
    let error = ledger.search(&MessageFilter::default(), &paging).unwrap_err();
    assert!(matches!(error, LedgerError::Invalid(_)), "{error}");
    assert!(ledger.deliveries(&Default::default(), &paging).is_err());
    let paging = Paging { limit: 5, after: Some(Cursor("x".into())) };
    assert!(ledger.refused(&Default::default(), &paging).is_err());
}

/// Runs where looking at rows is bounded low enough for a test (the crate's own tests).
pub fn a_search_that_looks_far_is_cut_and_goes_on(ledger: &dyn Ledger) {
    if SCAN_MAX > 10_000 {
        return;
    }
    let mut world = World::default();
    let wanted = world.accept_as(|envelope| envelope.listener = Name::local("old"));
    for _ in 0..SCAN_MAX * 2 {
        world.accept();
    }
    for records in world.records.chunks(1_000) {
        super::world::apply(ledger, records);
    }
    let question = filter(|f| f.listener = Some(Name::local("old")));
    let page = ledger.search(&question, &Paging::default()).unwrap();
    assert_eq!(page.items, []);
    assert!(page.next.is_some());
    assert_eq!(uids(ledger, &question), [wanted]);
}
