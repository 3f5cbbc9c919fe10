//! What is told of one message.

use barid_model::record::{OutcomeRecord, Parked};
use barid_model::{Cause, MessageUid, Outcome};

use super::ask::story;
use super::world::{BEGIN, Piece, World, finding};
use crate::story::Kind;
use crate::{Ledger, State};

pub fn the_story_of_a_delivered_message_is_told_in_order(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.accept_as(|envelope| envelope.findings = vec![finding(100)]);
    world.wait(9);
    let mut routed = world.routed(uid, barid_model::Disposition::Routed, &["archive", "registry"]);
    routed.deliveries[0].outcome = Some(Outcome::Filtered);
    world.write_routed(routed);
    world.wait(9);
    let piece = Piece::new(uid, "registry");
    let record = world.outcome(piece, Some(Outcome::Delivered));
    world.write_outcome(OutcomeRecord { attempts: 2, possible_duplicate: true, ..record });
    world.apply(ledger);
    let story = story(ledger, uid);
    let kinds: Vec<Kind> = story.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [Kind::Accepted, Kind::Routed, Kind::Outcome]);
    let texts: Vec<&str> = story.events.iter().map(|event| event.text.as_str()).collect();
    assert_eq!(
        texts[0],
        "ADT^A01 accepted from default/chn (10.0.0.1:50000) by listener mllp, taken by channel admissions"
    );
    assert_eq!(texts[1], "routed: archive filtered, registry → registry");
    assert_eq!(
        texts[2],
        "delivered (registry), answer AA, 2 attempts, 20 ms after it was received, the destination may have it twice"
    );
    assert_eq!(story.events[0].findings, [finding(100)]);
    assert_eq!(story.message.state, State::Delivered);
    let delivery = story.message.deliveries.iter().find(|delivery| delivery.route == "registry").unwrap();
    assert_eq!(delivery.latency_micros, Some(20_000));
    assert_eq!((delivery.attempts, delivery.possible_duplicate), (2, true));
    assert_eq!(delivery.answer.as_deref(), Some("AA"));
    let accepted = story.message.accepted.unwrap();
    assert_eq!((accepted.received, accepted.bytes, accepted.control_id.as_str()), (BEGIN, 1_300, "C1"));
    assert_eq!(accepted.lanes, ["0000000000000007"]);
}

pub fn g6_the_story_says_why_a_delivery_was_parked_quarantined_and_discarded(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.accept();
    world.route(uid, &["registry"]);
    let piece = Piece::new(uid, "registry");
    world.park(piece, Parked::Stalled);
    world.quarantine(piece);
    let discard = world.outcome(piece, Some(Outcome::Discarded));
    let (actor, reason) = (Some("amina".into()), Some("patient registered twice".into()));
    world.write_outcome(OutcomeRecord { actor, reason, ..discard });
    world.apply(ledger);
    let events = story(ledger, uid).events;
    let texts: Vec<&str> = events.iter().skip(2).map(|event| event.text.as_str()).collect();
    assert_eq!(texts[0], "parked for registry: its lane did not move, answer AE, 3 attempts");
    assert_eq!(texts[1], "parked for registry: set aside, its lane goes on, answer AE, 3 attempts");
    assert_eq!(texts[2], "quarantined (registry), answer AA, 3 attempts");
    assert!(texts[3].starts_with("discarded (registry), answer AA"), "{}", texts[3]);
    assert!(texts[3].ends_with("by amina: patient registered twice"), "{}", texts[3]);
    assert_eq!(texts.len(), 4);
    assert_eq!(events[4].findings, [finding(207)]);
    assert_eq!(events[4].delivery.as_deref(), Some("registry"));
}

pub fn the_story_names_resends_replays_and_commands(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.deliver();
    let resend = world.accept();
    world.duplicate(resend, uid);
    world.command("replay", &uid.to_string());
    let replayed = world.accept_as(|envelope| {
        envelope.cause = Cause::Replayed;
        envelope.parents = vec![uid];
        envelope.reason = Some("amina: asked by the laboratory".into());
    });
    world.command("discard", &Piece::new(uid, "registry").id().to_string());
    // Another message with nothing to do with it.
    world.deliver();
    world.command("pause", "destination default/registry");
    world.apply(ledger);
    let whole = story(ledger, uid);
    assert_eq!(whole.duplicates.iter().map(|other| other.uid).collect::<Vec<_>>(), [resend]);
    assert_eq!(whole.children.iter().map(|other| other.uid).collect::<Vec<_>>(), [replayed]);
    assert_eq!(whole.children[0].cause, "replayed");
    assert_eq!(whole.commands.iter().map(|command| command.verb.as_str()).collect::<Vec<_>>(), ["replay", "discard"]);
    let kinds: Vec<Kind> = whole.events.iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [Kind::Accepted, Kind::Routed, Kind::Outcome, Kind::Resent, Kind::Command, Kind::Child, Kind::Command]
    );
    assert!(whole.events.is_sorted_by_key(|event| event.at));
    assert!(!whole.related_cut);
    let resent = story(ledger, resend);
    assert_eq!(resent.message.duplicate_of, Some(uid));
    assert_eq!(resent.message.state, State::Duplicate);
    let child = story(ledger, replayed);
    assert_eq!(child.message.accepted.unwrap().parents, [uid]);
    let made = format!("taken by channel admissions, made of {uid}: amina: asked by the laboratory");
    assert!(child.events[0].text.ends_with(&made), "{}", child.events[0].text);
}

pub fn an_act_of_a_person_is_told_once_and_names_the_message_it_made(ledger: &dyn Ledger) {
    let mut world = World::default();
    let (uid, lost) = (world.accept(), world.uid());
    world.set_aside(uid, 207);
    let mut child = world.envelope();
    (child.cause, child.parents) = (Cause::Replayed, vec![uid]);
    // As it was recorded before: twice.
    world.command("replay", &uid.to_string());
    world.command_with("rerun", &uid.to_string(), &format!("{{\"as\":\"{}\"}}", child.uid));
    let child = world.accept_as(|envelope| *envelope = child);
    world.command_with("resend", &uid.to_string(), &format!("{{\"as\":\"{lost}\"}}"));
    let given_up = world.accept();
    world.route(given_up, &["registry"]);
    let piece = Piece::new(given_up, "registry");
    world.quarantine(piece);
    world.command("discard", &piece.id().to_string());
    let record = world.outcome(piece, Some(Outcome::Discarded));
    let by = (Some("amina".to_owned()), Some("asked by the laboratory".to_owned()));
    world.write_outcome(OutcomeRecord { actor: by.0, reason: by.1, ..record });
    world.apply(ledger);
    let texts = |uid| {
        let events = story(ledger, uid).events;
        events.into_iter().filter(|event| event.text.contains("by amina")).map(|event| event.text).collect::<Vec<_>>()
    };
    let why = "by amina: asked by the laboratory";
    assert_eq!(
        texts(uid),
        [format!("rerun {why}; made message {child}"), format!("resend {why}; message {lost} was not made")]
    );
    let ended = texts(given_up);
    assert!(ended.len() == 1 && ended[0].starts_with("discarded (registry)"), "{ended:?}");
}

pub fn a_second_outcome_is_told_as_one_that_does_not_count(ledger: &dyn Ledger) {
    let mut world = World::default();
    let uid = world.deliver();
    world.end(Piece::new(uid, "registry"), Outcome::Delivered);
    world.apply(ledger);
    ledger.apply(&super::world::changes(&world.records), &[]).unwrap();
    let events = story(ledger, uid).events;
    let outcomes: Vec<bool> = events
        .iter()
        .filter(|event| event.kind == Kind::Outcome)
        .map(|event| event.text.ends_with("; a record before it counts"))
        .collect();
    assert_eq!(outcomes, [false, true]);
}

pub fn nothing_is_told_of_an_unknown_message(ledger: &dyn Ledger) {
    let mut world = World::default();
    world.deliver();
    world.apply(ledger);
    assert_eq!(ledger.follow(MessageUid::from_bytes([3; 16])).unwrap(), None);
    // One of which only the end is known so far has a story that says so.
    let uid = world.uid();
    world.end(Piece::new(uid, "registry"), Outcome::Delivered);
    world.apply(ledger);
    let early = story(ledger, uid);
    assert_eq!((early.message.accepted, early.message.deliveries.len()), (None, 1));
}
