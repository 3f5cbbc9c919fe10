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
fn owned(mesh: &Mesh, role: Role, number: usize) -> BTreeSet<String> {
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

async fn until(what: &str, within: Duration, holds: impl Fn() -> bool) {
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
    let verdict = first.history_at(&[("one", &one), ("two", &two)]).judge();
    println!("{verdict}");
    if !verdict.is_clean() {
        for (name, receiver) in [("one", &one), ("two", &two)] {
            let all = receiver.received();
            for (i, r) in all.iter().enumerate() {
                if all.iter().filter(|o| o.control_id == r.control_id).count() > 1 {
                    println!("{name} {i} {} marked {} {:?}", String::from_utf8_lossy(&r.control_id), r.is_possible_duplicate, r.at);
                }
            }
        }
        for n in 0..2 { println!("== delivery {n}\n{}", mesh.log(Role::Delivery, n)); }
    }
    assert!(verdict.is_clean(), "{verdict}");
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
