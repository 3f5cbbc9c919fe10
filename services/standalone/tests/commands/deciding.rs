//! What a person decides about what waits for one: rerun, discard, release.

use barid_model::{MessageUid, Name};
use barid_runtime::control::protocol::*;
use barid_runtime::control::{Commands as _, ErrorKind};

use crate::engine::{DOCUMENTS, Engine, by, until};
use crate::peers::{adt, oru};

fn message(uid: MessageUid) -> DeliverySelection {
    DeliverySelection::Message { uid, route: None }
}

fn at(destination: &str) -> DeliverySelection {
    let query = ParkedQuery { destination: Some(Name::local(destination)), ..ParkedQuery::default() };
    DeliverySelection::Query(Box::new(query))
}

fn rerun(select: DeliverySelection) -> RerunRequest {
    RerunRequest { by: by(), select, limit: 100, dry_run: false }
}

fn discard(select: DeliverySelection) -> DiscardRequest {
    DiscardRequest { by: by(), select, limit: 100, dry_run: false, keep: false }
}

/// One message that the registry refuses.
async fn refused(engine: &Engine, id: &str) -> MessageUid {
    engine.registry.refuse(id);
    assert_eq!(engine.sender().send(&adt("A01", id, "A")), "AA");
    let uid = engine.uid(id).await;
    engine.until_state(uid, state::QUARANTINED).await;
    uid
}

#[tokio::test]
async fn a_quarantined_delivery_that_is_run_again_is_delivered_as_its_next_run() {
    let engine = Engine::start().await;
    let uid = refused(&engine, "M1").await;
    let waiting = engine.parked().await;
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!((waiting[0].why.as_str(), waiting[0].answer.as_deref()), (state::QUARANTINED, Some("AE")));
    let client = engine.client().await;
    let dry = RerunRequest { dry_run: true, ..rerun(message(uid)) };
    assert_eq!(client.rerun(dry).await.unwrap(), Done { matched: 1, done: 0, ..Done::default() });
    engine.registry.accept();
    assert_eq!(client.rerun(rerun(message(uid))).await.unwrap(), Done { matched: 1, done: 1, ..Done::default() });
    let detail = engine.until_state(uid, state::DELIVERED).await;
    let runs: Vec<(u32, &str)> =
        detail.runs.iter().filter(|run| run.route == "registry").map(|run| (run.run, run.state.as_str())).collect();
    assert_eq!(runs, [(0, state::QUARANTINED), (1, state::DELIVERED)]);
    until("the story names who did it", async || {
        let events = client.show(uid).await.unwrap().events;
        events.iter().any(|event| event.what == "command" && event.text.contains("fatima")).then_some(())
    })
    .await;
    assert_eq!(engine.parked().await, Vec::new());
    let audit = engine.audit().await;
    assert_eq!((audit.messages.accepted, audit.deliveries.quarantined), (1, 1), "the first run stays on record");
    let error = client.rerun(rerun(message(uid))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "nothing waits any more: {error:?}");
    let again = client.rerun(rerun(DeliverySelection::Deliveries(vec![waiting[0].id.unwrap()]))).await.unwrap();
    assert!(again.done == 0 && again.missed[0].why.contains("run again"), "{again:?}");
}

#[tokio::test]
async fn what_is_run_again_in_vain_is_listed_with_its_tries_and_why_they_failed() {
    let engine = Engine::start().await;
    let uid = refused(&engine, "M1").await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    engine.write("barid.yaml", &DOCUMENTS.replace("127.0.0.1:REGISTRY", &nobody.to_string()));
    engine.reload().await;
    engine.client().await.rerun(rerun(message(uid))).await.unwrap();
    let row = until("it was tried", async || engine.parked().await.into_iter().find(|row| row.attempts > 1)).await;
    assert_eq!(row.why, "rerun");
    assert!(row.findings[0].text.contains(&nobody.to_string()), "{row:?}");
}

#[tokio::test]
async fn what_is_discarded_is_given_up_by_somebody_for_a_reason() {
    let engine = Engine::start().await;
    let (first, second) = (refused(&engine, "M1").await, refused(&engine, "M2").await);
    let client = engine.client().await;
    let few = DiscardRequest { limit: 1, ..discard(at("registry")) };
    assert_eq!(client.discard(few).await.unwrap_err().kind, ErrorKind::Invalid, "more than meant: nothing is done");
    assert_eq!(client.discard(discard(at("registry"))).await.unwrap(), Done { matched: 2, done: 2, ..Done::default() });
    for uid in [first, second] {
        let run = engine.until_route(uid, "registry", state::DISCARDED).await;
        assert_eq!((run.actor, run.reason), (Some(by().actor), Some(by().reason)));
    }
    assert_eq!(engine.parked().await, Vec::new());
    let audit = engine.audit().await;
    assert_eq!((audit.deliveries.discarded, audit.deliveries.quarantined), (2, 0));
}

#[tokio::test]
async fn what_is_on_its_way_or_held_can_be_set_aside_and_run_again_later() {
    let engine = Engine::start().await;
    let client = engine.client().await;
    let target = PauseTarget::Destination(Name::local("registry"));
    let pause = PauseRequest { by: by(), target: target.clone(), mode: PauseMode::Paused };
    client.pause(pause).await.unwrap();
    assert_eq!(engine.sender().send(&adt("A01", "M9", "A")), "AA");
    let uid = engine.uid("M9").await;
    engine.until_route(uid, "registry", state::IN_FLIGHT).await;
    let keep = |select| DiscardRequest { keep: true, ..discard(select) };
    let in_flight = DeliverySelection::Query(Box::new(ParkedQuery {
        destination: Some(Name::local("registry")),
        why: Some(state::IN_FLIGHT.to_owned()),
        ..ParkedQuery::default()
    }));
    let one = Done { matched: 1, done: 1, ..Done::default() };
    assert_eq!(client.discard(keep(at("registry"))).await.unwrap(), Done::default(), "nothing is held there");
    assert_eq!(client.discard(keep(in_flight)).await.unwrap(), one);
    let run = engine.until_route(uid, "registry", state::QUARANTINED).await;
    assert_eq!((run.actor, run.reason), (Some(by().actor), Some(by().reason)));
    let again = client.discard(keep(message(uid))).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::Conflict, "it is set aside already: {again:?}");
    client.resume(ResumeRequest { by: by(), target }).await.unwrap();
    assert_eq!(client.rerun(rerun(message(uid))).await.unwrap(), one);
    engine.until_route(uid, "registry", state::DELIVERED).await;
    let uids = held(&engine).await;
    assert_eq!(client.discard(keep(at("strict"))).await.unwrap(), one);
    engine.until_route(uids[0], "strict", state::QUARANTINED).await;
    engine.until_route(uids[1], "strict", state::DELIVERED).await;
    engine.audit().await;
}

/// Two messages of a patient, the first of which holds the lane.
async fn held(engine: &Engine) -> [MessageUid; 2] {
    engine.strict.refuse("M1");
    let mut sender = engine.sender();
    sender.send(&adt("A08", "M1", "A"));
    sender.send(&adt("A08", "M2", "A"));
    let uids = [engine.uid("M1").await, engine.uid("M2").await];
    engine.until_route(uids[0], "strict", state::HELD).await;
    until("the second follows", async || {
        engine.parked().await.iter().any(|row| row.uid == uids[1] && row.why == "follows").then_some(())
    })
    .await;
    uids
}

fn release(lane: Option<LaneText>, head: HeldHead) -> ReleaseRequest {
    ReleaseRequest { by: by(), destination: Name::local("strict"), lane, head }
}

#[tokio::test]
async fn a_held_lane_goes_on_in_order_when_it_is_released() {
    let engine = Engine::start().await;
    let uids = held(&engine).await;
    engine.sender().send(&adt("A08", "M3", "B"));
    engine.until_route(engine.uid("M3").await, "strict", state::DELIVERED).await;
    let client = engine.client().await;
    let error = client.rerun(rerun(DeliverySelection::Message { uid: uids[0], route: Some("strict".into()) })).await;
    let missed = error.unwrap().missed;
    assert!(missed[0].why.contains("release its lane"), "{missed:?}");
    engine.strict.accept();
    let nowhere = LaneText(barid_model::Lane::from_raw(1));
    assert_eq!(client.release(release(Some(nowhere), HeldHead::Retry)).await.unwrap_err().kind, ErrorKind::Conflict);
    let row = engine.parked().await.into_iter().find(|row| row.why == "held").unwrap();
    let lane = LaneText(barid_model::Lane::read(&row.lanes[0]).unwrap());
    assert_eq!(client.release(release(Some(lane), HeldHead::Retry)).await.unwrap().done, 1);
    engine.until_route(uids[1], "strict", state::DELIVERED).await;
    assert_eq!(engine.strict.accepted(), ["M3", "M1", "M2"], "another patient did not wait, this one stayed in order");
    engine.audit().await;
}

#[tokio::test]
async fn the_head_of_a_held_lane_can_be_set_aside_or_given_up_and_the_rest_goes_on() {
    for (head, end) in [(HeldHead::Quarantine, state::QUARANTINED), (HeldHead::Discard, state::DISCARDED)] {
        let engine = Engine::start().await;
        let uids = held(&engine).await;
        let client = engine.client().await;
        let done = client.release(release(None, head)).await.unwrap();
        assert_eq!(done, Done { matched: 1, done: 1, ..Done::default() });
        // PARK says that it is set aside a moment before OUTCOME says by whom.
        let begun = std::time::Instant::now();
        let mut run = engine.until_route(uids[0], "strict", end).await;
        while run.actor.is_none() && begun.elapsed() < std::time::Duration::from_secs(20) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            run = engine.until_route(uids[0], "strict", end).await;
        }
        assert_eq!(run.actor, Some(by().actor));
        engine.until_route(uids[1], "strict", state::DELIVERED).await;
        assert_eq!(engine.strict.accepted(), ["M2"]);
        engine.audit().await;
    }
}

#[tokio::test]
async fn a_held_delivery_can_be_discarded_after_a_rerun_of_it_was_refused() {
    let engine = Engine::start().await;
    let uids = held(&engine).await;
    let client = engine.client().await;
    let route = || DeliverySelection::Message { uid: uids[0], route: Some("strict".into()) };
    assert_eq!(client.rerun(rerun(route())).await.unwrap().done, 0);
    assert_eq!(client.discard(discard(route())).await.unwrap().done, 1);
    engine.until_route(uids[1], "strict", state::DELIVERED).await;
}

#[tokio::test]
async fn a_delivery_whose_mapping_failed_is_made_anew_when_it_is_run_again() {
    let engine = Engine::start().await;
    let failing = DOCUMENTS
        .replace("{set: {path: MSH-5, to: \"'MPI'\"}}", "{set: {path: MSH-5, to: \"string(int(msg['PID-5']))\"}}");
    assert_ne!(failing, DOCUMENTS);
    engine.write("barid.yaml", &failing);
    engine.reload().await;
    engine.sender().send(&adt("A01", "M1", "A"));
    let uid = engine.uid("M1").await;
    let run = engine.until_route(uid, "registry", state::QUARANTINED).await;
    assert!(!run.findings.is_empty());
    let client = engine.client().await;
    let made = PayloadKind::Transformed { route: "registry".into(), part: 0, run: None };
    let error = client.payload(PayloadRequest { uid, which: made.clone() }).await.unwrap_err();
    assert!(error.text.contains("its mapping failed"), "{error:?}");
    let still = client.rerun(rerun(message(uid))).await.unwrap();
    assert!(still.done == 0 && still.missed[0].why.contains("still fails"), "{still:?}");

    engine.write("barid.yaml", DOCUMENTS);
    engine.reload().await;
    assert_eq!(client.rerun(rerun(message(uid))).await.unwrap().done, 1);
    engine.until_route(uid, "registry", state::DELIVERED).await;
    let sent = engine.registry.messages();
    assert!(sent.len() == 1 && sent[0].starts_with(b"MSH|^~\\&|HIS|CHN|MPI|"), "as the mapping of now makes it");
    assert_eq!(client.payload(PayloadRequest { uid, which: made }).await.unwrap(), sent[0]);
    engine.audit().await;
}

#[tokio::test]
async fn a_message_set_aside_before_routing_that_several_run_again_at_once_is_sent_once() {
    let engine = Engine::start().await;
    assert_eq!(engine.sender().send(&oru("U1")), "AA");
    let uid = engine.uid("U1").await;
    engine.until_state(uid, state::QUARANTINED).await;
    let results = "\n---\nkind: Channel\nmetadata: {name: results}\nspec:\n  from: {listeners: [{name: in}], when: \"msg.type == 'ORU'\"}\n  state: STATE\n  routes: [{name: files, to: {destination: files}}]\n";
    engine.write("results.yaml", &results.replace("STATE", "closed"));
    engine.reload().await;
    let client = engine.client().await;
    let refused = client.rerun(rerun(message(uid))).await.unwrap();
    assert!(refused.done == 0 && refused.missed[0].why.contains("closed"), "{refused:?}");
    assert!(client.show(uid).await.unwrap().children.is_empty(), "what its channel does not take is not made");

    engine.write("results.yaml", &results.replace("STATE", "running"));
    engine.reload().await;
    let (one, two, three) = (engine.client().await, engine.client().await, engine.client().await);
    let again = || rerun(message(uid));
    let all = tokio::join!(one.rerun(again()), two.rerun(again()), three.rerun(again()));
    let all = [all.0, all.1, all.2];
    assert_eq!(all.iter().filter(|done| done.as_ref().is_ok_and(|done| done.done == 1)).count(), 1, "{all:?}");
    let child = until("it has a child", async || client.show(uid).await.unwrap().children.first().copied()).await;
    engine.until_state(child, state::DELIVERED).await;
    assert_eq!(client.show(uid).await.unwrap().children, [child]);
    engine.audit().await;
}

#[tokio::test]
async fn a_message_set_aside_before_routing_runs_again_as_a_child_under_the_rules_of_now() {
    let engine = Engine::start().await;
    let mut sender = engine.sender();
    assert_eq!(sender.send(&oru("U1")), "AA", "kept, and visible");
    assert_eq!(sender.send(&oru("U2")), "AA");
    let (first, second) = (engine.uid("U1").await, engine.uid("U2").await);
    engine.until_state(second, state::QUARANTINED).await;
    let waiting = engine.parked().await;
    assert!(waiting.iter().all(|row| row.destination.is_none() && row.findings[0].code == 200), "{waiting:?}");
    let client = engine.client().await;
    let missed = client.rerun(rerun(message(first))).await.unwrap();
    assert_eq!((missed.done, missed.missed.len()), (0, 0).max((missed.done, missed.missed.len())));

    let results = "\n---\nkind: Channel\nmetadata: {name: results}\nspec:\n  from: {listeners: [{name: in}], when: \"msg.type == 'ORU'\"}\n  routes: [{name: files, to: {destination: files}}]\n";
    engine.write("results.yaml", results);
    engine.reload().await;
    let done = client.rerun(rerun(message(second))).await.unwrap();
    assert_eq!((done.matched, done.done, done.children[0].from), (1, 1, second), "{done:?}");
    let child = until("it has a child", async || client.show(second).await.unwrap().children.first().copied()).await;
    assert_eq!(done.children[0].uid, Some(child));
    let detail = engine.until_state(child, state::DELIVERED).await;
    assert_eq!((detail.row.cause.as_str(), detail.parents), ("replayed", vec![second]));
    assert_eq!(detail.row.channel, Some(Name::local("results")));
    let again = client.rerun(rerun(message(second))).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::Conflict, "{again:?}");
    until("it waits no more", async || engine.parked().await.iter().all(|row| row.uid != second).then_some(())).await;
    engine.audit().await;
}
