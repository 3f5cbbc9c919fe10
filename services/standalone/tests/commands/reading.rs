//! What an engine is asked: messages, their way, their bytes, how it is.

use barid_model::{MessageUid, Name, Timestamp};
use barid_runtime::control::protocol::*;
use barid_runtime::control::{Commands as _, ErrorKind};

use crate::engine::{Engine, by, until};
use crate::peers::{adt, oru};

#[tokio::test]
async fn a_message_is_found_by_what_people_know_of_it_and_its_way_is_told() {
    let engine = Engine::start().await;
    let mut sender = engine.sender();
    for (id, patient) in [("M1", "A"), ("M2", "B"), ("M3", "A")] {
        assert_eq!(sender.send(&adt("A01", id, patient)), "AA");
    }
    let (client, uid) = (engine.client().await, engine.uid("M1").await);
    engine.until_state(uid, state::DELIVERED).await;
    let ids = async |query| -> Vec<String> {
        client.messages(query).await.unwrap().rows.into_iter().map(|row| row.control_id).collect()
    };
    engine.until_state(engine.uid("M3").await, state::DELIVERED).await;
    let of = |patient: &str| MessageQuery { patient: Some(patient.to_owned()), ..MessageQuery::default() };
    assert_eq!(ids(of("A")).await, ["M3", "M1"], "newest first");
    assert_eq!(ids(of("nobody")).await, [""; 0]);
    let visit = vec![("visit".to_owned(), "V-B".to_owned())];
    assert_eq!(ids(MessageQuery { keys: visit, ..MessageQuery::default() }).await, ["M2"]);
    let by_channel = MessageQuery { channel: Some(Name::local("admissions")), ..MessageQuery::default() };
    assert_eq!(ids(by_channel).await.len(), 3);
    let delivered = MessageQuery { state: Some(state::DELIVERED.to_owned()), ..MessageQuery::default() };
    assert_eq!(ids(delivered).await.len(), 3);
    let wrong = MessageQuery { state: Some("lost".to_owned()), ..MessageQuery::default() };
    assert_eq!(client.messages(wrong).await.unwrap_err().kind, ErrorKind::Invalid);

    let detail = client.show(uid).await.unwrap();
    assert!(detail.payload_kept && detail.place.as_ref().is_some_and(|place| place.starts_with("in.")), "{detail:?}");
    assert_eq!(detail.keys, ["patient", "visit"]);
    let told: Vec<&str> = detail.events.iter().map(|event| event.what.as_str()).collect();
    assert_eq!(told, ["accepted", "routed", "delivered", "delivered"], "{:?}", detail.events);
    let registry = detail.runs.iter().find(|run| run.route == "registry").unwrap();
    assert_eq!((registry.answer.as_deref(), registry.attempts), (Some("AA"), 1));
    let strict = detail.runs.iter().find(|run| run.route == "strict").unwrap();
    assert_eq!(strict.state, state::FILTERED);
    assert_eq!(client.show(MessageUid::new(Timestamp::default())).await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn bytes_are_shown_as_received_as_made_and_as_answered() {
    let engine = Engine::start().await;
    let sent = adt("A01", "M1", "A");
    engine.sender().send(&sent);
    let (client, uid) = (engine.client().await, engine.uid("M1").await);
    engine.until_state(uid, state::DELIVERED).await;
    let payload = async |which| client.payload(PayloadRequest { uid, which }).await;
    assert_eq!(payload(PayloadKind::Raw).await.unwrap(), sent);
    let made = |route: &str| PayloadKind::Transformed { route: route.into(), part: 0, run: None };
    assert_eq!(payload(made("files")).await.unwrap(), sent);
    let registry = payload(made("registry")).await.unwrap();
    assert_eq!(vec![registry.to_vec()], engine.registry.messages(), "as the receiver got it");
    assert!(registry.starts_with(b"MSH|^~\\&|HIS|CHN|MPI|"));
    let answer = PayloadKind::Answer { route: "registry".into(), part: 0, run: None };
    assert!(payload(answer).await.unwrap().ends_with(b"MSA|AA|M1\r"));
    for (which, said) in [
        (made("strict"), "did not want"),
        (made("nowhere"), "files, registry, strict"),
        (PayloadKind::Answer { route: "strict".into(), part: 0, run: None }, "not answered"),
    ] {
        let error = payload(which).await.unwrap_err();
        assert!(error.kind == ErrorKind::NotFound && error.text.contains(said), "{error:?}");
    }
}

#[tokio::test]
async fn the_status_says_what_comes_in_from_whom_and_what_goes_where() {
    let engine = Engine::start().await;
    let mut sender = engine.sender();
    sender.send(&adt("A01", "M1", "A"));
    assert_eq!(sender.send(b"MSH|^~\\&|HIS|CHN|||20261122||ADT^A01||P|2.5\r"), "AE", "no control id");
    sender.send(&oru("U1"));
    let client = engine.client().await;
    let status = until("all is counted", async || {
        let status = client.status().await.unwrap();
        let registry = status.destinations.iter().find(|found| found.name == Name::local("registry"))?;
        (registry.delivered == 1 && status.router.quarantined == 1 && status.storage.ledger_behind == 0)
            .then_some(status)
    })
    .await;
    assert_eq!(status.listeners.len(), 1);
    let listener = &status.listeners[0];
    assert_eq!((listener.kind.as_str(), listener.connections, listener.accepted, listener.refused), ("mllp", 1, 2, 1));
    assert_eq!(status.senders.len(), 1, "{:?}", status.senders);
    let chn = &status.senders[0];
    assert_eq!((chn.facility.as_str(), chn.accepted, chn.refused, chn.connections), ("CHN", 2, 1, 1));
    assert!(!chn.verified && chn.last.is_some());
    assert_eq!((status.channels[0].state.as_str(), status.channels[0].accepted), ("running", 1));
    let registry = status.destinations.iter().find(|found| found.name == Name::local("registry")).unwrap();
    assert_eq!((registry.state, registry.waiting, registry.connections), (DestinationState::Idle, 0, 1));
    assert!(status.storage.free_bytes > 0 && status.storage.log_bytes > 0 && status.storage.ledger_bytes > 0);
    assert_eq!((status.router.waiting, status.snapshot.problems.len()), (0, 0));

    let refused = client.refused(RefusedQuery::default()).await.unwrap().rows;
    assert_eq!((refused.len(), refused[0].code.as_str(), refused[0].facility.as_deref()), (1, "AE", Some("CHN")));
}

#[tokio::test]
async fn what_runs_is_explained_and_a_wrong_document_is_told_and_does_not_run() {
    let engine = Engine::start().await;
    let client = engine.client().await;
    let document = |kind: &str, name: &str| ExplainRequest {
        document: DocumentRef { kind: kind.into(), name: Name::local(name) },
    };
    let explained = client.explain(document("Channel", "admissions")).await.unwrap();
    assert!(explained.settings.iter().any(|s| s.path == "order.by" && s.value == "patient"), "{explained:?}");
    assert_eq!(client.explain(document("Channel", "no")).await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(client.explain(document("Destination", "files")).await.unwrap_err().kind, ErrorKind::Invalid);
    let before = client.snapshot().await.unwrap();
    assert_eq!(before.documents.as_array().map(Vec::len), Some(5));

    engine.write("wrong.yaml", "kind: Destination\nmetadata: {name: wrong}\nspec: {fil: {}}\n");
    let by = crate::engine::by();
    let reloaded = client.reload(ReloadRequest { by }).await.unwrap();
    assert!(reloaded.problems.iter().any(|problem| problem.file == "wrong.yaml"), "{reloaded:?}");
    assert_eq!(reloaded.changed, Vec::<String>::new());
    assert_eq!(client.status().await.unwrap().snapshot.problems, reloaded.problems);
}

/// A destination where nobody listens, and a channel to it.
const GONE: &str = "\
kind: Destination
metadata: {name: gone}
spec:
  mllp: {endpoints: ['127.0.0.1:1']}
  retry: {initial: 20ms, max: 100ms}
---
kind: Channel
metadata: {name: results}
spec:
  from: {listeners: [{name: in}], when: \"msg.type == 'ORU'\"}
  routes: [{name: gone, to: {destination: gone}}]
";

#[tokio::test]
async fn a_destination_that_nothing_waits_for_any_more_is_not_shown_as_failing() {
    let engine = Engine::start().await;
    engine.write("gone.yaml", GONE);
    engine.reload().await;
    assert_eq!(engine.sender().send(&oru("R1")), "AA");
    let client = engine.client().await;
    let gone = async || {
        let found = client.status().await.unwrap().destinations.into_iter().find(|d| d.name == Name::local("gone"));
        found.expect("it is declared")
    };
    until("it fails", async || {
        let gone = gone().await;
        (gone.state == DestinationState::BackingOff && gone.error.is_some()).then_some(())
    })
    .await;
    let query = ParkedQuery {
        destination: Some(Name::local("gone")),
        why: Some(state::IN_FLIGHT.into()),
        ..ParkedQuery::default()
    };
    let select = DeliverySelection::Query(Box::new(query));
    let request = DiscardRequest { by: by(), select, limit: 1, dry_run: false, keep: false };
    until("it is given up", async || (client.discard(request.clone()).await.ok()?.done == 1).then_some(())).await;
    until("nothing is wrong", async || {
        let gone = gone().await;
        (gone.state == DestinationState::Idle && gone.error.is_none() && gone.retry.is_none()).then_some(())
    })
    .await;
}
