//! The documents of a mesh as they change while messages flow: what is wrong with one of them, two changes in quick
//! succession, a listener that moves to another port, a publisher that is away when replicas start.
//!
//! Needs the programs of all services (`cargo build`) and NATS (`scripts/nats`).

use std::net::SocketAddr;

use barid_testkit::mesh::{Mesh, Role};
use barid_testkit::process::free_port;
use barid_testkit::receiver::{Options, Protocol, Receiver};
use barid_testkit::sender::{Load, Target};

use crate::mesh_cluster::balancer::Balancer;
use crate::mesh_flow::Flow;
use crate::mesh_takeover::{load, mesh, until};
use crate::process_relay::PATIENCE;

/// The documents, with where messages come in and what MSH-6 becomes.
fn documents(port: u16, mark: &str, out: &Receiver) -> String {
    format!(
        "kind: Listener\nmetadata: {{name: in}}\nspec:\n  mllp: {{port: {port}, address: 127.0.0.1}}\n  unknownFacility: accept\n\
         ---\nkind: Channel\nmetadata: {{name: relay}}\nspec:\n  from: {{listeners: [{{name: in}}]}}\n  order: {{by: facility}}\n  \
         transform: [{{set: {{path: MSH-6, to: \"'{mark}'\"}}}}]\n  routes: [{{name: out, to: {{destination: out}}}}]\n\
         ---\nkind: Destination\nmetadata: {{name: out}}\nspec:\n  http: {{url: \"http://{}/hl7\"}}\n  timeout: 10s\n  \
         retry: {{initial: 20ms, max: 200ms}}\n",
        out.address()
    )
}

/// The mark of the message that arrived last.
fn last_mark(out: &Receiver) -> String {
    let received = out.received();
    let payload = received.last().and_then(|one| one.payload.clone()).unwrap_or_default();
    String::from_utf8_lossy(&payload).split('|').nth(5).unwrap_or_default().to_owned()
}

/// The newest snapshot that any replica has said it runs.
fn applied(mesh: &Mesh) -> u64 {
    let published = mesh.published();
    let numbers = published.lines().filter(|line| line.contains("snapshot applied")).filter_map(|line| {
        let (_, rest) = line.split_once("number=")?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    });
    numbers.max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_documents_change_break_move_and_are_not_to_be_had_while_messages_flow() {
    let options = Options { protocol: Protocol::Http, keep_payloads: true, ..Options::default() };
    let out = Receiver::start(options).await.unwrap();
    let (first, second) = (free_port().unwrap(), free_port().unwrap());
    let mesh = mesh(documents(first, "ONE", &out), &Role::ALL.map(|role| (role, 1))).await;
    let balancer = Balancer::start().await;
    balancer.lead_to(vec![SocketAddr::from((Mesh::ingress(0), first))]);
    let target = Target::Mllp(balancer.address.to_string());
    let load = Load { target, rate: Some(60.0), connections: 4, pipeline: 2, ..load(0, first) };
    let flow = Flow::begin(load, 4, &out);
    flow.passes(30).await;
    assert_eq!(last_mark(&out), "ONE");

    // What is wrong is told, and the good version runs on.
    mesh.write(&documents(first, "TWO'", &out)).unwrap();
    until("the wrong document told", PATIENCE, || mesh.published().contains("document:")).await;
    flow.passes(30).await;
    assert_eq!(last_mark(&out), "ONE");

    // Two in quick succession: the last one runs, and nobody goes back to the one before.
    let before = applied(&mesh);
    mesh.write(&documents(first, "TWO", &out)).unwrap();
    until("the first of two in effect somewhere", PATIENCE, || applied(&mesh) > before).await;
    mesh.write(&documents(first, "THREE", &out)).unwrap();
    until("the last of two in effect", PATIENCE, || last_mark(&out) == "THREE").await;
    let seen: Vec<String> = {
        let received = out.received();
        let marks = received.iter().filter_map(|one| {
            let text = String::from_utf8_lossy(one.payload.as_ref()?).into_owned();
            Some((String::from_utf8_lossy(&one.facility).into_owned(), text.split('|').nth(5)?.to_owned()))
        });
        marks.filter(|(facility, _)| facility == "H00").map(|(_, mark)| mark).collect()
    };
    let rank = |mark: &str| ["ONE", "TWO", "THREE"].iter().position(|known| *known == mark);
    assert!(seen.is_sorted_by_key(|mark| rank(mark)), "one sender's messages go from one version to the next");

    // Nobody publishes: whoever starts runs what it ran last.
    mesh.publish(false).unwrap();
    for role in [Role::Parser, Role::Transformer, Role::Router, Role::Delivery, Role::Ingress] {
        mesh.kill(role, 0);
        mesh.restart(role, 0).unwrap();
    }
    mesh.ready(PATIENCE).await.unwrap();
    flow.passes(30).await;
    assert_eq!(last_mark(&out), "THREE");
    let refused = flow.ended.0.lock().iter().filter(|done| !done.is_accepted).count();
    assert_eq!(refused, 0, "nothing was refused for good");

    // The publisher comes back with a listener at another port; connections at the old one are closed in good order.
    mesh.write(&documents(second, "FOUR", &out)).unwrap();
    mesh.publish(true).unwrap();
    let moved = SocketAddr::from((Mesh::ingress(0), second));
    until("the new port open", PATIENCE, || std::net::TcpStream::connect(moved).is_ok()).await;
    balancer.lead_to(vec![moved]);
    until("the old port closed", PATIENCE, || {
        std::net::TcpStream::connect(SocketAddr::from((Mesh::ingress(0), first))).is_err()
    })
    .await;
    until("the new version in effect", PATIENCE, || last_mark(&out) == "FOUR").await;
    flow.passes(30).await;

    flow.end().await;
}
