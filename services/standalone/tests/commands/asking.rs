//! A sender that waited for its message to be delivered, was told that it is set aside, and asks again: it hears what has
//! become of the message since, and the message is not delivered again for it.

use barid_model::Name;
use barid_runtime::control::Commands as _;
use barid_runtime::control::protocol::*;

use crate::engine::{DOCUMENTS, Engine, by, until};
use crate::peers::adt;

/// Where the mapping fails.
#[derive(Clone, Copy)]
enum Fails {
    Channel,
    Route,
    Nowhere,
}

async fn declare(engine: &Engine, fails: Fails) {
    let failing = "[{set: {path: MSH-5, to: \"string(int(msg['PID-5']))\"}}]";
    let good = "[{set: {path: MSH-5, to: \"'MPI'\"}}]";
    let (channel, route) = match fails {
        Fails::Channel => (failing, good),
        Fails::Route => (good, failing),
        Fails::Nowhere => (good, good),
    };
    let text = DOCUMENTS.replace(good, route).replace(
        "  order: {by: patient}",
        &format!("  order: {{by: patient}}\n  ack: {{after: delivered, route: registry, timeout: 2s}}\n  transform: {channel}"),
    );
    assert_ne!(text, DOCUMENTS);
    engine.write("barid.yaml", &text);
    engine.reload().await;
}

fn message(uid: barid_model::MessageUid) -> DeliverySelection {
    DeliverySelection::Message { uid, route: None }
}

async fn rerun(engine: &Engine, uid: barid_model::MessageUid) {
    let request = RerunRequest { by: by(), select: message(uid), limit: 1, dry_run: false };
    let done = engine.client().await.rerun(request).await.unwrap();
    assert_eq!(done.done, 1, "{done:?}");
}

async fn registry(engine: &Engine, paused: bool) {
    let (client, target) = (engine.client().await, PauseTarget::Destination(Name::local("registry")));
    if paused {
        client.pause(PauseRequest { by: by(), target, mode: PauseMode::Paused }).await.unwrap();
    } else {
        client.resume(ResumeRequest { by: by(), target }).await.unwrap();
    }
}

#[tokio::test]
async fn g3_a_resend_of_what_was_set_aside_is_answered_by_what_has_become_of_it() {
    for fails in [Fails::Channel, Fails::Route] {
        let mut engine = Engine::start().await;
        declare(&engine, fails).await;
        let ask = |id: &str| engine.sender().answer(&adt("A01", id, "A"));
        let aside = |answer: &str| answer.contains("MSA|AE");
        for id in ["M1", "M2"] {
            assert!(aside(&ask(id)), "{}", ask(id));
        }
        let (first, second) = (engine.uid("M1").await, engine.uid("M2").await);
        until("both are set aside", async || (engine.parked().await.len() == 2).then_some(())).await;
        assert!(aside(&ask("M1")), "nobody has decided yet");

        declare(&engine, Fails::Nowhere).await;
        registry(&engine, true).await;
        rerun(&engine, first).await;
        let under_way = ask("M1");
        assert!(under_way.contains("MSA|AE") && under_way.contains("207"), "{under_way}");
        assert!(!under_way.contains("mapping"), "not what made it wait before: {under_way}");
        registry(&engine, false).await;
        until("it is delivered", async || (engine.registry.accepted().len() == 1).then_some(())).await;
        assert!(ask("M1").contains("MSA|AA"), "{}", ask("M1"));
        engine.restart().await;
        let ask = |id: &str| engine.sender().answer(&adt("A01", id, "A"));
        assert!(ask("M1").contains("MSA|AA"), "{}", ask("M1"));

        let given_up = DiscardRequest { by: by(), select: message(second), limit: 1, dry_run: false, keep: false };
        assert_eq!(engine.client().await.discard(given_up).await.unwrap().done, 1);
        assert!(ask("M2").contains("MSA|AE"), "what was given up is not accepted: {}", ask("M2"));
        assert_eq!(engine.registry.accepted(), ["M1"], "once");
        engine.audit().await;
    }
}

#[tokio::test]
async fn a_rerun_that_is_refused_is_set_aside_again_since_no_sender_waits_for_it() {
    let engine = Engine::start().await;
    declare(&engine, Fails::Route).await;
    engine.registry.refuse("M1");
    let ask = || engine.sender().answer(&adt("A01", "M1", "A"));
    assert!(ask().contains("MSA|AE"));
    let uid = engine.uid("M1").await;
    engine.until_state(uid, state::QUARANTINED).await;
    declare(&engine, Fails::Nowhere).await;
    rerun(&engine, uid).await;
    let run = until("its second run is set aside", async || {
        let detail = engine.client().await.show(uid).await.ok()?;
        detail.runs.into_iter().find(|run| run.route == "registry" && run.run == 1 && run.state == state::QUARANTINED)
    })
    .await;
    assert_eq!(run.answer.as_deref(), Some("AE"), "refused, and custody stays here");
    assert_eq!(engine.parked().await.len(), 1);
    assert!(ask().contains("MSA|AE"));
    engine.audit().await;
}
