//! A destination that is down for a day: what waits for it costs neither memory nor the others' speed, and when it is back
//! it gets all of it in order, at full speed.
//!
//! A thousand times less than a day in the suite; by command as much as is asked for, over three servers:
//! `BARID_BACKLOG_MESSAGES=200000 cargo test -p barid-integration-tests mesh_backlog -- --ignored --nocapture`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_testkit::mesh::{Mesh, Role, Settings};
use barid_testkit::process::free_port;
use barid_testkit::receiver::{Options, Protocol, Receiver};
use barid_testkit::sender::{self, Load, Made, Target};
use barid_testkit::servers::nats;

use crate::mesh_flow::{clean, facilities};
use crate::process_kill::expect;
use crate::process_relay::{Ended, PATIENCE};

const FACILITIES: u64 = 32;
/// More than any run sends.
const KEEP: usize = 20_000_000;
/// What the process that owns a destination may take for what waits: its window, what it reads ahead, what it sends, twice.
const WAITING_BYTES: u64 = (2 * (64 + 32 + 32)) << 20;
/// How long nothing may arrive before what is missing is taken for lost.
const STANDSTILL: Duration = Duration::from_secs(40);

async fn receiver() -> Receiver {
    Receiver::start(Options { protocol: Protocol::Http, keep: KEEP, ..Options::default() }).await.unwrap()
}

/// The same treatment of both, and room for what waits.
fn documents(port: u16, near: &Receiver, far: &Receiver) -> String {
    let destination = |name: &str, receiver: &Receiver| {
        format!(
            "---\nkind: Destination\nmetadata: {{name: {name}}}\nspec:\n  http: {{url: \"http://{}/hl7\", connections: 16}}\n  \
             timeout: 10s\n  retry: {{initial: 100ms, max: 1s}}\n  backlog: {{messages: 10000000}}\n",
            receiver.address()
        )
    };
    format!(
        "kind: Listener\nmetadata: {{name: in}}\nspec:\n  mllp: {{port: {port}, address: 127.0.0.1}}\n  unknownFacility: accept\n\
         ---\nkind: Channel\nmetadata: {{name: relay}}\nspec:\n  from: {{listeners: [{{name: in}}]}}\n  order: {{by: facility}}\n  \
         routes: [{{name: near, to: {{destination: near}}}}, {{name: far, to: {{destination: far}}}}]\n{}{}",
        destination("near", near),
        destination("far", far)
    )
}

/// Waits until a receiver has so many; gives how long that took.
async fn until(receiver: &Receiver, count: u64) -> Duration {
    let begun = Instant::now();
    let (mut seen, mut moved) = (receiver.count(), Instant::now());
    while receiver.count() < count {
        assert!(moved.elapsed() < STANDSTILL, "{} of {count} arrived", receiver.count());
        if receiver.count() > seen {
            (seen, moved) = (receiver.count(), Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}

fn memory(mesh: &Mesh) -> BTreeMap<String, u64> {
    mesh.resident().into_iter().collect()
}

/// Messages a second between these two arrivals of a receiver.
fn speed(receiver: &Receiver, from: usize, to: usize) -> f64 {
    let all = receiver.received();
    let took = all[to - 1].at.saturating_sub(all[from].at);
    (to - from) as f64 / took.as_secs_f64()
}

async fn a_day(messages: u64, servers: usize) {
    let (near, far) = (receiver().await, receiver().await);
    far.refuse();
    let port = free_port().unwrap();
    let nats = nats::Settings { count: servers, file_store: 40 << 30, ..nats::Settings::default() };
    let replicas = BTreeMap::from([(Role::Ingress, 1), (Role::Router, 1), (Role::Delivery, 2), (Role::Ledger, 1)]);
    let documents = documents(port, &near, &far);
    let mesh = Mesh::start(Settings { documents, replicas, nats, partitions: 16 }).await.unwrap();
    mesh.ready(PATIENCE).await.unwrap();
    let generators = facilities(FACILITIES);
    let (ended, each) = (Ended::default(), messages / FACILITIES);
    let total = each * FACILITIES;
    let target = Target::Mllp(format!("{}:{port}", mesh.listener(0)));
    let load =
        Load { connections: FACILITIES as usize, pipeline: 4, resend: true, give_up: PATIENCE, ..Load::to(target) };
    let sending = tokio::spawn(sender::run(load, Arc::new(Made::new(generators.clone(), each)), ended.observer()));
    // With a third waiting everything has what it needs; what comes on top is what waits.
    until(&near, total / 3).await;
    let before = memory(&mesh);
    let report = sending.await.unwrap();
    assert_eq!(report.accepted, total, "{report:?}");
    until(&near, total).await;
    let waiting = memory(&mesh);
    let third = usize::try_from(total / 3).unwrap();
    let (first, last) = (speed(&near, 0, third), speed(&near, 2 * third, 3 * third));
    println!(
        "{total} messages accepted at {:.0}/s; near got its first third at {first:.0}/s, its last at {last:.0}/s",
        report.per_second()
    );
    assert_eq!(far.count(), 0);
    far.accept();
    let took = until(&far, total).await;
    let drained = total as f64 / took.as_secs_f64();
    let after = memory(&mesh);
    println!("far drained at {drained:.0}/s");
    println!("{:<14} {:>12} {:>12} {:>12}", "memory, MiB", "a third", "all waits", "drained");
    for (name, bytes) in &after {
        let mib = |seen: &BTreeMap<String, u64>| seen.get(name).map_or(0, |bytes| bytes >> 20);
        println!("{name:<14} {:>12} {:>12} {:>12}", mib(&before), mib(&waiting), bytes >> 20);
        // Servers have memory of their own, and the ledger a cache.
        if name.starts_with("delivery") || name.starts_with("router") || name.starts_with("ingress") {
            for (when, bytes) in [("all waits", waiting[name]), ("it is drained", *bytes)] {
                let more = bytes.saturating_sub(before[name]);
                assert!(more <= WAITING_BYTES, "{name} has {} MiB more when {when}", more >> 20);
            }
        }
    }
    assert!(last >= first / 2.0, "the others are slower by what waits: {first:.0}/s, then {last:.0}/s");
    assert!(drained >= first / 2.0, "drained at {drained:.0}/s, where messages pass at {first:.0}/s");
    let mut history = ended.history_at(&[("near", &near), ("far", &far)]);
    expect(&mut history, &generators);
    clean(&history);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_destination_that_is_down_costs_nobody_else_and_drains_in_order() {
    a_day(2_400, 1).await;
}

#[ignore = "takes as long as it is told to: BARID_BACKLOG_MESSAGES"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_days_backlog_costs_neither_memory_nor_speed_and_drains_in_order() {
    let asked = std::env::var("BARID_BACKLOG_MESSAGES").ok().and_then(|text| text.parse().ok());
    a_day(asked.unwrap_or(1_000_000), 3).await;
}
