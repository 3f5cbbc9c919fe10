//! Pauses by command: what they hold, how long, and how they end.

use barid_model::Name;
use barid_runtime::control::protocol::*;
use barid_runtime::control::{Commands as _, ErrorKind};

use crate::engine::{Engine, by, until};
use crate::peers::adt;

fn registry() -> PauseTarget {
    PauseTarget::Destination(Name::local("registry"))
}

fn channel() -> PauseTarget {
    PauseTarget::Channel(Name::local("admissions"))
}

async fn pause(engine: &Engine, target: PauseTarget, mode: PauseMode) {
    let request = PauseRequest { by: by(), target, mode };
    assert_eq!(engine.client().await.pause(request).await.unwrap().done, 1);
}

async fn resume(engine: &Engine, target: PauseTarget) {
    assert_eq!(engine.client().await.resume(ResumeRequest { by: by(), target }).await.unwrap().done, 1);
}

#[tokio::test]
async fn a_paused_destination_gets_nothing_beyond_a_restart_until_it_is_resumed() {
    let mut engine = Engine::start().await;
    pause(&engine, registry(), PauseMode::Paused).await;
    let status = async |engine: &Engine| {
        let client = engine.client().await;
        until("it is paused", async || {
            let all = client.status().await.unwrap().destinations;
            all.into_iter().find(|d| d.name == Name::local("registry") && d.state == DestinationState::Paused)
        })
        .await
    };
    let paused = status(&engine).await.pause.unwrap();
    assert_eq!((paused.actor, paused.reason), (by().actor, by().reason));
    assert_eq!(engine.sender().send(&adt("A01", "M1", "A")), "AA", "it is accepted and waits");
    let uid = engine.uid("M1").await;
    engine.until_route(uid, "files", state::DELIVERED).await;
    engine.restart().await;
    let waiting = status(&engine).await;
    assert!(waiting.pause.is_some(), "the pause is durable");
    assert_eq!(engine.registry.accepted(), Vec::<String>::new());
    resume(&engine, registry()).await;
    engine.until_route(uid, "registry", state::DELIVERED).await;
    let again = engine.client().await.resume(ResumeRequest { by: by(), target: registry() }).await.unwrap_err();
    assert!(again.kind == ErrorKind::Conflict && again.text.contains("is not paused"), "{again:?}");
    engine.audit().await;
}

#[tokio::test]
async fn a_paused_channel_accepts_and_holds_and_goes_on_in_order() {
    let engine = Engine::start().await;
    pause(&engine, channel(), PauseMode::Paused).await;
    let mut sender = engine.sender();
    for id in ["M1", "M2", "M3"] {
        assert_eq!(sender.send(&adt("A01", id, "A")), "AA");
    }
    let client = engine.client().await;
    let parked = until("all wait", async || {
        let rows = engine.parked().await;
        (rows.iter().filter(|row| row.route == "registry").count() == 3).then_some(rows)
    })
    .await;
    assert!(parked.iter().all(|row| row.why == "paused" || row.why == "follows"), "{parked:?}");
    assert_eq!(engine.message("M1").await.state, state::IN_FLIGHT);
    let in_flight = MessageQuery { state: Some(state::IN_FLIGHT.into()), ..MessageQuery::default() };
    assert_eq!(client.messages(in_flight).await.unwrap().rows.len(), 3, "what waits in PARK is under way");
    assert_eq!(client.status().await.unwrap().channels[0].state, "paused");
    resume(&engine, channel()).await;
    engine.until_state(engine.uid("M3").await, state::DELIVERED).await;
    until("all came", async || (engine.registry.accepted().len() == 3).then_some(())).await;
    assert_eq!(engine.registry.accepted(), ["M1", "M2", "M3"]);
    engine.audit().await;
}

#[tokio::test]
async fn a_closed_channel_refuses_so_that_senders_keep_their_messages() {
    let engine = Engine::start().await;
    pause(&engine, channel(), PauseMode::Closed).await;
    assert_eq!(engine.sender().send(&adt("A01", "M1", "A")), "AE");
    assert_eq!(engine.client().await.status().await.unwrap().channels[0].state, "closed");
    resume(&engine, channel()).await;
    assert_eq!(engine.sender().send(&adt("A01", "M1", "A")), "AA");
}

#[tokio::test]
async fn only_what_runs_can_be_paused_and_only_with_a_reason() {
    let engine = Engine::start().await;
    let client = engine.client().await;
    let unknown = PauseTarget::Destination(Name::local("registri"));
    let error = client.pause(PauseRequest { by: by(), target: unknown, mode: PauseMode::Paused }).await.unwrap_err();
    assert!(error.kind == ErrorKind::NotFound && error.text.contains("registry"), "it names what there is: {error:?}");
    let nobody = By { actor: " ".into(), ..by() };
    let error = client.pause(PauseRequest { by: nobody, target: registry(), mode: PauseMode::Paused }).await;
    assert_eq!(error.unwrap_err().kind, ErrorKind::Invalid);
    let closed = client.pause(PauseRequest { by: by(), target: registry(), mode: PauseMode::Closed }).await;
    assert_eq!(closed.unwrap_err().kind, ErrorKind::Invalid);
}
