//! What taking changes means: by key, once, together with the positions.

use barid_model::{Disposition, Outcome};

use super::ask::{picture, same, story};
use super::world::{World, apply, changes, finding};
use crate::contract::world::Piece;
use crate::{Bound, DeliveryFilter, GivenUp, Ledger, LedgerError, MessageFilter, Paging, RefusedFilter, State};

fn busy() -> World {
    let mut world = World::default();
    let first = world.deliver();
    let second = world.accept();
    world.duplicate(second, first);
    let third = world.accept();
    world.route(third, &["registry", "archive"]);
    world.quarantine(Piece::new(third, "registry"));
    let fourth = world.accept();
    world.set_aside(fourth, 205);
    world.accept();
    world
}

pub fn the_same_changes_again_change_nothing(ledger: &dyn Ledger) {
    let world = busy();
    world.apply(ledger);
    let before = picture(ledger, &world);
    // Once with the positions, so that all is skipped, and once more as a reader that lost its positions would.
    world.apply(ledger);
    same(&picture(ledger, &world), &before, "again");
    ledger.reset().unwrap();
    ledger.apply(&changes(&world.records), &[]).unwrap();
    ledger.apply(&changes(&world.records), &[]).unwrap();
    world.apply(ledger);
    same(&picture(ledger, &world), &before, "again");
}

pub fn the_order_of_subjects_makes_no_difference(ledger: &dyn Ledger) {
    let world = busy();
    world.apply(ledger);
    let before = picture(ledger, &world);
    for one_by_one in [false, true] {
        ledger.reset().unwrap();
        let mut records = world.records.clone();
        // OUTCOME and PARK come before ROUTED, and ROUTED before IN.
        records.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        if one_by_one {
            records.chunks(1).for_each(|record| apply(ledger, record));
        } else {
            apply(ledger, &records);
        }
        same(&picture(ledger, &world), &before, &format!("one by one: {one_by_one}"));
    }
}

pub fn positions_are_kept_with_the_changes_and_never_go_back(ledger: &dyn Ledger) {
    assert_eq!(ledger.positions().unwrap(), []);
    ledger.apply(&[], &[("in.03", 7), ("routed.03", 2)]).unwrap();
    ledger.apply(&[], &[("in.03", 5), ("routed.03", 3)]).unwrap();
    assert_eq!(ledger.positions().unwrap(), [("in.03".to_owned(), 7), ("routed.03".to_owned(), 3)]);
}

pub fn changes_at_or_below_the_stored_position_are_skipped(ledger: &dyn Ledger) {
    let mut world = World::default();
    world.accept();
    world.apply(ledger);
    world.accept();
    let applied = ledger.apply(&changes(&world.records), &[]).unwrap();
    assert_eq!((applied.taken, applied.skipped), (1, 1));
}

pub fn a_batch_that_fails_leaves_nothing_behind(ledger: &dyn Ledger) {
    let mut world = World::default();
    world.accept_as(|envelope| envelope.facility.name = "default/never-seen".into());
    world.accept();
    let mut batch = changes(&world.records);
    batch[1].position = 0;
    let error = ledger.apply(&batch, &[("in.02", 9)]).unwrap_err();
    assert!(matches!(error, LedgerError::Invalid(_)), "{error}");
    assert_eq!(ledger.positions().unwrap(), []);
    assert_eq!(ledger.search(&MessageFilter::default(), &Paging::default()).unwrap().items, []);
    assert_eq!(ledger.last_seen().unwrap(), []);
    // The same names are given out again as if nothing had happened.
    world.apply(ledger);
    let found = ledger.search(&MessageFilter::default(), &Paging::default()).unwrap();
    let facilities: Vec<String> = found.items.into_iter().map(|m| m.accepted.unwrap().facility).collect();
    assert_eq!(facilities, ["default/chn", "default/never-seen"]);
}

pub fn the_first_terminal_outcome_counts(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.accept();
    world.route(uid, &["registry"]);
    let piece = Piece::new(uid, "registry");
    world.end(piece, Outcome::Delivered);
    world.end(piece, Outcome::Quarantined);
    world.end(piece, Outcome::Discarded);
    world.apply(ledger);
    assert_eq!(story(ledger, uid).message.deliveries[0].state, State::Delivered);
    assert!(ledger.balance(&Default::default()).unwrap().holds());
}

pub fn a_filtered_delivery_stays_filtered_whatever_was_read_before(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.accept();
    let mut routed = world.routed(uid, Disposition::Routed, &["registry"]);
    routed.deliveries[0].outcome = Some(Outcome::Filtered);
    world.write_routed(routed);
    world.apply(ledger);
    world.apply(ledger);
    let delivery = story(ledger, uid).message.deliveries.remove(0);
    assert_eq!((delivery.state, delivery.outcome), (State::Filtered, Some(Outcome::Filtered)));
    assert_eq!(story(ledger, uid).message.state, State::Filtered);
}

pub fn a_person_may_discard_what_is_quarantined(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.accept();
    world.route(uid, &["registry"]);
    let piece = Piece::new(uid, "registry");
    world.quarantine(piece);
    let mut discard = world.outcome(piece, Some(Outcome::Discarded));
    discard.actor = Some("amina".into());
    discard.reason = Some("patient registered twice".into());
    world.write_outcome(discard);
    // The quarantine is read once more after the discard, as after a restart of the reader.
    ledger.apply(&changes(&world.records), &[]).unwrap();
    world.apply(ledger);
    let delivery = story(ledger, uid).message.deliveries.remove(0);
    assert_eq!(delivery.state, State::Discarded);
    assert_eq!(delivery.actor.as_deref(), Some("amina"));
    assert_eq!(delivery.reason.as_deref(), Some("patient registered twice"));
}

pub fn an_order_ends_what_the_router_set_aside_for_a_channel(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.accept();
    let mut routed = world.routed(uid, Disposition::Routed, &["onward"]);
    let delivery = &mut routed.deliveries[0];
    (delivery.destination, delivery.outcome) = (None, Some(Outcome::Quarantined));
    let id = delivery.id;
    world.write_routed(routed);
    world.apply(ledger);
    let waiting = || ledger.quarantine(&DeliveryFilter::default(), &Paging::default()).unwrap().items.len();
    let pinned = || ledger.set_aside().unwrap().iter().map(|place| place.position).collect::<Vec<_>>();
    assert_eq!((waiting(), pinned()), (1, vec![1]), "nothing was made of it: its bytes stand in IN alone");
    let what = GivenUp { uid, route: "onward".into(), part: 0, run: 0 };
    world.command_with("discard", &id.to_string(), &serde_json::to_string(&what).unwrap());
    world.apply(ledger);
    let delivery = story(ledger, uid).message.deliveries.remove(0);
    assert_eq!((delivery.state, delivery.actor.as_deref()), (State::Discarded, Some("amina")));
    assert_eq!((waiting(), pinned()), (0, vec![]), "it waits no more");
    assert!(ledger.balance(&Default::default()).unwrap().holds());
}

pub fn a_message_set_aside_before_routing_may_be_routed_after_all(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.accept();
    world.set_aside(uid, 205);
    world.apply(ledger);
    assert_eq!(story(ledger, uid).message.state, State::Quarantined);
    assert_eq!(story(ledger, uid).message.routing_findings, [finding(205)]);
    world.route(uid, &["registry"]);
    world.apply(ledger);
    let message = story(ledger, uid).message;
    assert_eq!((message.disposition, message.state), (Some(Disposition::Routed), State::InFlight));
    let quarantine = ledger.quarantine(&Default::default(), &Paging::default()).unwrap();
    assert_eq!(quarantine.items, []);
}

pub fn a_ledger_of_another_log_is_emptied(ledger: &dyn Ledger) {
    let world = busy();
    assert_eq!(ledger.bind([1; 16]).unwrap(), Bound::New);
    world.apply(ledger);
    assert_eq!(ledger.bind([1; 16]).unwrap(), Bound::Same);
    assert_ne!(ledger.positions().unwrap(), []);
    assert_eq!(ledger.bind([2; 16]).unwrap(), Bound::Reset);
    assert_eq!(ledger.positions().unwrap(), []);
    assert_eq!(ledger.search(&MessageFilter::default(), &Paging::default()).unwrap().items, []);
    // A rebuild keeps the tie to the log.
    world.apply(ledger);
    ledger.reset().unwrap();
    assert_eq!(ledger.bind([2; 16]).unwrap(), Bound::Same);
}

pub fn refused_messages_are_kept_apart_newest_first(ledger: &dyn Ledger) {
    let mut world = World::default();
    for number in 0..5 {
        world.refuse(&format!("R{number}"));
    }
    world.apply(ledger);
    world.apply(ledger);
    let first = ledger.refused(&RefusedFilter::default(), &Paging::first(2)).unwrap();
    let ids: Vec<&str> = first.items.iter().map(|refused| refused.control_id.as_str()).collect();
    assert_eq!(ids, ["R4", "R3"]);
    assert_eq!(first.items[0].findings, [finding(101)]);
    let rest = ledger.refused(&RefusedFilter::default(), &Paging { limit: 9, after: first.next }).unwrap();
    assert_eq!((rest.items.len(), rest.next), (3, None));
    let one = RefusedFilter { control_id: Some("R1".into()), ..RefusedFilter::default() };
    let one = ledger.refused(&one, &Paging::default()).unwrap();
    assert_eq!((one.items.len(), one.items[0].place.position), (1, 2));
    let nobody = RefusedFilter { facility: Some("default/nobody".into()), ..RefusedFilter::default() };
    assert_eq!(ledger.refused(&nobody, &Paging::default()).unwrap().items, []);
    // They are no messages of the balance.
    assert_eq!(ledger.balance(&Default::default()).unwrap().total.accepted, 0);
}

pub fn commands_are_kept_with_who_and_why(ledger: &dyn Ledger) {
    let mut world = World::default();
    world.command("pause", "destination default/registry");
    world.command("resume", "destination default/registry");
    world.command("pause", "channel default/admissions");
    world.apply(ledger);
    world.apply(ledger);
    let all = ledger.commands(None, &Paging::default()).unwrap().items;
    assert_eq!(all.len(), 3);
    assert_eq!((all[0].verb.as_str(), all[0].actor.as_str()), ("pause", "amina"));
    let one = ledger.commands(Some("destination default/registry"), &Paging::first(1)).unwrap();
    assert_eq!(one.items[0].verb, "resume");
    let paging = Paging { limit: 5, after: one.next };
    let rest = ledger.commands(Some("destination default/registry"), &paging).unwrap();
    assert_eq!((rest.items.len(), rest.next), (1, None));
}
