//! A destination that is removed while something waits for it: it drains, beyond restarts, and then is gone.

use barid_model::Name;
use barid_runtime::control::Commands as _;
use barid_runtime::control::protocol::*;

use crate::engine::{DOCUMENTS, Engine, by, until};
use crate::peers::adt;

/// The documents without the registry.
fn without() -> String {
    let kept: Vec<&str> = DOCUMENTS.split("---\n").filter(|text| !text.contains("{name: registry}\nspec")).collect();
    let route =
        "    - {name: registry, to: {destination: registry}, transform: [{set: {path: MSH-5, to: \"'MPI'\"}}]}\n";
    let text = kept.join("---\n").replace(route, "");
    assert!(!text.contains("registry"));
    text
}

async fn registry(engine: &Engine) -> Option<DestinationStatus> {
    let status = engine.client().await.status().await.unwrap();
    status.destinations.into_iter().find(|one| one.name == Name::local("registry"))
}

fn target() -> PauseTarget {
    PauseTarget::Destination(Name::local("registry"))
}

#[tokio::test]
async fn a_removed_destination_drains_beyond_a_restart_and_is_gone_when_it_is_empty() {
    let mut engine = Engine::start().await;
    let client = engine.client().await;
    client.pause(PauseRequest { by: by(), target: target(), mode: PauseMode::Paused }).await.unwrap();
    for id in ["M1", "M2"] {
        assert_eq!(engine.sender().send(&adt("A01", id, "A")), "AA");
    }
    let second = engine.uid("M2").await;
    engine.until_route(second, "files", state::DELIVERED).await;
    engine.write("barid.yaml", &without());
    engine.reload().await;
    engine.restart().await;
    let status = registry(&engine).await.expect("it drains");
    assert_eq!((status.state, status.waiting), (DestinationState::Draining, 2));
    assert!(status.pause.is_some(), "the pause holds too");
    assert_eq!(engine.registry.accepted(), Vec::<String>::new());

    engine.restart().await;
    let client = engine.client().await;
    client.resume(ResumeRequest { by: by(), target: target() }).await.unwrap();
    engine.until_route(second, "registry", state::DELIVERED).await;
    assert_eq!(engine.registry.accepted(), ["M1", "M2"], "by its last settings, in order");
    until("it is gone", async || registry(&engine).await.is_none().then_some(())).await;
    engine.audit().await;
    engine.restart().await;
    assert_eq!(registry(&engine).await, None);
}
