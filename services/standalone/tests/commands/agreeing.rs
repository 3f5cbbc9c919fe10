//! What is set aside, parked and held is the same number wherever it is told: in the audit, in the list of what waits, and
//! in the status; whatever has happened to it, after a restart, and by a ledger that was filled anew.

use barid_model::Name;
use barid_runtime::control::protocol::*;
use barid_runtime::control::{Client, Commands};
use barid_standalone::engine::open_offline;

use crate::engine::{DOCUMENTS, Engine, by, until};
use crate::peers::{adt, oru};

/// What waits: messages set aside before routing, deliveries set aside, deliveries parked, those of them that hold a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waits(u64, u64, u64, u64);

async fn by_audit(commands: &dyn Commands) -> Waits {
    let audit = commands.audit(AuditRequest::default()).await.unwrap();
    assert!(audit.holds, "{audit:?}");
    Waits(audit.messages.set_aside, audit.deliveries.set_aside, audit.deliveries.parked, audit.deliveries.held)
}

async fn by_list(commands: &dyn Commands) -> Waits {
    let rows = commands.parked(ParkedQuery { limit: Some(1_000), ..ParkedQuery::default() }).await.unwrap().rows;
    let count = |wanted: &dyn Fn(&ParkedRow) -> bool| rows.iter().filter(|row| wanted(row)).count() as u64;
    let aside = |row: &ParkedRow| row.why == state::QUARANTINED;
    Waits(
        count(&|row| aside(row) && row.id.is_none()),
        count(&|row| aside(row) && row.id.is_some()),
        count(&|row| !aside(row)),
        count(&|row| row.why == "held"),
    )
}

async fn by_status(commands: &dyn Commands) -> Waits {
    let status = commands.status().await.unwrap();
    let sum = |of: &dyn Fn(&DestinationStatus) -> u64| status.destinations.iter().map(of).sum::<u64>();
    Waits(
        status.router.quarantined,
        status.router.not_handed_on + sum(&|at| at.quarantined),
        sum(&|at| at.parked),
        sum(&|at| at.held_lanes),
    )
}

async fn all(commands: &dyn Commands) -> [Waits; 3] {
    [by_audit(commands).await, by_list(commands).await, by_status(commands).await]
}

/// All three say this, as soon as all is read.
async fn say(engine: &Engine, when: &str, waits: Waits) {
    let client = engine.client().await;
    until(&format!("{when}: {waits:?}"), async || {
        let told = all(&client).await;
        if told == [waits; 3] {
            return Some(());
        }
        eprintln!("{when}: {told:?}");
        None
    })
    .await;
}

fn documents(engine: &Engine, failing: bool) {
    let bounded = "kind: Destination\nmetadata: {name: bounded}\nspec: {mllp: {endpoints: ['127.0.0.1:REGISTRY']}, \
                   state: paused, backlog: {messages: 1, onFull: quarantine}}\n";
    let results = "kind: Channel\nmetadata: {name: results}\nspec:\n  from: {listeners: [{name: in}], when: \"msg.type \
                   == 'ORU'\"}\n  transform: [{set: {path: MSH-5, to: \"STEP\"}}]\n  routes: [{name: bounded, to: \
                   {destination: bounded}}]\n";
    let step = if failing { "string(int(msg['PID-3']))" } else { "'MPI'" };
    engine.write("barid.yaml", &format!("{DOCUMENTS}---\n{bounded}---\n{}", results.replace("STEP", step)));
}

#[tokio::test]
async fn the_audit_the_list_and_the_status_agree_on_what_waits_whatever_was_done_about_it() {
    let mut engine = Engine::start().await;
    documents(&engine, true);
    engine.reload().await;
    let mut sender = engine.sender();
    say(&engine, "nothing yet", Waits(0, 0, 0, 0)).await;

    // The channel's mapping fails: set aside before routing.
    for id in ["F1", "F2", "F3"] {
        sender.send(&oru(id));
    }
    say(&engine, "a mapping failed", Waits(3, 0, 0, 0)).await;
    // A receiver refuses: set aside there. Another refuses and its lane is held, with one that follows.
    engine.registry.refuse("R1");
    engine.registry.refuse("R2");
    engine.strict.refuse("H1");
    sender.send(&adt("A01", "R1", "A"));
    sender.send(&adt("A01", "R2", "B"));
    say(&engine, "a receiver refused", Waits(3, 2, 0, 0)).await;
    sender.send(&adt("A08", "H1", "C"));
    sender.send(&adt("A08", "H2", "C"));
    say(&engine, "a lane is held", Waits(3, 2, 2, 1)).await;

    documents(&engine, false);
    engine.reload().await;
    engine.registry.accept();
    let client = engine.client().await;
    let select = async |id| DeliverySelection::Message { uid: engine.uid(id).await, route: None };
    let rerun = async |id| {
        let request = RerunRequest { by: by(), select: select(id).await, limit: 1, dry_run: false };
        assert_eq!(client.rerun(request).await.unwrap().done, 1);
    };
    let discard = async |id| {
        let request = DiscardRequest { by: by(), select: select(id).await, limit: 1, dry_run: false, keep: false };
        assert_eq!(client.discard(request).await.unwrap().done, 1);
    };
    rerun("F1").await;
    say(&engine, "a message was run again", Waits(2, 2, 2, 1)).await;
    assert_eq!(engine.message("F2").await.state, state::QUARANTINED);
    let of = async |word: &str| {
        let query = MessageQuery { state: Some(word.to_owned()), ..MessageQuery::default() };
        client.messages(query).await.unwrap().rows.into_iter().map(|row| row.control_id).collect::<Vec<_>>()
    };
    assert_eq!((of(state::RERUN).await, of(state::QUARANTINED).await.len()), (vec!["F1".to_owned()], 4));
    rerun("R1").await;
    say(&engine, "a delivery was run again", Waits(2, 1, 2, 1)).await;
    discard("F2").await;
    discard("R2").await;
    say(&engine, "one of each was discarded", Waits(1, 0, 2, 1)).await;
    assert!(of(state::DISCARDED).await.contains(&"F2".to_owned()));
    // Edited bytes are another message: what it was made from waits still.
    let edited = ResendRequest { by: by(), uid: engine.uid("F3").await, raw: oru("F3b").into() };
    client.resend(edited).await.unwrap();
    say(&engine, "an edited one was sent", Waits(1, 1, 2, 1)).await;
    // Two wait for the bounded destination with the first: whatever comes now is too much.
    sender.send(&oru("O1"));
    sender.send(&oru("O2"));
    say(&engine, "a backlog ran over", Waits(1, 3, 2, 1)).await;

    drop(client);
    let waits = Waits(1, 3, 2, 1);
    engine.restart().await;
    say(&engine, "restarted", waits).await;
    engine.stop();
    assert!(Client::connect(engine.data()).await.unwrap().is_none());
    assert_eq!(all(&*open_offline(engine.data()).await.unwrap()).await, [waits; 3], "no engine runs");
    for entry in std::fs::read_dir(engine.data()).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("ledger.sqlite") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    engine.run().await;
    say(&engine, "filled anew", waits).await;
    engine.strict.accept();
    let release = ReleaseRequest { by: by(), destination: Name::local("strict"), lane: None, head: HeldHead::Retry };
    engine.client().await.release(release).await.unwrap();
    say(&engine, "the lane was released", Waits(1, 3, 0, 0)).await;
}
