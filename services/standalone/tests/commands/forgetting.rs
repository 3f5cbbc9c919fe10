//! What retention leaves: what waits for a person can be decided on though the log has given back what it was made from.

use barid_log::Log as _;
use barid_log::disk::{DiskLog, Options};
use barid_model::Name;
use barid_runtime::control::Commands as _;
use barid_runtime::control::protocol::*;

use crate::engine::{DOCUMENTS, Engine, by, until};
use crate::peers::adt;

/// The documents with a retention that is over at once, and this instead of the registry's step.
fn documents(step: &str) -> String {
    let good = "{set: {path: MSH-5, to: \"'MPI'\"}}";
    let text = DOCUMENTS.replace(good, step);
    text.replace(
        "  order: {by: patient}\n",
        "  order: {by: patient}\n  retention: {payload: 1s, metadata: 1s}\n  duplicates: {window: 0s}\n",
    )
}

/// Whether nothing of IN up to this many records is left.
async fn given_back(engine: &Engine, records: u64) -> bool {
    let (log, _) = DiskLog::open(&engine.data().join("log"), Options::new(16, barid_model::Partitions::HASH)).unwrap();
    for subject in log.subjects("in.").await.unwrap() {
        if log.bounds(&subject).await.unwrap().first.0 > records {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn what_nothing_could_be_made_of_is_made_anew_though_its_message_is_no_longer_in_the_log() {
    let mut engine = Engine::start().await;
    engine.write("barid.yaml", &documents("{set: {path: MSH-5, to: \"string(int(msg['PID-5']))\"}}"));
    engine.reload().await;
    let mut sender = engine.sender();
    assert_eq!(sender.send(&adt("A01", "M1", "A")), "AA");
    let uid = engine.uid("M1").await;
    engine.until_route(uid, "registry", state::QUARANTINED).await;
    engine.write("barid.yaml", &documents("{set: {path: MSH-5, to: \"'MPI'\"}}"));
    engine.reload().await;
    for id in ["M2", "M3"] {
        assert_eq!(sender.send(&adt("A01", id, "B")), "AA");
    }
    // What is past its retention is looked for at each start.
    for attempt in 0.. {
        std::thread::sleep(std::time::Duration::from_millis(1_200));
        engine.restart().await;
        std::thread::sleep(std::time::Duration::from_millis(500));
        engine.stop();
        let gone = given_back(&engine, 1).await;
        engine.run().await;
        if gone {
            break;
        }
        assert!(attempt < 10, "the log gives its storage back");
    }
    let client = engine.client().await;
    let select = DeliverySelection::Message { uid, route: None };
    let done = client.rerun(RerunRequest { by: by(), select, limit: 10, dry_run: false }).await.unwrap();
    assert_eq!((done.done, done.missed), (1, Vec::new()));
    engine.until_route(uid, "registry", state::DELIVERED).await;
    let sent = engine.registry.messages().pop().unwrap();
    let text = String::from_utf8(sent).unwrap();
    assert!(
        text.starts_with("MSH|^~\\&|HIS|CHN|MPI|") && text.contains("|M1|") && text.contains("Sow^Zaïnab"),
        "{text}"
    );
}

#[tokio::test]
async fn what_failed_on_its_way_to_another_channel_is_given_up_and_waits_no_more() {
    let mut engine = Engine::start().await;
    let onward = "    - {name: onward, to: {channel: copies}, transform: [{set: {path: MSH-5, to: \"string(int(msg['PID-5']))\"}}]}\n";
    let copies = "kind: Channel\nmetadata: {name: copies}\nspec: {routes: [{name: files, to: {destination: files}}]}\n";
    engine.write("barid.yaml", &format!("{DOCUMENTS}{onward}"));
    engine.write("copies.yaml", copies);
    engine.reload().await;
    assert_eq!(engine.sender().send(&adt("A01", "M1", "A")), "AA");
    let uid = engine.uid("M1").await;
    engine.until_route(uid, "onward", state::QUARANTINED).await;
    let waiting = engine.parked().await;
    assert_eq!((waiting.len(), waiting[0].destination.clone()), (1, None));
    let client = engine.client().await;
    let select = DeliverySelection::Message { uid, route: None };
    let again =
        client.rerun(RerunRequest { by: by(), select: select.clone(), limit: 1, dry_run: false }).await.unwrap();
    assert!(again.missed[0].why.contains("replay the message"), "{again:?}");
    let done =
        client.discard(DiscardRequest { by: by(), select, limit: 1, dry_run: false, keep: false }).await.unwrap();
    assert_eq!((done.done, done.missed), (1, Vec::new()));
    let run = engine.until_route(uid, "onward", state::DISCARDED).await;
    assert_eq!((run.actor, run.reason), (Some(by().actor), Some(by().reason)));
    assert_eq!(engine.parked().await, Vec::new());
    let audit = engine.audit().await;
    assert_eq!((audit.deliveries.discarded, audit.deliveries.quarantined), (1, 0));
    // A ledger made of the log knows it as well.
    engine.stop();
    for file in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        drop(std::fs::remove_file(engine.data().join(file)));
    }
    engine.run().await;
    engine.until_route(uid, "onward", state::DISCARDED).await;
    until("nothing waits", async || engine.parked().await.is_empty().then_some(())).await;
    assert_eq!(engine.message("M1").await.channel, Some(Name::local("admissions")));
}
