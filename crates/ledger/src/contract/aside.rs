//! What waits for a person: the same in every list, sum and count.

use std::collections::BTreeSet;
use std::time::Duration;

use barid_model::record::Parked;
use barid_model::{Cause, Disposition, Name, Outcome};

use super::world::{BEGIN, Piece, World, finding};
use crate::balance::BalanceRange;
use crate::{DeliveryFilter, Ledger, MessageFilter, Paging, Retention, State, WaitingAt};

fn filter(change: impl FnOnce(&mut DeliveryFilter)) -> DeliveryFilter {
    let mut filter = DeliveryFilter::default();
    change(&mut filter);
    filter
}

pub fn the_quarantine_has_what_waits_for_a_person_and_nothing_else(ledger: &dyn Ledger) {
    let mut world = World::default();
    world.deliver();
    let aside = world.accept();
    world.set_aside(aside, 207);
    let both = world.accept();
    world.route(both, &["archive", "registry"]);
    world.quarantine(Piece::new(both, "archive"));
    world.quarantine(Piece::new(both, "registry"));
    let held = world.accept();
    world.route(held, &["registry"]);
    world.park(Piece::new(held, "registry"), Parked::Held);
    let discarded = world.accept();
    world.route(discarded, &["registry"]);
    world.quarantine(Piece::new(discarded, "registry"));
    world.end(Piece::new(discarded, "registry"), Outcome::Discarded);
    // A route to a channel that does not run is set aside by the router itself.
    let chain = world.accept();
    let mut routed = world.routed(chain, Disposition::Routed, &["next"]);
    routed.deliveries[0].destination = None;
    routed.deliveries[0].outcome = Some(Outcome::Quarantined);
    routed.deliveries[0].findings = vec![finding(207)];
    world.write_routed(routed);
    world.apply(ledger);
    let waiting = |filter: DeliveryFilter| {
        let page = ledger.quarantine(&filter, &Paging::default()).unwrap();
        assert_eq!(page.next, None);
        page.items.into_iter().map(|item| (item.message.uid, item.delivery.map(|d| d.route))).collect::<Vec<_>>()
    };
    let some = |route: &str| Some(route.to_owned());
    assert_eq!(
        waiting(filter(|_| {})),
        [(chain, some("next")), (both, some("archive")), (both, some("registry")), (aside, None)]
    );
    assert_eq!(waiting(filter(|f| f.destination = Some(Name::local("archive")))), [(both, some("archive"))]);
    assert_eq!(waiting(filter(|f| f.uid = Some(aside))), [(aside, None)]);
    assert_eq!(waiting(filter(|f| f.uid = Some(held))), []);
}

pub fn a_message_set_aside_on_which_a_person_has_decided_waits_no_more(ledger: &dyn Ledger) {
    let mut world = World::default();
    let aside: Vec<_> = (0..3)
        .map(|_| {
            let uid = world.accept();
            world.set_aside(uid, 207);
            uid
        })
        .collect();
    world.deliver();
    world.apply(ledger);
    let waiting = |ledger: &dyn Ledger| {
        let page = ledger.quarantine(&DeliveryFilter::default(), &Paging::default()).unwrap();
        page.items.into_iter().map(|item| item.message.uid).collect::<Vec<_>>()
    };
    let first =
        |ledger: &dyn Ledger| ledger.set_aside().unwrap().into_iter().map(|place| place.position).collect::<Vec<_>>();
    assert_eq!((waiting(ledger), first(ledger)), (vec![aside[2], aside[1], aside[0]], vec![1]));
    // Another word about a message decides nothing.
    world.command("replay", &aside[2].to_string());
    world.command("discard", &aside[0].to_string());
    world.apply(ledger);
    assert_eq!((waiting(ledger), first(ledger)), (vec![aside[2], aside[1]], vec![2]));
    assert!(ledger.message(aside[0]).unwrap().unwrap().settled);
    assert!(!ledger.message(aside[1]).unwrap().unwrap().settled);
    world.command("rerun", &aside[1].to_string());
    world.command("rerun", &aside[2].to_string());
    world.apply(ledger);
    assert_eq!((waiting(ledger), first(ledger)), (vec![], vec![]));
    // The command is kept as long as the message, though the rest has a shorter retention.
    let long = (Name::local("admissions"), BEGIN);
    let retention = Retention { before: world.now.plus(Duration::from_secs(1)), channels: vec![long] };
    ledger.prune(&retention, None, 100).unwrap();
    assert_eq!(waiting(ledger), []);
    assert!(ledger.message(aside[0]).unwrap().unwrap().settled);
}

/// What the lists, the sum and the count say is set aside, as numbers of messages and deliveries.
fn set_aside(ledger: &dyn Ledger) -> (u64, u64) {
    let listed = ledger.quarantine(&DeliveryFilter::default(), &Paging::default()).unwrap().items;
    let (whole, pieces): (Vec<_>, Vec<_>) = listed.iter().partition(|item| item.delivery.is_none());
    let found = (whole.len() as u64, pieces.len() as u64);
    let balance = ledger.balance(&BalanceRange::default()).unwrap();
    assert!(balance.holds(), "{balance}");
    assert_eq!(balance.total.set_aside(), found, "{balance}");
    let waiting = ledger.waiting().unwrap();
    assert_eq!((waiting.messages, waiting.deliveries()), found, "{waiting:?}");
    let filter = MessageFilter { state: Some(State::Quarantined), ..MessageFilter::default() };
    let searched: BTreeSet<_> =
        ledger.search(&filter, &Paging::default()).unwrap().items.iter().map(|message| message.uid).collect();
    assert_eq!(searched, listed.iter().map(|item| item.message.uid).collect());
    found
}

pub fn what_is_set_aside_is_the_same_in_every_list_sum_and_count(ledger: &dyn Ledger) {
    let mut world = World::default();
    let found = |world: &World| {
        world.apply(ledger);
        set_aside(ledger)
    };
    let state = |uid| ledger.message(uid).unwrap().unwrap().state;
    let (first, second) = (world.accept(), world.accept());
    world.set_aside(first, 207);
    world.set_aside(second, 207);
    let third = world.accept();
    world.route(third, &["archive", "registry"]);
    world.quarantine(Piece::new(third, "archive"));
    world.quarantine(Piece::new(third, "registry"));
    assert_eq!(found(&world), (2, 2));
    // A re-run names its message before that is there: until then nothing is decided.
    let mut child = world.envelope();
    (child.cause, child.parents) = (Cause::Replayed, vec![first]);
    world.command_with("rerun", &first.to_string(), &format!("{{\"as\":\"{}\"}}", child.uid));
    assert_eq!((found(&world), state(first)), ((2, 2), State::Quarantined));
    let child = world.accept_as(|envelope| *envelope = child);
    world.route(child, &["registry"]);
    assert_eq!((found(&world), state(first)), ((1, 2), State::Rerun));
    world.command("discard", &second.to_string());
    assert_eq!((found(&world), state(second)), ((0, 2), State::Discarded));
    let again = Piece { run: 1, ..Piece::new(third, "registry") };
    world.park(again, Parked::Rerun);
    assert_eq!(found(&world), (0, 1));
    world.quarantine(again);
    assert_eq!(found(&world), (0, 2), "its next run is set aside as well");
    world.end(Piece::new(third, "archive"), Outcome::Discarded);
    let (held, follows) = (world.accept(), world.accept());
    world.route(held, &["registry"]);
    world.route(follows, &["registry"]);
    world.park(Piece::new(held, "registry"), Parked::Held);
    world.park(Piece::new(follows, "registry"), Parked::Follows);
    assert_eq!(found(&world), (0, 1));
    let at = ledger.waiting().unwrap().at(Some(&Name::local("registry")));
    assert_eq!(at, WaitingAt { quarantined: 1, parked: 2, held: 1 });
    for (word, uids) in [(State::Rerun, vec![first]), (State::Discarded, vec![third, second])] {
        let filter = MessageFilter { state: Some(word), ..MessageFilter::default() };
        let items = ledger.search(&filter, &Paging::default()).unwrap().items;
        assert_eq!(items.iter().map(|message| message.uid).collect::<Vec<_>>(), uids, "{word:?}");
    }
}

pub fn what_was_set_aside_before_its_outcome_is_known_is_set_aside(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.accept();
    world.route(uid, &["registry"]);
    let piece = Piece::new(uid, "registry");
    world.park(piece, Parked::Stalled);
    world.apply(ledger);
    assert_eq!(set_aside(ledger), (0, 0));
    world.park(piece, Parked::Quarantined);
    world.apply(ledger);
    assert_eq!(set_aside(ledger), (0, 1));
    assert_eq!(ledger.message(uid).unwrap().unwrap().state, State::Quarantined);
    world.end(piece, Outcome::Discarded);
    world.apply(ledger);
    assert_eq!((set_aside(ledger), ledger.message(uid).unwrap().unwrap().state), ((0, 0), State::Discarded));
}

/// A ledger that was made anew when the log had given back all but PARK, which keeps what waits for a person.
pub fn what_only_park_still_tells_of_waits_for_a_person(ledger: &dyn Ledger) {
    let mut world = World::default();
    let pieces: Vec<Piece> = (0..3)
        .map(|_| {
            let uid = world.accept();
            world.route(uid, &["registry"]);
            Piece::new(uid, "registry")
        })
        .collect();
    world.quarantine(pieces[0]);
    world.quarantine(pieces[1]);
    world.park(pieces[2], Parked::Stalled);
    world.park(Piece { run: 1, ..pieces[1] }, Parked::Rerun);
    world.records.retain(|(subject, ..)| subject.starts_with("park."));
    ledger.incomplete_before(world.now).unwrap();
    world.apply(ledger);
    assert_eq!(set_aside(ledger), (0, 1));
    let waiting = |filter: DeliveryFilter| {
        let page = ledger.quarantine(&filter, &Paging::default()).unwrap();
        page.items.into_iter().map(|item| item.message.uid).collect::<Vec<_>>()
    };
    let registry = filter(|f| f.destination = Some(Name::local("registry")));
    for asked in [registry.clone(), filter(|f| f.uid = Some(pieces[0].uid))] {
        assert_eq!(waiting(asked), [pieces[0].uid]);
    }
    // Of what nothing is known nothing is said.
    for asked in [
        filter(|f| f.destination = Some(Name::local("archive"))),
        filter(|f| f.channel = Some(Name::local("admissions"))),
        filter(|f| f.uid = Some(pieces[2].uid)),
    ] {
        assert_eq!(waiting(asked), []);
    }
    let parked = MessageFilter { state: Some(State::Parked), ..MessageFilter::default() };
    let found = ledger.search(&parked, &Paging::default()).unwrap().items;
    assert_eq!(found.iter().map(|message| message.uid).collect::<Vec<_>>(), [pieces[2].uid, pieces[1].uid]);
    let replayed = MessageFilter { state: Some(State::Quarantined), ..MessageFilter::default() };
    assert_eq!(ledger.select_for_replay(&replayed, &Paging::default()).unwrap().items, []);
    world.end(pieces[0], Outcome::Discarded);
    world.apply(ledger);
    assert_eq!((set_aside(ledger), waiting(registry)), ((0, 0), vec![]));
}
