//! What may happen to a mesh: servers and processes killed or frozen, for a while each, by chance from a seed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use barid_testkit::mesh::{Mesh, Role};
use serde_json::Value;

use super::house::House;
use crate::process_kill::Moments;

/// Services that may be hit.
const ROLES: [Role; 5] = [Role::Ingress, Role::Router, Role::Delivery, Role::Parser, Role::Transformer];

/// Something that is killed or frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    Server(usize),
    Process(Role, usize),
}

/// The server that leads a stream, as any that lives says.
pub(super) async fn leader(mesh: &Mesh, stream: &str) -> Option<usize> {
    for number in 0..mesh.nats.count() {
        let Some(told) = mesh.nats.ask(number, "/jsz?streams=1").await else { continue };
        let told: Value = serde_json::from_str(&told).ok()?;
        let accounts = told["account_details"].as_array()?;
        let mut streams = accounts.iter().filter_map(|account| account["stream_detail"].as_array()).flatten();
        let leader = streams.find(|detail| detail["name"] == stream).map(|detail| detail["cluster"]["leader"].clone());
        if let Some(leader) = leader.as_ref().and_then(Value::as_str) {
            return leader.trim_start_matches('n').parse::<usize>().ok()?.checked_sub(1);
        }
    }
    None
}

/// The server that decides about streams.
pub(super) async fn meta_leader(mesh: &Mesh) -> Option<usize> {
    for number in 0..mesh.nats.count() {
        let Some(told) = mesh.nats.ask(number, "/jsz").await else { continue };
        let told: Value = serde_json::from_str(&told).ok()?;
        if let Some(leader) = told["meta_cluster"]["leader"].as_str() {
            return leader.trim_start_matches('n').parse::<usize>().ok()?.checked_sub(1);
        }
    }
    None
}

impl Victim {
    pub(super) fn hit(self, mesh: &Mesh, frozen: bool) {
        match (self, frozen) {
            (Self::Server(number), true) => mesh.nats.freeze(number).unwrap(),
            (Self::Server(number), false) => mesh.nats.kill(number),
            (Self::Process(role, number), true) => mesh.freeze(role, number, true).unwrap(),
            (Self::Process(role, number), false) => mesh.kill(role, number),
        }
    }

    pub(super) fn heal(self, mesh: &Mesh, frozen: bool) {
        match (self, frozen) {
            (Self::Server(number), true) => mesh.nats.thaw(number).unwrap(),
            (Self::Server(number), false) => mesh.nats.restart(number).unwrap(),
            (Self::Process(role, number), true) => mesh.freeze(role, number, false).unwrap(),
            (Self::Process(role, number), false) => mesh.restart(role, number).unwrap(),
        }
    }
}

async fn choose(house: &House, moments: &mut Moments) -> Victim {
    let pick = |moments: &mut Moments, count: usize| usize::try_from(moments.below(count as u64)).unwrap();
    match moments.below(6) {
        0 => Victim::Server(pick(moments, house.mesh.nats.count())),
        1 => Victim::Server(leader(&house.mesh, "barid-barid-in").await.unwrap_or(0)),
        _ => loop {
            let role = ROLES[pick(moments, ROLES.len())];
            if house.mesh.count(role) > 0 {
                break Victim::Process(role, pick(moments, house.mesh.count(role)));
            }
        },
    }
}

/// Faults until it is enough; everything runs again afterwards. Says what was done, and how often.
pub(super) async fn by_chance(
    house: &House,
    moments: &mut Moments,
    enough: impl Fn() -> bool,
) -> BTreeMap<String, u32> {
    let (begun, mut done) = (Instant::now(), BTreeMap::new());
    while !enough() {
        let mut hit: Vec<(Victim, bool)> = Vec::new();
        // Mostly one thing at a time; now and then two or three.
        for _ in 0..1 + moments.below(5).saturating_sub(2) {
            let victim = choose(house, moments).await;
            if hit.iter().any(|(other, _)| *other == victim) {
                continue;
            }
            let frozen = moments.below(3) == 0;
            victim.hit(&house.mesh, frozen);
            hit.push((victim, frozen));
            let how = if frozen { "frozen" } else { "killed" };
            let what = match victim {
                Victim::Server(_) => "server".to_owned(),
                Victim::Process(role, _) => format!("{role:?}").to_lowercase(),
            };
            println!("{:7.1} s: {victim:?} {how}", begun.elapsed().as_secs_f64());
            *done.entry(format!("{what} {how}")).or_default() += 1;
            tokio::time::sleep(Duration::from_millis(moments.below(300))).await;
        }
        // Longer than lease and guard, or hardly noticed.
        let last = if moments.below(2) == 0 { moments.below(1_000) } else { 1_000 + moments.below(10_000) };
        tokio::time::sleep(Duration::from_millis(last)).await;
        for (victim, frozen) in hit {
            victim.heal(&house.mesh, frozen);
        }
        println!("{:7.1} s: all run; {} acknowledged", begun.elapsed().as_secs_f64(), house.acknowledged());
        tokio::time::sleep(Duration::from_millis(moments.below(4_000))).await;
    }
    done
}
