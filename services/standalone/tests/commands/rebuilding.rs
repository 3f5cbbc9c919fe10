//! The ledger is a view: thrown away and filled again from the log it gives the same answers, and so it does where no
//! engine runs.

use barid_model::Name;
use barid_runtime::control::protocol::*;
use barid_runtime::control::{Client, Commands, ErrorKind};
use barid_standalone::engine::open_offline;
use bytes::Bytes;

use crate::engine::{DOCUMENTS, Engine, by, until};
use crate::peers::{adt, oru};

/// Everything that can be asked.
#[derive(Debug, PartialEq)]
struct Answers {
    messages: Vec<MessageRow>,
    details: Vec<MessageDetail>,
    payloads: Vec<Bytes>,
    parked: Vec<ParkedRow>,
    refused: Vec<RefusedRow>,
    balance: (MessageBalance, DeliveryBalance),
}

async fn answers(commands: &dyn Commands) -> Answers {
    let messages = commands.messages(MessageQuery::default()).await.unwrap().rows;
    let (mut details, mut payloads) = (Vec::new(), Vec::new());
    for row in &messages {
        details.push(commands.show(row.uid).await.unwrap());
        payloads.push(commands.payload(PayloadRequest { uid: row.uid, which: PayloadKind::Raw }).await.unwrap());
    }
    let audit = commands.audit(AuditRequest::default()).await.unwrap();
    assert!(audit.holds, "{audit:?}");
    Answers {
        messages,
        details,
        payloads,
        parked: commands.parked(ParkedQuery::default()).await.unwrap().rows,
        refused: commands.refused(RefusedQuery::default()).await.unwrap().rows,
        balance: (audit.messages, audit.deliveries),
    }
}

/// One message of every fate.
async fn history(engine: &Engine) {
    let (mut sender, client) = (engine.sender(), engine.client().await);
    engine.registry.refuse("set-aside");
    engine.registry.refuse("given-up");
    engine.strict.refuse("held");
    for (event, id) in [("A01", "good"), ("A01", "set-aside"), ("A01", "given-up"), ("A08", "held"), ("A08", "behind")]
    {
        assert_eq!(sender.send(&adt(event, id, id.split('-').next().unwrap_or("held"))), "AA");
    }
    sender.send(&adt("A08", "follows", "held"));
    sender.send(&oru("unmatched"));
    sender.send(b"MSH|^~\\&|HIS|CHN|||20261122||ADT^A01||P|2.5\r");
    let given_up = engine.uid("given-up").await;
    engine.until_state(given_up, state::QUARANTINED).await;
    let select = DeliverySelection::Message { uid: given_up, route: None };
    client.discard(DiscardRequest { by: by(), select, limit: 1, dry_run: false, keep: false }).await.unwrap();
    engine.until_route(engine.uid("held").await, "strict", state::HELD).await;
    engine.until_state(engine.uid("set-aside").await, state::QUARANTINED).await;
    engine.until_state(engine.uid("unmatched").await, state::QUARANTINED).await;
    let good = engine.uid("good").await;
    engine.until_state(good, state::DELIVERED).await;
    let request = ReplayRequest {
        by: by(),
        select: Selection::Uids(vec![good]),
        revision: ReplayRevision::Now,
        limit: 1,
        dry_run: false,
    };
    let child = client.replay(request).await.unwrap().messages[0].uid.unwrap();
    engine.until_state(child, state::DELIVERED).await;
    engine.until_route(given_up, "registry", state::DISCARDED).await;
    engine.until_route(engine.uid("follows").await, "registry", state::DELIVERED).await;
}

#[tokio::test]
async fn a_ledger_that_was_deleted_is_filled_from_the_log_and_answers_the_same() {
    let mut engine = Engine::start().await;
    history(&engine).await;
    let deep = engine.client().await.audit(AuditRequest { deep: true }).await.unwrap();
    assert!(deep.holds, "{deep:?}");
    let before = answers(&engine.client().await).await;
    assert_eq!(before.parked.len(), 4, "held, follows, set aside before routing and at the registry");
    engine.stop();
    for entry in std::fs::read_dir(engine.data()).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("ledger.sqlite") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    engine.run().await;
    let after = answers(&engine.client().await).await;
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_data_directory_without_an_engine_answers_the_same_and_changes_nothing() {
    let mut engine = Engine::start().await;
    history(&engine).await;
    let before = answers(&engine.client().await).await;
    engine.stop();
    assert!(Client::connect(engine.data()).await.unwrap().is_none());
    {
        let commands = open_offline(engine.data()).await.unwrap();
        assert_eq!(answers(&*commands).await, before);
        let status = commands.status().await.unwrap();
        assert_eq!((status.state, status.pid, status.storage.ledger_behind), (EngineState::Stopped, None, 0));
        assert!(status.destinations.iter().all(|found| found.state == DestinationState::Stopped));
        let document = DocumentRef { kind: "Channel".into(), name: Name::local("admissions") };
        assert!(!commands.explain(ExplainRequest { document }).await.unwrap().settings.is_empty());
        let target = PauseTarget::Channel(Name::local("admissions"));
        let pause = PauseRequest { by: by(), target, mode: PauseMode::Paused };
        assert_eq!(commands.pause(pause).await.unwrap_err().kind, ErrorKind::Unavailable);
    }
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(open_offline(empty.path()).await.err().unwrap().kind, ErrorKind::Unavailable);
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing is made where nothing is");
    engine.run().await;
    engine.audit().await;
}

#[tokio::test]
async fn bytes_past_their_retention_are_shown_and_replayed_by_nothing_but_what_waits_keeps_them() {
    let mut engine = Engine::start().await;
    let short = DOCUMENTS.replace("  order: {by: patient}", "  order: {by: patient}\n  retention: {payload: 1s}");
    engine.write("barid.yaml", &short);
    engine.reload().await;
    engine.registry.refuse("waits");
    let mut sender = engine.sender();
    sender.send(&adt("A01", "ended", "A"));
    sender.send(&adt("A01", "waits", "B"));
    let (ended, waits) = (engine.uid("ended").await, engine.uid("waits").await);
    engine.until_state(ended, state::DELIVERED).await;
    engine.until_state(waits, state::QUARANTINED).await;
    let past = barid_model::Clock::now(&barid_runtime::SystemClock).plus(std::time::Duration::from_secs(1));
    until("a second is over", async || (barid_model::Clock::now(&barid_runtime::SystemClock) > past).then_some(()))
        .await;
    // It is looked at when an engine starts, and each minute.
    engine.restart().await;
    let client = engine.client().await;
    let expired = until("it is expired", async || {
        let detail = client.show(ended).await.unwrap();
        (!detail.payload_kept).then_some(detail)
    })
    .await;
    assert_eq!(expired.row.state, state::DELIVERED, "what is known of it stays");
    let made = PayloadKind::Transformed { route: "files".into(), part: 0, run: None };
    let answer = PayloadKind::Answer { route: "registry".into(), part: 0, run: None };
    for which in [PayloadKind::Raw, made, answer] {
        let error = client.payload(PayloadRequest { uid: ended, which }).await.unwrap_err();
        assert!(error.kind == ErrorKind::NotFound && error.text.contains("retention"), "{error:?}");
    }
    let request = ReplayRequest {
        by: by(),
        select: Selection::Uids(vec![ended]),
        revision: ReplayRevision::Now,
        limit: 1,
        dry_run: false,
    };
    let replayed = client.replay(request).await.unwrap();
    assert!(replayed.made == 0 && replayed.missed[0].why.contains("retention"), "{replayed:?}");
    let raw = client.payload(PayloadRequest { uid: waits, which: PayloadKind::Raw }).await.unwrap();
    assert_eq!(raw, adt("A01", "waits", "B"), "what waits for a person keeps its bytes");
    engine.stop();
    let commands = open_offline(engine.data()).await.unwrap();
    let error = commands.payload(PayloadRequest { uid: ended, which: PayloadKind::Raw }).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn an_engine_that_was_stopped_leaves_a_whole_history_in_one_file() {
    let mut engine = Engine::start().await;
    assert_eq!(engine.sender().send(&adt("A01", "M1", "A")), "AA");
    engine.until_state(engine.uid("M1").await, state::DELIVERED).await;
    let bytes = |name: &str| std::fs::metadata(engine.data().join(name)).map_or(0, |file| file.len());
    assert!(bytes("ledger.sqlite-wal") > 0);
    engine.stop();
    let bytes = |name: &str| std::fs::metadata(engine.data().join(name)).map_or(0, |file| file.len());
    assert_eq!(bytes("ledger.sqlite-wal"), 0);
    assert!(bytes("ledger.sqlite") > 0);
}
