//! The log of a mesh is given back while messages flow, whoever of those who do it is killed; what waits stays.
//!
//! Real programs on one NATS server. What is kept, and for how long, is decided by the retention of the channel, which is
//! seconds here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_log::{Log as _, Position, SpaceLevel, Subject};
use barid_replica::{LogOptions, NatsLog};
use barid_testkit::mesh::{Mesh, Role, Settings};
use barid_testkit::process::free_port;
use barid_testkit::receiver::Receiver;
use barid_testkit::sender::{self, Load, Made};
use barid_testkit::servers::nats::{self, SYSTEM, USER};

use crate::mesh_flow::{clean, facilities};
use crate::mesh_takeover::{documents, http, load, mesh, owned, until};
use crate::process_relay::{Ended, PATIENCE, distinct};

/// As the mesh is made.
const PARTITIONS: u32 = 16;
/// Facilities, each a lane and a connection.
const FACILITIES: u64 = 8;
/// Messages of each.
const EACH: u64 = 1_200;
/// All messages a second.
const RATE: f64 = 60.0;
/// How long the bytes of a message are wanted.
const KEPT: &str = "20s";
/// What a takeover may take.
const TAKEOVER: Duration = Duration::from_secs(10);
/// In which time what has had its time must be gone: the duplicate memory is written down each minute, which comes before.
const GONE: Duration = Duration::from_secs(240);

/// The documents of a mesh whose messages are wanted for moments only.
fn soon_over(port: u16, receivers: &[(&str, &Receiver)]) -> String {
    let wanted = format!(
        "retention: {{payload: {KEPT}, metadata: 1h}}\n  duplicates: {{window: {KEPT}}}\n  ack: {{timeout: 1s}}\n  routes: "
    );
    documents(port, receivers).replacen("routes: ", &wanted, 1)
}

/// The log, beside the mesh's processes.
async fn log(mesh: &Mesh, file_store: u64) -> NatsLog {
    let (user, password) = USER;
    let with = |address: String| address.replace("nats://", &format!("nats://{user}:{password}@"));
    let (system, secret) = SYSTEM;
    let as_system = |address: String| address.replace("nats://", &format!("nats://{system}:{secret}@"));
    let options = LogOptions {
        nats: mesh.nats.addresses().into_iter().map(with).collect(),
        nats_system: mesh.nats.addresses().into_iter().map(as_system).collect(),
        nats_seed: None,
        nats_system_seed: None,
        nats_authorities: None,
        nats_certificate: None,
        nats_key: None,
        installation: "barid".to_owned(),
        partitions: PARTITIONS,
        nats_replicas: 1,
        nats_storage: file_store / 10 * 7,
        nats_unproven: false,
    };
    options.open().await.unwrap()
}

/// The bytes of every subject that begins so.
async fn held(log: &NatsLog, prefix: &str) -> u64 {
    log.held(prefix).await.unwrap().iter().map(|(_, bounds)| bounds.bytes).sum()
}

/// The first positions of every subject that begins so and has more than one record.
async fn firsts(log: &NatsLog, prefix: &str) -> Vec<(Subject, Position)> {
    let held = log.held(prefix).await.unwrap().into_iter();
    held.map(|(subject, bounds)| (subject, bounds.first)).collect()
}

/// Who gives the log's storage back, when only one says so: what a killed one wrote tells nothing until it is back.
fn trimmer(mesh: &Mesh) -> Option<usize> {
    let owns = |number: &usize| owned(mesh, Role::Ledger, *number) == BTreeSet::from(["log".to_owned()]);
    let all: Vec<usize> = (0..2).filter(owns).collect();
    (all.len() == 1).then(|| all.first().copied()).flatten()
}

async fn until_some<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            println!("{what} after {} ms", begun.elapsed().as_millis());
            return found;
        }
        assert!(begun.elapsed() < within, "not {what} within {within:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The audit of a ledger holds.
async fn holds(mesh: &Mesh, ledger: usize) {
    let output = mesh.tool(ledger, &["audit"]).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let told = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "ledger {ledger}:\n{told}");
    assert!(told.contains("in flight"), "{told}");
}

/// Kills who gives the log back, some times, and a router and an owner between.
async fn kills(mesh: &Mesh) {
    for round in 0..3 {
        let victim = until_some("somebody gives the log back", PATIENCE, async || trimmer(mesh)).await;
        mesh.kill(Role::Ledger, victim);
        let other = 1 - victim;
        let owns = || owned(mesh, Role::Ledger, other).len() == 1;
        until("a killed one taken over", TAKEOVER, owns).await;
        mesh.restart(Role::Ledger, victim).unwrap();
        let role = if round % 2 == 0 { Role::Router } else { Role::Delivery };
        mesh.kill(role, 0);
        tokio::time::sleep(Duration::from_secs(1)).await;
        mesh.restart(role, 0).unwrap();
        mesh.ready(PATIENCE).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_had_its_time_goes_whoever_is_killed_and_what_waits_for_a_destination_stays() {
    let (one, two) = (http().await, http().await);
    two.refuse();
    let port = free_port().unwrap();
    let all = [(Role::Ingress, 1), (Role::Router, 2), (Role::Delivery, 2), (Role::Ledger, 2)];
    let to = [("one", &one), ("two", &two)];
    let mesh = mesh(soon_over(port, &to), &all).await;
    let log = log(&mesh, 2 << 30).await;
    let ended = Ended::default();
    let made = Arc::new(Made::new(facilities(FACILITIES), EACH));
    let load = Load { rate: Some(RATE), ..load(0, port) };
    let sending = tokio::spawn(sender::run(load, made, ended.observer()));
    // What all others are done with goes; what waits for the one that is away stays, whole.
    for prefix in ["in.", "routed.", "out.default.one.", "outcome.default.one"] {
        let gone = async || firsts(&log, prefix).await.iter().any(|(_, first)| first.0 > 50).then_some(());
        until_some(&format!("{prefix} begun to be given back"), GONE, gone).await;
    }
    let kept = firsts(&log, "out.default.two.").await;
    assert!(!kept.is_empty() && kept.iter().all(|(_, first)| first.0 == 1), "{kept:?}");
    two.accept();
    kills(&mesh).await;
    let report = tokio::time::timeout(PATIENCE, sending).await.unwrap().unwrap();
    assert_eq!(report.accepted, FACILITIES * EACH, "not all were acknowledged: {report:?}");
    let total = usize::try_from(FACILITIES * EACH).unwrap();
    for receiver in [&one, &two] {
        distinct(receiver, total).await;
    }
    clean(&ended.history_at(&to));
    // All of it has had its time: of each subject the last block stays.
    let flowed = report.accepted * 1_000;
    until_some("the log given back", GONE, async || {
        let mut held_now = 0;
        for prefix in ["in.", "out.", "routed.", "outcome."] {
            held_now += held(&log, prefix).await;
        }
        (held_now < flowed / 10).then_some(())
    })
    .await;
    for ledger in 0..2 {
        holds(&mesh, ledger).await;
    }
    // A history that is made anew of what is left knows that it has a part only.
    mesh.kill(Role::Ledger, 1);
    std::fs::remove_dir_all(mesh.data(Role::Ledger, 1)).unwrap();
    mesh.restart(Role::Ledger, 1).unwrap();
    mesh.ready(PATIENCE).await.unwrap();
    holds(&mesh, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nobody_gives_the_log_back_senders_are_refused_and_what_they_keep_is_taken_afterwards() {
    const FILE_STORE: u64 = 32 << 20;
    const MORE: u64 = 1_500;
    let out = http().await;
    let port = free_port().unwrap();
    let nats = nats::Settings { count: 1, file_store: FILE_STORE, ..nats::Settings::default() };
    let documents = soon_over(port, &[("out", &out)]);
    let replicas = [Role::Ingress, Role::Router, Role::Delivery, Role::Ledger].map(|role| (role, 1)).into();
    let mesh = Mesh::start(Settings { documents, replicas, nats, partitions: PARTITIONS }).await.unwrap();
    mesh.ready(PATIENCE).await.unwrap();
    mesh.kill(Role::Ledger, 0);
    let log = log(&mesh, FILE_STORE).await;
    let ended = Ended::default();
    let total = FACILITIES * MORE;
    let sending =
        tokio::spawn(sender::run(load(0, port), Arc::new(Made::new(facilities(FACILITIES), MORE)), ended.observer()));
    let space = log.space();
    let full = async || (*space.borrow() != SpaceLevel::Free).then_some(());
    until_some("too little room to take more", PATIENCE, full).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(!sending.is_finished(), "all of it fitted: {} bytes", held(&log, "").await);
    for prefix in ["in.", "out."] {
        let firsts = firsts(&log, prefix).await;
        assert!(firsts.iter().all(|(_, first)| first.0 == 1), "nothing goes that the history lacks: {firsts:?}");
    }
    mesh.restart(Role::Ledger, 0).unwrap();
    let report = tokio::time::timeout(PATIENCE, sending).await.unwrap().unwrap();
    assert_eq!(report.accepted, total, "not all were acknowledged: {report:?}");
    distinct(&out, usize::try_from(total).unwrap()).await;
    clean(&ended.history_at(&[("out", &out)]));
    holds(&mesh, 0).await;
}
