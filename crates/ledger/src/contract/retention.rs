//! What is removed, and what stays.

use std::time::Duration;

use barid_model::record::Parked;
use barid_model::{Cause, Envelope, MessageUid, Name, Outcome};

use super::ask::{story, uids};
use super::world::{BEGIN, Piece, World, key};
use crate::filter::Key;
use crate::{Cursor, Ledger, MessageFilter, Paging, Pruned, Retention, State};

/// A whole sweep, `rows` at a time.
fn sweep(ledger: &dyn Ledger, retention: &Retention, rows: usize) -> Pruned {
    let mut sum = Pruned::default();
    let mut after: Option<Cursor> = None;
    for _ in 0..10_000 {
        let step = ledger.prune(retention, after.as_ref(), rows).unwrap();
        assert!(step.messages <= rows as u64, "a step removes no more than it looks at");
        sum.messages += step.messages;
        sum.deliveries += step.deliveries;
        sum.kept += step.kept;
        match step.next {
            Some(next) => after = Some(next),
            None => return sum,
        }
    }
    panic!("the sweep has no end");
}

fn all(ledger: &dyn Ledger) -> Vec<MessageUid> {
    uids(ledger, &MessageFilter::default())
}

pub fn what_has_ended_goes_by_the_retention_of_its_channel(ledger: &dyn Ledger) {
    let mut world = World::default();
    let old = world.deliver();
    let long = world.accept_as(|envelope| envelope.channel = Some(Name::local("kept")));
    world.route(long, &["registry"]);
    world.end(Piece::new(long, "registry"), Outcome::Delivered);
    world.wait(1_000);
    let limit = world.now;
    let new = world.deliver();
    world.apply(ledger);
    let retention = Retention { before: limit, channels: vec![(Name::local("kept"), BEGIN)] };
    let pruned = sweep(ledger, &retention, 10);
    assert_eq!((pruned.messages, pruned.deliveries, pruned.kept), (1, 1, 0));
    assert_eq!(all(ledger), [new, long]);
    assert_eq!(ledger.follow(old).unwrap(), None);
    // The other way round: a channel may have a shorter one than the rest.
    let retention = Retention { before: BEGIN, channels: vec![(Name::local("kept"), limit)] };
    assert_eq!(sweep(ledger, &retention, 10).messages, 1);
    assert_eq!(all(ledger), [new]);
    assert!(ledger.balance(&Default::default()).unwrap().holds());
    // Applying the log once more brings nothing back.
    world.apply(ledger);
    assert_eq!(all(ledger), [new]);
}

pub fn what_a_person_decided_on_never_waits_again_because_the_decision_is_forgotten(ledger: &dyn Ledger) {
    let mut world = World::default();
    let older = world.deliver();
    let aside = world.accept();
    world.set_aside(aside, 207);
    world.command("discard", &aside.to_string());
    world.apply(ledger);
    let retention = Retention::all(world.now.plus(Duration::from_secs(60)));
    // One message a step: when the first step forgets commands, the message is still there.
    let first = ledger.prune(&retention, None, 1).unwrap();
    assert_eq!((first.messages, all(ledger)), (1, vec![aside]), "{older} went first");
    assert!(ledger.message(aside).unwrap().unwrap().settled);
    assert_eq!(ledger.set_aside().unwrap(), [], "its partition is not kept for it");
    assert_eq!(sweep(ledger, &retention, 1).messages, 1);
    assert_eq!(all(ledger), []);
    assert_eq!(ledger.commands(None, &Paging::default()).unwrap().items.len(), 0, "its command goes with it");
}

/// A message that was set aside, and the order to run it again as the message that is given.
fn run_again(world: &mut World) -> (MessageUid, Envelope) {
    let aside = world.accept_as(|envelope| envelope.channel = Some(Name::local("kept")));
    world.set_aside(aside, 207);
    let mut child = world.envelope();
    (child.cause, child.parents) = (Cause::Replayed, vec![aside]);
    world.command_with("rerun", &aside.to_string(), &format!("{{\"as\":\"{}\"}}", child.uid));
    (aside, child)
}

/// How it stands with a message in every list: its state, and how many wait.
fn stands(ledger: &dyn Ledger, uid: MessageUid) -> (State, usize, usize, u64) {
    let quarantine = ledger.quarantine(&Default::default(), &Paging::default()).unwrap().items.len();
    let state = ledger.message(uid).unwrap().unwrap().state;
    (state, quarantine, ledger.set_aside().unwrap().len(), ledger.waiting().unwrap().messages)
}

pub fn what_was_run_again_in_vain_waits_for_a_person_whatever_else_is_forgotten(ledger: &dyn Ledger) {
    let mut world = World::default();
    let (aside, _) = run_again(&mut world);
    let other = world.deliver();
    world.wait(1_000);
    world.apply(ledger);
    let undecided = (State::Quarantined, 1, 1, 1);
    assert_eq!(stands(ledger, aside), undecided);
    // Another message has had its time, so the ledger does not know everything any more.
    let pruned = sweep(ledger, &Retention::all(world.now), 10);
    assert_eq!((pruned.messages, pruned.kept), (1, 1), "{other} goes");
    assert!(ledger.balance(&Default::default()).unwrap().incomplete_before.is_some());
    assert_eq!(stands(ledger, aside), undecided);
    assert_eq!(sweep(ledger, &Retention::all(world.now), 10).messages, 0);
    assert_eq!(all(ledger), [aside]);
    // A ledger that was filled from a log without the message it became believes the order.
    ledger.incomplete_before(world.now).unwrap();
    assert_eq!(stands(ledger, aside), (State::Rerun, 0, 0, 0));
}

pub fn what_was_run_again_stays_decided_when_what_it_became_has_had_its_time(ledger: &dyn Ledger) {
    let mut world = World::default();
    let (aside, child) = run_again(&mut world);
    let child = world.accept_as(|envelope| *envelope = child);
    world.route(child, &["registry"]);
    world.end(Piece::new(child, "registry"), Outcome::Delivered);
    let replayed = world.accept_as(|envelope| (envelope.cause, envelope.parents) = (Cause::Replayed, vec![aside]));
    world.route(replayed, &["registry"]);
    world.end(Piece::new(replayed, "registry"), Outcome::Delivered);
    world.wait(1_000);
    world.apply(ledger);
    let decided = (State::Rerun, 0, 0, 0);
    assert_eq!(stands(ledger, aside), decided);
    let long = (Name::local("kept"), BEGIN);
    let short = Retention { before: world.now, channels: vec![long] };
    let pruned = sweep(ledger, &short, 10);
    assert_eq!((pruned.messages, pruned.kept), (1, 1), "what was only replayed goes");
    assert_eq!((all(ledger), stands(ledger, aside)), (vec![child, aside], decided));
    // It goes with what was run again, or a sweep later.
    let all_past = Retention::all(world.now);
    assert_eq!(sweep(ledger, &all_past, 1).messages + sweep(ledger, &all_past, 1).messages, 2);
    assert_eq!((all(ledger), ledger.set_aside().unwrap()), (vec![], vec![]));
}

pub fn what_waits_for_a_person_is_never_removed(ledger: &dyn Ledger) {
    let mut world = World::default();
    let unrouted = world.accept();
    let aside = world.accept();
    world.set_aside(aside, 207);
    let flying = world.accept();
    world.route(flying, &["registry"]);
    let held = world.accept();
    world.route(held, &["registry"]);
    world.park(Piece::new(held, "registry"), Parked::Held);
    // What a person says of a message ends none of its deliveries.
    world.command("discard", &held.to_string());
    let quarantined = world.accept();
    world.route(quarantined, &["registry"]);
    world.quarantine(Piece::new(quarantined, "registry"));
    let again = world.accept();
    world.route(again, &["registry"]);
    world.quarantine(Piece::new(again, "registry"));
    world.end(Piece { run: 1, ..Piece::new(again, "registry") }, Outcome::Delivered);
    world.apply(ledger);
    let retention = Retention::all(world.now.plus(Duration::from_secs(60)));
    let pruned = sweep(ledger, &retention, 2);
    assert_eq!((pruned.messages, pruned.deliveries, pruned.kept), (1, 2, 5));
    assert_eq!(all(ledger), [quarantined, held, flying, aside, unrouted]);
    world.end(Piece::new(quarantined, "registry"), Outcome::Discarded);
    world.apply(ledger);
    assert_eq!(sweep(ledger, &retention, 2).messages, 1);
}

pub fn a_sweep_goes_in_steps_and_ends(ledger: &dyn Ledger) {
    let mut world = World::default();
    for _ in 0..25 {
        world.deliver();
    }
    world.apply(ledger);
    let retention = Retention::all(world.now);
    let first = ledger.prune(&retention, None, 10).unwrap();
    assert_eq!(first.messages, 10);
    assert!(first.next.is_some());
    assert_eq!(all(ledger).len(), 15);
    assert_eq!(sweep(ledger, &retention, 10).messages, 15);
    assert_eq!(sweep(ledger, &retention, 10), Pruned::default());
}

pub fn a_removed_message_is_found_by_nothing(ledger: &dyn Ledger) {
    let mut world = World::default();
    for _ in 0..400 {
        let uid = world.accept_as(|envelope| envelope.keys = vec![key("patient", "aa")]);
        world.route(uid, &["registry"]);
        world.end(Piece::new(uid, "registry"), Outcome::Delivered);
    }
    for records in world.records.chunks(100) {
        super::world::apply(ledger, records);
    }
    world.command("pause", "destination default/registry");
    world.refuse("R1");
    world.apply(ledger);
    let by_key =
        MessageFilter { keys: vec![Key { name: "patient".into(), value: "aa".into() }], ..MessageFilter::default() };
    assert_eq!(uids(ledger, &by_key).len(), 400);
    let first = Piece::new(world.uids()[0], "registry");
    sweep(ledger, &Retention::all(world.now), 1_000);
    sweep(ledger, &Retention::all(world.now), 1_000);
    assert_eq!(uids(ledger, &by_key), []);
    assert_eq!(all(ledger), []);
    assert_eq!(ledger.delivery(first.id()).unwrap(), None);
    assert_eq!(ledger.commands(None, &Paging::default()).unwrap().items, []);
    assert_eq!(ledger.refused(&Default::default(), &Paging::default()).unwrap().items, []);
    let balance = ledger.balance(&Default::default()).unwrap();
    assert!(balance.holds() && balance.total.deliveries.total == 0, "{balance}");
}

pub fn an_expired_payload_shows_as_such_once_all_has_ended(ledger: &dyn Ledger) {
    let mut world = World::default();
    let done = world.deliver();
    let kept = world.accept_as(|envelope| envelope.channel = Some(Name::local("kept")));
    world.route(kept, &["registry"]);
    world.end(Piece::new(kept, "registry"), Outcome::Delivered);
    let flying = world.accept();
    world.route(flying, &["registry"]);
    let limit = world.now;
    let new = world.deliver();
    world.apply(ledger);
    let retention = Retention { before: limit, channels: vec![(Name::local("kept"), BEGIN)] };
    ledger.expire_payloads(&retention).unwrap();
    let expired = |uid| story(ledger, uid).message.payload_expired;
    assert_eq!([expired(done), expired(kept), expired(flying), expired(new)], [true, false, false, false]);
    world.end(Piece::new(flying, "registry"), Outcome::Delivered);
    world.apply(ledger);
    assert!(expired(flying));
    let items = ledger.select_for_replay(&MessageFilter::default(), &Paging::default()).unwrap().items;
    let expired: Vec<bool> = items.iter().map(|item| item.payload_expired).collect();
    assert_eq!(expired, [true, false, true, false]);
}
