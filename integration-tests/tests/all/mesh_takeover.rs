//! The mesh as processes: messages pass, and whatever is killed is taken over by another of its kind.
//!
//! One NATS server that syncs each write stands for three: what is tested is who takes over, not the servers. Needs the
//! programs of all services (`cargo build`) and NATS (`scripts/nats`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_testkit::generate::Generator;
use barid_testkit::mesh::{Mesh, Role, Settings};
use barid_testkit::process::free_port;
use barid_testkit::receiver::{Options, Protocol, Receiver};
use barid_testkit::sender::{self, Listed, Load, Made, Target};
use barid_testkit::servers::nats;

use crate::mesh_flow::clean;
use crate::process_relay::{Ended, PATIENCE};

/// What a takeover may take.
const TAKEOVER: Duration = Duration::from_secs(10);
const PARTITIONS: u32 = 16;

/// One listener, one channel, a route to each of these.
pub(crate) fn documents(port: u16, receivers: &[(&str, &Receiver)]) -> String {
    let routes: Vec<String> =
        receivers.iter().map(|(name, _)| format!("{{name: {name}, to: {{destination: {name}}}}}")).collect();
    let mut text = format!(
        "kind: Listener\nmetadata: {{name: in}}\nspec:\n  mllp: {{port: {port}, address: 127.0.0.1}}\n  unknownFacility: accept\n\
         ---\nkind: Channel\nmetadata: {{name: relay}}\nspec:\n  from: {{listeners: [{{name: in}}]}}\n  order: {{by: facility}}\n  \
         routes: [{}]\n",
        routes.join(", ")
    );
    for (name, receiver) in receivers {
        text += &format!(
            "---\nkind: Destination\nmetadata: {{name: {name}}}\nspec:\n  http: {{url: \"http://{}/hl7\"}}\n  \
             timeout: 10s\n  retry: {{initial: 20ms, max: 200ms}}\n",
            receiver.address()
        );
    }
    text
}

/// A mesh with so many of each service.
pub(crate) async fn mesh(documents: String, replicas: &[(Role, usize)]) -> Mesh {
    let nats = nats::Settings { count: 1, file_store: 2 << 30, ..nats::Settings::default() };
    let replicas: BTreeMap<Role, usize> = replicas.iter().copied().collect();
    let mesh = Mesh::start(Settings { documents, replicas, nats, partitions: PARTITIONS }).await.unwrap();
    mesh.ready(PATIENCE).await.unwrap();
    mesh
}

pub(crate) async fn http() -> Receiver {
    Receiver::start(Options { protocol: Protocol::Http, ..Options::default() }).await.unwrap()
}

/// Sending to an ingress replica, again until acknowledged.
pub(crate) fn load(ingress: usize, port: u16) -> Load {
    let target = Target::Mllp(format!("{}:{port}", Mesh::ingress(ingress)));
    Load { connections: 8, pipeline: 4, resend: true, give_up: PATIENCE, ..Load::to(target) }
}

/// The items that a replica says it owns: what it claimed and has not given back, since its last start.
pub(crate) fn owned(mesh: &Mesh, role: Role, number: usize) -> BTreeSet<String> {
    let log = mesh.log(role, number);
    let mut owned = BTreeSet::new();
    for line in log.lines().filter(|line| line.contains("ownership")) {
        let item = line.split("item=\"").nth(1).and_then(|rest| rest.split('"').next());
        match item {
            Some(item) if line.contains("given back") => drop(owned.remove(item)),
            Some(item) if line.contains(": owned") => drop(owned.insert(item.to_owned())),
            _ if line.contains("may own") => owned.clear(),
            _ => {}
        }
    }
    owned
}

pub(crate) async fn until(what: &str, within: Duration, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < within, "not {what} within {within:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{what} after {} ms", begun.elapsed().as_millis());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_o01_killed_replicas_are_taken_over_within_ten_seconds_and_nothing_is_lost_or_out_of_order() {
    const EACH: u64 = 200;
    let (one, two) = (http().await, http().await);
    let port = free_port().unwrap();
    let all = [(Role::Ingress, 2), (Role::Router, 2), (Role::Delivery, 2)];
    let mesh = mesh(documents(port, &[("one", &one), ("two", &two)]), &all).await;
    let partitions = PARTITIONS as usize;
    until("all partitions routed", PATIENCE, || {
        owned(&mesh, Role::Router, 0).len() + owned(&mesh, Role::Router, 1).len() == partitions
    })
    .await;
    let generators = |from: u64| (from..from + 8).map(|n| Generator::new(n, &format!("H{n:02}"))).collect::<Vec<_>>();
    let (first, second) = (Ended::default(), Ended::default());
    let begin = |ingress: usize, generators: Vec<Generator>, ended: &Ended| {
        let load = Load { rate: Some(40.0), ..load(ingress, port) };
        tokio::spawn(sender::run(load, Arc::new(Made::new(generators, EACH)), ended.observer()))
    };
    let sending = [begin(0, generators(0), &first), begin(1, generators(8), &second)];
    tokio::time::sleep(Duration::from_secs(2)).await;
    for round in 0..2 {
        mesh.kill(Role::Router, round);
        until("a killed router's partitions taken over", TAKEOVER, || {
            owned(&mesh, Role::Router, 1 - round).len() == partitions
        })
        .await;
        mesh.restart(Role::Router, round).unwrap();
        mesh.kill(Role::Delivery, round);
        until("a killed owner's destinations taken over", TAKEOVER, || {
            owned(&mesh, Role::Delivery, 1 - round).len() == 2
        })
        .await;
        mesh.restart(Role::Delivery, round).unwrap();
        mesh.kill(Role::Ingress, round);
        tokio::time::sleep(Duration::from_secs(1)).await;
        mesh.restart(Role::Ingress, round).unwrap();
        mesh.ready(PATIENCE).await.unwrap();
    }
    let mut total = 0;
    for sending in sending {
        let report = tokio::time::timeout(PATIENCE, sending).await.unwrap().unwrap();
        assert_eq!(report.accepted, 8 * EACH, "not all were acknowledged: {report:?}");
        total += report.accepted as usize;
    }
    // The two senders' connections are not the same ones.
    for done in second.0.lock().iter_mut() {
        done.connection += 1_000;
    }
    first.0.lock().append(&mut second.0.lock());
    for receiver in [&one, &two] {
        crate::process_relay::distinct(receiver, total).await;
    }
    clean(&first.history_at(&[("one", &one), ("two", &two)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resend_is_recognised_at_another_replica_and_after_a_takeover() {
    let out = http().await;
    let port = free_port().unwrap();
    let all = [(Role::Parser, 1), (Role::Transformer, 1), (Role::Ingress, 2), (Role::Router, 2), (Role::Delivery, 1)];
    let mesh = mesh(documents(port, &[("out", &out)]), &all).await;
    let message = Generator::new(7, "CHN").message(1).bytes;
    let send = async |ingress: usize, bytes: bytes::Bytes| {
        let load = Load { connections: 1, ..load(ingress, port) };
        let report = sender::run(load, Arc::new(Listed::new([bytes])), None).await;
        assert_eq!(report.accepted, 1, "{report:?}");
    };
    send(0, message.clone()).await;
    assert!(out.wait_for(1, PATIENCE).await, "it is delivered");
    // The resend meets nobody who saw the first one.
    send(1, message.clone()).await;
    for number in 0..2 {
        let owned_by = (0..2).find(|router| owned(&mesh, Role::Router, *router).len() == PARTITIONS as usize);
        let victim = owned_by.unwrap_or(number);
        mesh.kill(Role::Router, victim);
        until("taken over", TAKEOVER, || owned(&mesh, Role::Router, 1 - victim).len() == PARTITIONS as usize).await;
        mesh.restart(Role::Router, victim).unwrap();
        mesh.kill(Role::Ingress, number);
        mesh.restart(Role::Ingress, number).unwrap();
        mesh.ready(PATIENCE).await.unwrap();
        send(number, message.clone()).await;
    }
    // What comes after all of them, in the same lane, is there: so they would be.
    send(0, Generator::new(7, "CHN").message(2).bytes).await;
    assert!(out.wait_for(2, PATIENCE).await);
    let ids: Vec<_> = out.received().iter().map(|received| received.control_id.clone()).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert_ne!(ids[0], ids[1]);
}

/// What the tool says beside the ledger; it has to end well.
async fn told(mesh: &Mesh, arguments: &[&str]) -> String {
    let output = mesh.tool(0, arguments).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (told, wrong) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "barid {}: {}\n{told}{wrong}", arguments.join(" "), output.status);
    told
}

fn is_accepted(code: &str) -> bool {
    matches!(code, "AA" | "CA")
}

/// Sends one message once; how it was answered, and after how long.
async fn once(port: u16, generator: &Generator, number: u64) -> (String, Duration) {
    let ended = Ended::default();
    let load = Load { connections: 1, resend: false, timeout: Duration::from_secs(30), ..load(0, port) };
    let begun = Instant::now();
    sender::run(load, Arc::new(Listed::new([generator.message(number).bytes])), ended.observer()).await;
    let code = ended.0.lock().first().map(|done| done.code.clone()).unwrap_or_default();
    (code, begun.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tool_beside_the_ledger_sees_every_message_and_a_pause_reaches_whoever_delivers() {
    let out = http().await;
    let port = free_port().unwrap();
    let all = [(Role::Ingress, 1), (Role::Router, 1), (Role::Delivery, 2), (Role::Ledger, 1)];
    let mesh = mesh(documents(port, &[("out", &out)]), &all).await;
    let generator = Generator::new(7, "CHN");
    assert!(is_accepted(&once(port, &generator, 0).await.0));
    assert!(out.wait_for(1, PATIENCE).await, "it is delivered");
    let balance = told(&mesh, &["audit"]).await;
    assert!(balance.contains("delivered"), "{balance}");
    assert!(told(&mesh, &["messages"]).await.contains("CHN"));
    told(&mesh, &["pause", "destination", "out", "--reason", "a test"]).await;
    // The pause is known to its owner within moments; what comes after that waits.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(is_accepted(&once(port, &generator, 1).await.0));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(out.count(), 1, "nothing is sent while it is paused");
    told(&mesh, &["resume", "destination", "out", "--reason", "a test"]).await;
    assert!(out.wait_for(2, PATIENCE).await, "what waited is delivered");
    told(&mesh, &["audit"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_log_cannot_take_a_message_or_prove_that_it_keeps_it_the_sender_is_refused_in_time() {
    let out = http().await;
    let port = free_port().unwrap();
    let all = [(Role::Ingress, 1), (Role::Router, 1), (Role::Delivery, 1)];
    let mesh = mesh(documents(port, &[("out", &out)]), &all).await;
    let generator = Generator::new(7, "CHN");
    assert!(is_accepted(&once(port, &generator, 0).await.0));
    // No server at all.
    mesh.nats.kill(0);
    for number in 1..4 {
        let (code, took) = once(port, &generator, number).await;
        assert!(matches!(&*code, "AE" | "CE"), "message {number}: {code:?}");
        assert!(took < Duration::from_secs(8), "after {took:?}");
    }
    // One that acknowledges before it syncs: what it says is not believed.
    mesh.nats.restart_with(0, "2m").unwrap();
    mesh.nats.ready().await.unwrap();
    let begun = Instant::now();
    let mut seen = false;
    while !seen {
        // Not while it is found again, and not in the moment between.
        let (status, said) = mesh.ask(Role::Ingress, 0, "/readyz").await.unwrap();
        seen = status == 503 && said.contains("not proven");
        let (code, took) = once(port, &generator, 4).await;
        assert!(matches!(&*code, "AE" | "CE"), "{code:?}");
        assert!(took < Duration::from_secs(8), "after {took:?}");
        assert!(begun.elapsed() < PATIENCE, "{said}");
    }
    mesh.nats.kill(0);
    mesh.nats.restart(0).unwrap();
    mesh.nats.ready().await.unwrap();
    mesh.ready(PATIENCE).await.unwrap();
    let begun = Instant::now();
    while !is_accepted(&once(port, &generator, 5).await.0) {
        assert!(begun.elapsed() < PATIENCE);
    }
    // What was refused and sent again by nobody may be there or not; what was accepted is.
    assert!(out.wait_for(2, PATIENCE).await, "the first and the last are delivered");
}
