//! The mesh over three servers that keep three copies: servers and leaders killed, processes frozen for longer than their
//! lease, machines cut off from the others, clocks that step, each service scaled from one to four and back to two, all of it
//! under load.
//!
//! Whatever happens, what was acknowledged is delivered, in the order of its lane, and repeats are marked. Needs the
//! programs of all services (`cargo build`) and NATS (`scripts/nats`). `cargo test … faults_by_chance -- --ignored`: with
//! BARID_MESH_MESSAGES=100000 faults go on until so many are acknowledged, with BARID_MESH_SECONDS (`scripts/soak`) until so much
//! time is over, else for 15 s; BARID_MESH_SEED repeats a run's choices, BARID_MESH_NETWORK=0 leaves out what takes a network of
//! the test's own, BARID_MESH_CALM=1 all faults.

pub(crate) mod balancer;
mod faults;
mod ground;
mod house;
mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use barid_testkit::mesh::{Mesh, Role};
use barid_testkit::network::{Cut, inside};

use self::faults::{How, Victim, by_chance, leader, meta_leader};
use self::house::{House, PARTITIONS};
use self::memory::Memory;
use crate::mesh_takeover::{owned, until};
use crate::process_kill::Moments;
use crate::process_relay::PATIENCE;

/// Longer than lease and guard (4 + 3 s), and than a claim takes after that.
const FROZEN: Duration = Duration::from_secs(10);
/// What a takeover may take, on a machine that does other things as well.
const TAKEOVER: Duration = Duration::from_secs(15);
/// Above the 25 s that a service may take to drain.
const DRAIN: Duration = Duration::from_secs(30);
const TWO: [(Role, usize, usize); 4] =
    [(Role::Ledger, 1, 1), (Role::Ingress, 2, 2), (Role::Router, 2, 2), (Role::Delivery, 2, 2)];

/// One cluster at a time: three servers and a mesh fill a small machine.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How often owners have begun a run, and leases were lost, as the processes' logs say.
fn tenures(mesh: &Mesh) -> (usize, usize) {
    let logs = [Role::Router, Role::Delivery].into_iter().flat_map(|role| (0..2).map(move |number| (role, number)));
    let count = |text: &str, of: &str| text.matches(of).count();
    logs.map(|(role, number)| mesh.log(role, number)).fold((0, 0), |(runs, lost), text| {
        let begun = count(&text, "starts again from its commit") + count(&text, ": owned ");
        (runs + begun, lost + count(&text, "the lease is lost"))
    })
}

async fn judged(house: &mut House) {
    house.mesh.ready(PATIENCE).await.unwrap();
    let outcome = house.end().await;
    println!("{outcome}");
    assert!(outcome.verdict.is_clean(), "{outcome}");
    house.balances(&outcome).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_o01_killed_servers_and_leaders_cost_no_message_and_no_order() {
    let _alone = ALONE.lock().await;
    let mut house = House::build(&TWO).await;
    house.send(80.0);
    house.passes(100).await;
    for of in ["barid-barid-in", "all streams"] {
        let server = match of {
            "all streams" => meta_leader(&house.mesh).await.unwrap(),
            stream => leader(&house.mesh, stream).await.unwrap(),
        };
        let (begun, before) = (Instant::now(), tenures(&house.mesh));
        house.mesh.nats.kill(server);
        house.passes(50).await;
        let (passed, (runs, lost)) = (begun.elapsed(), tenures(&house.mesh));
        println!(
            "leader of {of}: server {server} killed, 50 messages passed after {passed:?}; {} runs of owners begun anew, {} \
             leases lost",
            runs - before.0,
            lost - before.1
        );
        assert_eq!(lost, before.1, "a leader's death ends nobody's lease");
        house.mesh.nats.restart(server).unwrap();
        house.mesh.nats.ready().await.unwrap();
    }
    // Without two of three nothing is taken; what was taken is there when they are back.
    house.mesh.nats.kill(0);
    house.mesh.nats.kill(1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    house.mesh.nats.restart(0).unwrap();
    house.mesh.nats.restart(1).unwrap();
    house.mesh.nats.ready().await.unwrap();
    house.passes(100).await;
    judged(&mut house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_o01_who_was_frozen_for_longer_than_its_lease_sends_nothing_when_it_wakes() {
    let _alone = ALONE.lock().await;
    let mut house = House::build(&TWO).await;
    house.send(100.0);
    house.passes(200).await;
    let mesh = &house.mesh;
    // Who owns something: of two, each has about half of the partitions, one may have both destinations.
    let web = "default.web".to_owned();
    let owner = usize::from(owned(mesh, Role::Delivery, 1).contains(&web));
    let mine = owned(mesh, Role::Delivery, owner);
    assert!(mine.contains(&web), "somebody owns it");
    let frozen = [(Role::Router, 0), (Role::Delivery, owner), (Role::Ingress, 0)];
    for (role, number) in frozen {
        Victim::Process(role, number).hit(&house, How::Frozen);
    }
    let begun = Instant::now();
    // What is under way to a receiver has reached it long before the lease is over.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let receivers = [("web", &house.web), ("wire", &house.wire)]
        .into_iter()
        .filter(|(name, _)| mine.contains(&format!("default.{name}")))
        .map(|(name, receiver)| {
            let connections: BTreeSet<u64> = receiver.received().iter().map(|one| one.connection).collect();
            (name, receiver, connections, receiver.count())
        })
        .collect::<Vec<_>>();
    until("the frozen router's partitions taken over", TAKEOVER, || {
        owned(mesh, Role::Router, 1).len() == PARTITIONS as usize
    })
    .await;
    until("the frozen owner's destinations taken over", TAKEOVER, || owned(mesh, Role::Delivery, 1 - owner).len() == 2)
        .await;
    tokio::time::sleep(FROZEN.saturating_sub(begun.elapsed())).await;
    for (role, number) in frozen {
        Victim::Process(role, number).heal(&house, How::Frozen);
    }
    for (role, number) in [(Role::Router, 0), (Role::Delivery, owner)] {
        until("the fenced one aware of it", TAKEOVER, || mesh.log(role, number).contains("the lease is lost")).await;
    }
    house.passes(100).await;
    for (name, receiver, connections, count) in receivers {
        let late =
            |one: &&barid_testkit::receiver::Received| one.order >= count && connections.contains(&one.connection);
        let late = receiver.received().iter().filter(late).count();
        assert_eq!(late, 0, "{late} messages came to {name} from the one that was fenced");
    }
    judged(&mut house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_o01_each_service_scales_from_one_to_four_and_back_to_two_under_load() {
    const SCALED: [Role; 3] = [Role::Ingress, Role::Router, Role::Delivery];
    let _alone = ALONE.lock().await;
    let mut house =
        House::build(&[(Role::Ledger, 1, 1), (Role::Ingress, 4, 1), (Role::Router, 4, 1), (Role::Delivery, 4, 1)])
            .await;
    house.send(200.0);
    house.passes(200).await;
    for role in SCALED {
        (1..4).for_each(|number| house.mesh.restart(role, number).unwrap());
    }
    house.mesh.ready(PATIENCE).await.unwrap();
    house.lead_to(4);
    let share = |mesh: &barid_testkit::mesh::Mesh, role| {
        (0..4).map(|number| owned(mesh, role, number).len()).collect::<Vec<_>>()
    };
    until("partitions shared by four", PATIENCE, || {
        let shares = share(&house.mesh, Role::Router);
        shares.iter().sum::<usize>() == PARTITIONS as usize && shares.iter().all(|share| *share > 0)
    })
    .await;
    house.passes(200).await;
    house.lead_to(2);
    for role in SCALED {
        for number in 2..4 {
            house.mesh.stop(role, number, DRAIN).await.unwrap();
        }
    }
    until("partitions shared by two", Duration::from_secs(5), || {
        share(&house.mesh, Role::Router)[..2].iter().sum::<usize>() == PARTITIONS as usize
    })
    .await;
    house.passes(200).await;
    judged(&mut house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_o01_clocks_that_step_and_machines_that_are_cut_off_cost_no_message_and_no_order() {
    const DAY: i64 = 86_400;
    let _alone = ALONE.lock().await;
    let test = "mesh_cluster::d02_o01_clocks_that_step_and_machines_that_are_cut_off_cost_no_message_and_no_order";
    if !inside(test).unwrap() {
        return;
    }
    let mut house = House::build_apart(&TWO).await;
    house.send(60.0);
    house.passes(60).await;
    let all = [(Role::Ingress, 0), (Role::Router, 0), (Role::Delivery, 0), (Role::Ledger, 0), (Role::Delivery, 1)];
    for (seconds, (role, number)) in [DAY, -DAY, DAY, DAY, -DAY].into_iter().zip(all) {
        Victim::Process(role, number).hit(&house, How::Clock(seconds));
    }
    house.passes(60).await;
    // The leader alone, then who holds custody: one hears nobody, one is heard by nobody, one neither.
    let leads = leader(&house.mesh, "barid-barid-in").await.unwrap();
    let begun = Instant::now();
    Victim::Server(leads).hit(&house, How::Cut(Cut::Whole));
    house.passes(50).await;
    println!("server {leads}, a leader, cut off: 50 messages passed after {:?}", begun.elapsed());
    Victim::Server(leads).heal(&house, How::Cut(Cut::Whole));
    house.mesh.nats.ready().await.unwrap();
    let cut = [(Role::Router, 0, Cut::Deaf), (Role::Delivery, 1, Cut::Mute), (Role::Ingress, 0, Cut::Whole)];
    for (role, number, how) in cut {
        Victim::Process(role, number).hit(&house, How::Cut(how));
    }
    until("the deaf router's partitions taken over", TAKEOVER, || {
        owned(&house.mesh, Role::Router, 1).len() == PARTITIONS as usize
    })
    .await;
    until("the mute owner's destinations taken over", TAKEOVER, || owned(&house.mesh, Role::Delivery, 0).len() == 2)
        .await;
    house.passes(100).await;
    for (role, number, how) in cut {
        Victim::Process(role, number).heal(&house, How::Cut(how));
    }
    for (_, (role, number)) in [DAY, -DAY, DAY, DAY, -DAY].into_iter().zip(all) {
        Victim::Process(role, number).heal(&house, How::Clock(0));
    }
    house.passes(100).await;
    judged(&mut house).await;
}

/// Every service twice, but for the history.
const ALL_TWICE: [(Role, usize, usize); 6] = [
    (Role::Parser, 2, 2),
    (Role::Transformer, 2, 2),
    (Role::Ledger, 1, 1),
    (Role::Ingress, 2, 2),
    (Role::Router, 2, 2),
    (Role::Delivery, 2, 2),
];

#[ignore = "takes as long as it is told to: scripts/soak"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_o01_faults_by_chance_cost_no_message_and_no_order() {
    let _alone = ALONE.lock().await;
    let apart = setting("BARID_MESH_NETWORK") != Some(0);
    if apart && !inside("mesh_cluster::d02_o01_faults_by_chance_cost_no_message_and_no_order").unwrap() {
        return;
    }
    let seed = setting("BARID_MESH_SEED")
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into());
    let (messages, seconds) = (setting("BARID_MESH_MESSAGES"), setting("BARID_MESH_SECONDS"));
    println!("seed {seed}");
    let mut house = if apart { House::build_apart(&ALL_TWICE).await } else { House::build(&ALL_TWICE).await };
    house.send(setting("BARID_MESH_RATE").unwrap_or(200) as f64);
    house.passes(100).await;
    let (begun, mut memory) = (Instant::now(), Memory::default());
    memory.seen(house.mesh.resident());
    let enough = |house: &House| match (messages, seconds) {
        (None, None) => begun.elapsed() > Duration::from_secs(15),
        (messages, seconds) => {
            messages.is_none_or(|count| house.acknowledged() as u64 >= count)
                && seconds.is_none_or(|seconds| begun.elapsed() >= Duration::from_secs(seconds))
        }
    };
    let mut seen = |house: &House| memory.seen(house.mesh.resident());
    let done = if setting("BARID_MESH_CALM") == Some(1) {
        while !enough(&house) {
            tokio::time::sleep(Duration::from_secs(5)).await;
            seen(&house);
        }
        BTreeMap::new()
    } else {
        by_chance(&house, &mut Moments(seed), || enough(&house), &mut seen).await
    };
    house.mesh.ready(PATIENCE).await.unwrap();
    seen(&house);
    println!("seed {seed}; faults:");
    done.iter().for_each(|(what, times)| println!("  {times:>5} x {what}"));
    println!("{memory}");
    judged(&mut house).await;
}
