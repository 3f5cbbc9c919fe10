//! Documents that change while messages come: what is accepted keeps the rules it was accepted under, listeners come and go
//! alone, and a bad edit changes nothing and says why.

use std::io::Read as _;
use std::net::TcpStream;

use barid_model::Name;
use barid_runtime::control::Commands as _;
use barid_runtime::control::protocol::*;

use crate::engine::{DOCUMENTS, Engine, by, until};
use crate::peers::{Sender, adt};

const TABLE: &str = "kind: CodeTable\nmetadata: {name: classes}\nspec: {rows: [{from: I, to: CODE}]}\n";
const MAPPING: &str = "kind: Mapping\nmetadata: {name: own}\nspec: {steps: [{set: {path: MSH-5, to: \"'NAME'\"}}, {lookup: {path: PV1-2, table: {name: classes}, onMiss: keep}}]}\n";

/// Writes what the registry's route applies.
fn shared(engine: &Engine, name: &str, code: &str) {
    engine.write("mapping.yaml", &MAPPING.replace("NAME", name));
    engine.write("table.yaml", &TABLE.replace("CODE", code));
}

async fn problems(engine: &Engine) -> Vec<ProblemView> {
    let mut all = engine.client().await.status().await.unwrap().snapshot.problems;
    all.retain(|problem| problem.severity == "error");
    all
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn listener(engine: &Engine, name: &str) -> Option<ListenerStatus> {
    let status = engine.client().await.status().await.unwrap();
    status.listeners.into_iter().find(|listener| listener.name == Name::local(name))
}

#[tokio::test]
async fn a_changed_mapping_and_table_hold_for_new_messages_alone_also_beyond_a_restart() {
    let mut engine = Engine::start().await;
    let applied = DOCUMENTS.replace("{set: {path: MSH-5, to: \"'MPI'\"}}", "{apply: {mapping: {name: own}}}");
    shared(&engine, "OLD", "OLDCODE");
    engine.write("barid.yaml", &applied);
    engine.reload().await;
    let channel = PauseTarget::Channel(Name::local("admissions"));
    let target = PauseTarget::Destination(Name::local("registry"));
    let client = engine.client().await;
    client.pause(PauseRequest { by: by(), target: target.clone(), mode: PauseMode::Paused }).await.unwrap();
    client.pause(PauseRequest { by: by(), target: channel.clone(), mode: PauseMode::Paused }).await.unwrap();
    let mut sender = engine.sender();
    assert_eq!(sender.send(&adt("A01", "M1", "A")), "AA");
    let revision = engine.client().await.status().await.unwrap().channels[0].revision;
    shared(&engine, "NEW", "NEWCODE");
    engine.reload().await;
    assert_ne!(engine.client().await.status().await.unwrap().channels[0].revision, revision);
    assert_eq!(sender.send(&adt("A01", "M2", "A")), "AA", "on the same connection");
    // What waits is not made anew by whoever starts next either.
    engine.restart().await;
    let client = engine.client().await;
    client.resume(ResumeRequest { by: by(), target: channel }).await.unwrap();
    client.resume(ResumeRequest { by: by(), target }).await.unwrap();
    engine.until_route(engine.uid("M2").await, "registry", state::DELIVERED).await;
    let sent: Vec<String> =
        engine.registry.messages().into_iter().map(|message| String::from_utf8(message).unwrap()).collect();
    assert!(sent[0].contains("|CHN|OLD|") && sent[0].contains("PV1|1|OLDCODE|"), "{}", sent[0]);
    assert!(sent[1].contains("|CHN|NEW|") && sent[1].contains("PV1|1|NEWCODE|"), "{}", sent[1]);
    engine.audit().await;
}

#[tokio::test]
async fn a_bad_edit_keeps_the_last_good_version_and_says_why_also_at_the_next_start() {
    let mut engine = Engine::start().await;
    let mut sender = engine.sender();
    engine.write("barid.yaml", &DOCUMENTS.replace("{set: {path: MSH-5", "{sett: {path: MSH-5"));
    let told = until("the status says so", async || problems(&engine).await.pop()).await;
    assert_eq!((told.file.as_str(), told.field.as_str()), ("barid.yaml", "spec.routes[1].transform[0].sett"));
    assert!(told.line > 0 && told.remedy.contains("did you mean `set`?"), "{told:?}");
    assert!(engine.log().contains("unknown field `sett`"), "so does the log");
    assert_eq!(sender.send(&adt("A01", "M1", "A")), "AA");
    engine.until_route(engine.uid("M1").await, "registry", state::DELIVERED).await;
    engine.restart().await;
    assert_eq!(problems(&engine).await.len(), 1);
    assert_eq!(engine.sender().send(&adt("A01", "M2", "A")), "AA", "by the last good version");
    engine.until_route(engine.uid("M2").await, "registry", state::DELIVERED).await;
    let sent = engine.registry.messages().pop().unwrap();
    assert!(sent.starts_with(b"MSH|^~\\&|HIS|CHN|MPI|"));
    engine.write("barid.yaml", DOCUMENTS);
    until("it is good again", async || problems(&engine).await.is_empty().then_some(())).await;
}

#[tokio::test]
async fn an_engine_that_never_ran_does_not_start_with_a_bad_document_one_that_ran_does() {
    let mut engine = Engine::new();
    engine.write("barid.yaml", DOCUMENTS);
    engine.write("bad.yaml", "kind: Channel\nmetadata: {name: broken}\nspec: {filter: 'msg.typ', routes: []}\n");
    assert_eq!(engine.ends().await, 3);
    let log = engine.log();
    assert!(log.contains("bad.yaml") && log.contains("msg.typ"), "the place and what is wrong: {log}");
    assert!(log.contains("barid check") && !log.contains("configuration runs"), "{log}");
    assert_eq!(engine.ends().await, 3, "what the first try left behind changes nothing");
    std::fs::remove_file(engine.directory.path().join("bad.yaml")).unwrap();
    engine.run().await;
    engine.stop();
    engine.write("barid.yaml", &DOCUMENTS.replace("{set: {path: MSH-5", "{sett: {path: MSH-5"));
    engine.write("bad.yaml", "kind: Channel\nmetadata: {name: broken}\nspec: {filter: 'msg.typ', routes: []}\n");
    engine.run().await;
    assert!(problems(&engine).await.len() > 1);
    assert_eq!(engine.sender().send(&adt("A01", "M1", "A")), "AA", "by what ran before somebody broke it");
    engine.until_route(engine.uid("M1").await, "registry", state::DELIVERED).await;
}

#[tokio::test]
async fn listeners_come_go_and_move_and_disturb_no_other() {
    let engine = Engine::start().await;
    let mut undisturbed = engine.sender();
    assert_eq!(undisturbed.send(&adt("A01", "M1", "A")), "AA");
    let (first, second) = (free_port(), free_port());
    let other = |port: u16| {
        format!(
            "kind: Listener\nmetadata: {{name: other}}\nspec: {{mllp: {{port: {port}, address: 127.0.0.1}}, unknownFacility: accept, onUnmatched: accept}}\n"
        )
    };
    engine.write("other.yaml", &other(first));
    let at = async |port: u16| {
        let address = format!("127.0.0.1:{port}");
        until(&address, async || {
            listener(&engine, "other").await.filter(|found| found.address.as_ref() == Some(&address)).map(drop)
        })
        .await;
    };
    at(first).await;
    let mut old = Sender::connect(first);
    assert_eq!(old.send(&adt("A01", "M2", "B")), "AA");
    engine.write("other.yaml", &other(second));
    at(second).await;
    assert!(TcpStream::connect(("127.0.0.1", first)).is_err(), "the old port is closed");
    assert_eq!(Sender::connect(second).send(&adt("A01", "M3", "C")), "AA");
    // A port that another process has is that listener's fault alone, and is taken when it is free.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let third = taken.local_addr().unwrap().port();
    engine.write("other.yaml", &other(third));
    let fault = until("it says so", async || listener(&engine, "other").await.and_then(|found| found.error)).await;
    assert!(fault.contains("another process or listener has this port"), "{fault}");
    drop(taken);
    at(third).await;
    std::fs::remove_file(engine.directory.path().join("other.yaml")).unwrap();
    let mut open = TcpStream::connect(("127.0.0.1", third)).unwrap();
    until("it is gone", async || listener(&engine, "other").await.is_none().then_some(())).await;
    assert_eq!(open.read(&mut [0]).unwrap_or(0), 0, "its connections end");
    assert_eq!(undisturbed.send(&adt("A01", "M4", "A")), "AA", "another listener's connection was open all the time");
}

#[tokio::test]
async fn the_number_of_the_snapshot_never_goes_back_also_not_by_a_restart() {
    let mut engine = Engine::start().await;
    let mut last = engine.client().await.status().await.unwrap().snapshot.number;
    for _ in 0..3 {
        let next = engine.reload().await.snapshot;
        assert!(next > last, "{next} after {last}");
        last = next;
    }
    engine.restart().await;
    let next = engine.client().await.status().await.unwrap().snapshot.number;
    assert!(next > last, "{next} after {last}");
    // Documents as they were kept before there was a number.
    engine.stop();
    let place = engine.data().join("snapshot.json");
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&place).unwrap()).unwrap();
    std::fs::write(&place, kept["documents"].to_string()).unwrap();
    engine.write("barid.yaml", "kind: Channel\nmetadata: {name: admissions}\nspec: {from: 1}\n");
    engine.run().await;
    let status = engine.client().await.status().await.unwrap();
    assert!(!status.snapshot.problems.is_empty() && status.channels.len() == 1, "they are used: {status:?}");
}

#[tokio::test]
async fn what_a_route_hands_on_to_a_channel_is_counted_there() {
    let engine = Engine::start().await;
    let more = DOCUMENTS.replace("  routes:\n", "  routes:\n    - {name: onward, to: {channel: copies}}\n");
    let copies =
        "---\nkind: Channel\nmetadata: {name: copies}\nspec:\n  routes: [{name: files, to: {destination: files}}]\n";
    engine.write("barid.yaml", &(more + copies));
    engine.reload().await;
    for id in ["M1", "M2"] {
        assert_eq!(engine.sender().send(&adt("A01", id, "A")), "AA");
    }
    let counts = async || {
        let channels = engine.client().await.status().await.unwrap().channels;
        let of = |name| channels.iter().find(|channel| channel.name == Name::local(name)).unwrap();
        let (from, to) = (of("admissions"), of("copies"));
        [(from.accepted, from.handed_on), (to.accepted, to.handed_on)]
    };
    until("both were handed on", async || (counts().await == [(2, 0), (0, 2)]).then_some(())).await;
}
