//! One delivery after the other: how they are found, and what is told of each.

use std::collections::BTreeSet;

use barid_model::record::{Intake, OutcomeRecord, Parked, Source};
use barid_model::{DeliveryId, Disposition, Name, Outcome};

use super::ask::story;
use super::world::{Piece, World, Written, finding};
use crate::filter::SCAN_MAX;
use crate::view::{OutPlace, Place};
use crate::{DeliveryFilter, DeliveryView, Ledger, LedgerError, Paging, State};

fn list(ledger: &dyn Ledger, filter: &DeliveryFilter, limit: usize) -> Vec<DeliveryView> {
    let mut paging = Paging::first(limit);
    let mut found = Vec::new();
    loop {
        let page = ledger.deliveries(filter, &paging).unwrap();
        assert!(page.items.len() <= limit);
        found.extend(page.items);
        match page.next {
            Some(next) => paging.after = Some(next),
            None => return found,
        }
    }
}

fn filter(change: impl FnOnce(&mut DeliveryFilter)) -> DeliveryFilter {
    let mut filter = DeliveryFilter::default();
    change(&mut filter);
    filter
}

pub fn a_delivery_is_found_by_its_identity(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.accept();
    world.route(uid, &["archive", "registry"]);
    world.deliver();
    world.apply(ledger);
    let piece = Piece::new(uid, "registry");
    let found = ledger.delivery(piece.id()).unwrap().unwrap();
    assert_eq!((found.uid, found.route.as_str(), found.id), (uid, "registry", piece.id()));
    assert_eq!(ledger.delivery(DeliveryId::from_bytes([9; 16])).unwrap(), None);
}

pub fn deliveries_are_listed_by_state_destination_and_channel(ledger: &dyn Ledger) {
    let mut world = World::default();
    let done = world.deliver();
    let both = world.accept_as(|envelope| {
        envelope.channel = Some(Name::local("results"));
        envelope.facility.name = "default/lab".into();
    });
    world.route(both, &["archive", "registry"]);
    world.end(Piece::new(both, "archive"), Outcome::Discarded);
    world.park(Piece::new(both, "registry"), Parked::Follows);
    world.apply(ledger);
    let keys = |filter: DeliveryFilter| {
        let found = list(ledger, &filter, 2);
        found.into_iter().map(|delivery| (delivery.uid, delivery.route)).collect::<BTreeSet<_>>()
    };
    let set =
        |items: &[(_, &str)]| items.iter().map(|(uid, route)| (*uid, (*route).to_owned())).collect::<BTreeSet<_>>();
    assert_eq!(keys(filter(|_| {})).len(), 3);
    assert_eq!(
        keys(filter(|f| f.destination = Some(Name::local("registry")))),
        set(&[(done, "registry"), (both, "registry")])
    );
    assert_eq!(keys(filter(|f| f.route = Some("archive".into()))), set(&[(both, "archive")]));
    assert_eq!(keys(filter(|f| f.channel = Some(Name::local("results")))).len(), 2);
    assert_eq!(keys(filter(|f| f.facility = Some("default/chn".into()))), set(&[(done, "registry")]));
    assert_eq!(keys(filter(|f| f.uid = Some(done))), set(&[(done, "registry")]));
    assert_eq!(keys(filter(|f| f.states = vec![State::Parked])), set(&[(both, "registry")]));
    assert_eq!(keys(filter(|f| f.states = vec![State::Parked, State::Discarded])).len(), 2);
    assert_eq!(keys(filter(|f| f.states = vec![State::Parked, State::Delivered])).len(), 2);
    assert_eq!(keys(filter(|f| f.parked = Some("follows".into()))), set(&[(both, "registry")]));
    assert_eq!(keys(filter(|f| f.parked = Some("held".into()))), set(&[]));
    assert_eq!(keys(filter(|f| f.destination = Some(Name::local("nobody")))), set(&[]));
    let bad = ledger.deliveries(&filter(|f| f.parked = Some("bored".into())), &Paging::default()).unwrap_err();
    assert!(matches!(&bad, LedgerError::Invalid(text) if text.contains("stalled")), "{bad}");
}

pub fn pages_of_deliveries_give_every_one_once(ledger: &dyn Ledger) {
    let mut world = World::default();
    for number in 0..40 {
        let uid = world.accept();
        world.route(uid, &["archive", "laboratory", "registry"]);
        match number % 4 {
            0 => world.quarantine(Piece::new(uid, "registry")),
            1 => world.end(Piece::new(uid, "registry"), Outcome::Expired),
            2 => drop(world.park(Piece::new(uid, "registry"), Parked::Held)),
            _ => world.end(Piece::new(uid, "registry"), Outcome::Delivered),
        }
    }
    world.apply(ledger);
    let questions = [
        (vec![], 120),
        (vec![State::InFlight], 80),
        (vec![State::Quarantined, State::Held, State::Expired], 30),
        (vec![State::Delivered, State::Quarantined], 20),
    ];
    for (states, expected) in questions {
        for limit in [1, 7, 200] {
            let found = list(ledger, &filter(|f| f.states = states.clone()), limit);
            let keys: BTreeSet<_> = found.iter().map(|delivery| delivery.id).collect();
            assert_eq!((found.len(), keys.len()), (expected, expected), "{states:?}, {limit} a page");
            assert!(found.is_sorted_by(|a, b| a.uid >= b.uid), "{states:?}, {limit} a page");
        }
    }
}

/// Runs where looking at rows is bounded low enough for a test (the crate's own tests).
pub fn a_list_that_looks_far_is_cut_and_gives_every_delivery_once(ledger: &dyn Ledger) {
    if SCAN_MAX > 10_000 {
        return;
    }
    let mut world = World::default();
    let mut wanted = BTreeSet::new();
    for number in 0..SCAN_MAX * 2 {
        let uid = world.accept();
        if number % 500 == 0 {
            world.route(uid, &["archive"]);
            world.park(Piece::new(uid, "archive"), Parked::Held);
            wanted.insert(Piece::new(uid, "archive").id());
        } else {
            world.route(uid, &["registry"]);
            world.end(Piece::new(uid, "registry"), Outcome::Quarantined);
        }
    }
    for records in world.records.chunks(2_000) {
        super::world::apply(ledger, records);
    }
    let question = filter(|f| {
        f.states = vec![State::Quarantined, State::Held];
        f.destination = Some(Name::local("archive"));
    });
    let first = ledger.deliveries(&question, &Paging::default()).unwrap();
    assert!(first.next.is_some() && first.items.len() < wanted.len(), "the quarantined ones are too many to look at");
    let found = list(ledger, &question, 100);
    assert!(found.is_sorted_by(|a, b| a.uid > b.uid), "one came twice, or out of order");
    assert_eq!(found.iter().map(|delivery| delivery.id).collect::<BTreeSet<_>>(), wanted);
}

pub fn a_held_delivery_says_why_in_which_lanes_and_what_was_answered(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.accept();
    world.route(uid, &["registry"]);
    world.park(Piece::new(uid, "registry"), Parked::Stalled);
    let at = world.now;
    let place = world.park(Piece::new(uid, "registry"), Parked::Held);
    world.apply(ledger);
    let held = list(ledger, &filter(|f| f.states = vec![State::Held]), 10).remove(0);
    assert_eq!((held.parked.as_deref(), held.parked_at, held.park), (Some("held"), Some(at), Some(place)));
    assert_eq!((held.answer.as_deref(), held.attempts), (Some("AE"), 3));
    assert_eq!(held.findings, [finding(207)]);
    assert_eq!(held.lanes, ["0000000000000007"]);
    world.end(Piece::new(uid, "registry"), Outcome::Delivered);
    world.apply(ledger);
    let done = ledger.delivery(held.id).unwrap().unwrap();
    assert_eq!((done.state, done.findings, done.answer.as_deref()), (State::Delivered, vec![], Some("AA")));
    assert_eq!(list(ledger, &filter(|f| f.states = vec![State::Held]), 10), []);
}

pub fn a_delivery_that_came_back_from_park_and_was_refused_is_held(ledger: &dyn Ledger) {
    let mut world = World::default();
    let pieces: Vec<Piece> = (0..3)
        .map(|_| {
            let uid = world.accept();
            world.route(uid, &["registry"]);
            Piece::new(uid, "registry")
        })
        .collect();
    let places: Vec<u64> = pieces.iter().map(|piece| world.park(*piece, Parked::Stalled)).collect();
    world.apply(ledger);
    world.hold(&pieces[1].destination(), places[1]);
    // The second is told of in a batch of its own, the third in the batch that parks it again.
    world.apply(ledger);
    let again = world.park(pieces[2], Parked::Follows);
    world.hold(&pieces[2].destination(), places[2]);
    world.hold(&pieces[2].destination(), again);
    world.apply(ledger);
    ledger.apply(&super::world::changes(&world.records), &[]).unwrap();
    let states: Vec<State> = pieces.iter().map(|piece| ledger.delivery(piece.id()).unwrap().unwrap().state).collect();
    assert_eq!(states, [State::Parked, State::Held, State::Held]);
    let held = ledger.delivery(pieces[1].id()).unwrap().unwrap();
    assert_eq!(held.parked.as_deref(), Some("held"));
}

pub fn a_rerun_is_a_delivery_of_its_own_and_takes_the_place_of_the_first(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.accept();
    world.route(uid, &["registry"]);
    let first = Piece::new(uid, "registry");
    world.quarantine(first);
    let again = Piece { run: 1, ..first };
    world.park(again, Parked::Rerun);
    world.apply(ledger);
    assert_eq!(ledger.quarantine(&Default::default(), &Paging::default()).unwrap().items, []);
    assert_eq!(story(ledger, uid).message.state, State::Parked);
    world.end(again, Outcome::Delivered);
    world.apply(ledger);
    let message = story(ledger, uid).message;
    assert_eq!(message.state, State::Delivered);
    assert_eq!(message.deliveries.len(), 2);
    assert_eq!((message.deliveries[0].state, message.deliveries[0].rerun_as), (State::Quarantined, Some(1)));
    assert_eq!((message.deliveries[1].state, message.deliveries[1].run), (State::Delivered, 1));
    let latest = list(ledger, &filter(|f| f.latest_run = true), 10);
    assert_eq!(latest.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [again.id()]);
    let balance = ledger.balance(&Default::default()).unwrap();
    let line = balance.total.deliveries;
    assert_eq!((line.total, line.delivered, line.quarantined, line.run_again), (2, 1, 1, 1));
    assert!(balance.holds(), "{balance}");
}

pub fn one_message_is_looked_up_with_its_deliveries(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.deliver();
    world.apply(ledger);
    assert_eq!(ledger.message(uid).unwrap(), Some(story(ledger, uid).message));
    assert_eq!(ledger.message(world.uid()).unwrap(), None);
    // One of which only the end is known so far is known.
    let early = world.uid();
    world.end(Piece::new(early, "registry"), Outcome::Delivered);
    world.apply(ledger);
    assert_eq!(ledger.message(early).unwrap().unwrap().deliveries.len(), 1);
}

pub fn places_in_the_log_are_kept_for_every_payload(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.accept();
    let mut routed = world.routed(uid, Disposition::Routed, &["archive", "registry"]);
    routed.source =
        Source { partition: barid_model::Partition(11), intake: Intake::Received, position: 1, output: 0, other: 0 };
    routed.deliveries[0].out = Some(41);
    world.write_routed(routed);
    // Of the other one, OUT itself was read.
    let piece = Piece::new(uid, "registry");
    let out = world.out(piece);
    let place = world.write("out.default.registry.11", Written::Out(out));
    world.apply(ledger);
    let message = story(ledger, uid).message;
    assert_eq!(message.accepted.unwrap().place, Place { subject: "in.11".into(), position: 1 });
    assert_eq!(message.deliveries[0].out, Some(OutPlace { partition: 11, position: 41 }));
    assert_eq!(message.deliveries[1].out, Some(OutPlace { partition: 11, position: place }));
    let park = Some(world.park(piece, Parked::Held));
    let record = world.outcome(piece, Some(Outcome::Delivered));
    world.write_outcome(OutcomeRecord { park, ..record });
    world.apply(ledger);
    let delivery = ledger.delivery(piece.id()).unwrap().unwrap();
    assert_eq!(delivery.park, park);
    let subject = "outcome.default.registry".to_owned();
    assert_eq!(delivery.outcome_place, Some(Place { subject, position: 1 }));
}
