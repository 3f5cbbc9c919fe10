//! A destination's backlog that is full: what comes anew is refused or set aside, as its document says.

use barid_model::Name;
use barid_runtime::control::Commands as _;
use barid_runtime::control::protocol::*;

use crate::engine::{Engine, by, until};
use crate::peers::adt;

const BOUNDED: &str = "\
kind: Destination
metadata: {name: registry}
spec:
  mllp: {endpoints: ['127.0.0.1:REGISTRY']}
  retry: {initial: 20ms, max: 100ms}
  state: STATE
  backlog: {messages: 3, onFull: FULL}
";

/// The documents, with the registry bounded.
async fn declare(engine: &Engine, state: &str, full: &str) {
    let bounded = BOUNDED.replace("STATE", state).replace("FULL", full);
    let others = crate::engine::DOCUMENTS.split("---\n").filter(|text| !text.contains("{name: registry}\nspec"));
    let documents: Vec<&str> = others.chain([bounded.as_str()]).collect();
    engine.write("barid.yaml", &documents.join("---\n"));
    engine.reload().await;
}

#[tokio::test]
async fn a_full_backlog_that_quarantines_sets_aside_what_comes_anew_and_nothing_else() {
    let mut engine = Engine::start().await;
    declare(&engine, "paused", "quarantine").await;
    let mut sender = engine.sender();
    for id in 1..=8 {
        assert_eq!(sender.send(&adt("A01", &format!("M{id}"), &format!("P{id}"))), "AA");
    }
    let client = engine.client().await;
    let rows = until("five are set aside", async || Some(engine.parked().await).filter(|rows| rows.len() == 5)).await;
    for row in &rows {
        assert_eq!((row.why.as_str(), row.route.as_str()), ("quarantined", "registry"));
        assert!(row.findings.iter().any(|finding| finding.text.contains("backlog allows")), "{row:?}");
    }
    for id in 1..=8 {
        engine.until_route(engine.uid(&format!("M{id}")).await, "files", state::DELIVERED).await;
    }
    engine.restart().await;
    assert_eq!(engine.parked().await.len(), 5, "still, and once each");
    declare(&engine, "running", "quarantine").await;
    until("the first three come", async || (engine.registry.accepted().len() == 3).then_some(())).await;
    assert_eq!(engine.sender().send(&adt("A01", "M9", "P9")), "AA");
    engine.until_state(engine.uid("M9").await, state::DELIVERED).await;
    assert_eq!(engine.registry.accepted(), ["M1", "M2", "M3", "M9"], "there is room again");
    let select = DeliverySelection::Query(Box::default());
    drop(client);
    let client = engine.client().await;
    let done = client.rerun(RerunRequest { by: by(), select, limit: 10, dry_run: false }).await.unwrap();
    assert_eq!((done.done, done.missed), (5, Vec::new()));
    until("all came", async || (engine.registry.accepted().len() == 9).then_some(())).await;
    engine.until_state(engine.uid("M8").await, state::DELIVERED).await;
    engine.audit().await;
}

#[tokio::test]
async fn a_full_backlog_that_refuses_touches_only_channels_that_lead_there() {
    let engine = Engine::start().await;
    declare(&engine, "paused", "refuse").await;
    let other = "kind: Channel\nmetadata: {name: others}\nspec: {from: {listeners: [{name: in}], when: \"msg.type == \
                 'ORU'\"}, routes: [{name: files, to: {destination: files}}]}\n";
    engine.write("others.yaml", other);
    engine.reload().await;
    let mut sender = engine.sender();
    let mut sent = 0;
    let mut code = "AA".to_owned();
    let begun = std::time::Instant::now();
    while code == "AA" && begun.elapsed().as_secs() < 30 {
        sent += 1;
        code = sender.send(&adt("A01", &format!("M{sent}"), "P"));
    }
    assert_eq!(code, "AE");
    assert!(sent > 3, "{sent}: as many as it says may wait");
    assert_eq!(sender.send(&crate::peers::oru("O1")), "AA");
    let status = engine.client().await.status().await.unwrap();
    let registry = status.destinations.into_iter().find(|one| one.name == Name::local("registry")).unwrap();
    assert_eq!((registry.waiting, registry.quarantined), (sent - 1, 0));
}
