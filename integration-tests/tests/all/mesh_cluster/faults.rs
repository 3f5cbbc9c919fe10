//! What may happen to a mesh: servers and processes killed, frozen or cut off, clocks that step, for a while each, by chance from a
//! seed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use barid_testkit::mesh::{Mesh, Role};
use barid_testkit::network::Cut;
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

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Killed,
    Frozen,
    /// Cut off from all others.
    Cut(Cut),
    /// Its clock shows so many seconds more, or fewer.
    Clock(i64),
}

impl How {
    fn words(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Frozen => "frozen",
            Self::Cut(Cut::Whole) => "cut off",
            Self::Cut(Cut::Mute) => "mute",
            Self::Cut(Cut::Deaf) => "deaf",
            Self::Clock(_) => "clock stepped",
        }
    }
}

impl Victim {
    pub(super) fn hit(self, house: &House, how: How) {
        let mesh = &house.mesh;
        match (self, how) {
            (Self::Server(number), How::Frozen) => mesh.nats.freeze(number).unwrap(),
            (Self::Server(number), How::Killed) => mesh.nats.kill(number),
            (Self::Process(role, number), How::Frozen) => mesh.freeze(role, number, true).unwrap(),
            (Self::Process(role, number), How::Killed) => mesh.kill(role, number),
            (_, How::Cut(how)) => house.ground().cut(self, how),
            (_, How::Clock(seconds)) => house.ground().step(self, seconds),
        }
    }

    pub(super) fn heal(self, house: &House, how: How) {
        let mesh = &house.mesh;
        match (self, how) {
            (Self::Server(number), How::Frozen) => mesh.nats.thaw(number).unwrap(),
            (Self::Server(number), How::Killed) => mesh.nats.restart(number).unwrap(),
            (Self::Process(role, number), How::Frozen) => mesh.freeze(role, number, false).unwrap(),
            (Self::Process(role, number), How::Killed) => mesh.restart(role, number).unwrap(),
            (_, How::Cut(how)) => house.ground().join(self, how),
            (_, How::Clock(_)) => house.ground().step(self, 0),
        }
    }
}

/// What may happen to it in this house.
fn way(house: &House, victim: Victim, moments: &mut Moments) -> How {
    let ways = match (house.has_ground(), victim) {
        (false, _) => 3,
        (true, Victim::Server(_)) => 6,
        (true, Victim::Process(..)) => 7,
    };
    match moments.below(ways) {
        0 | 1 => How::Killed,
        2 => How::Frozen,
        3 => How::Cut(Cut::Whole),
        4 => How::Cut(Cut::Mute),
        5 => How::Cut(Cut::Deaf),
        // Up to half a day on either side.
        _ => How::Clock(i64::try_from(moments.below(86_400)).unwrap() - 43_200),
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
    mut seen: impl FnMut(&House),
) -> BTreeMap<String, u32> {
    let (begun, mut done) = (Instant::now(), BTreeMap::new());
    while !enough() {
        let mut hit: Vec<(Victim, How)> = Vec::new();
        // Mostly one thing at a time; now and then two or three.
        for _ in 0..1 + moments.below(5).saturating_sub(2) {
            let victim = choose(house, moments).await;
            if hit.iter().any(|(other, _)| *other == victim) {
                continue;
            }
            let how = way(house, victim, moments);
            victim.hit(house, how);
            hit.push((victim, how));
            let what = match victim {
                Victim::Server(_) => "server".to_owned(),
                Victim::Process(role, _) => format!("{role:?}").to_lowercase(),
            };
            println!("{:7.1} s: {victim:?} {how:?}", begun.elapsed().as_secs_f64());
            *done.entry(format!("{what} {}", how.words())).or_default() += 1;
            tokio::time::sleep(Duration::from_millis(moments.below(300))).await;
        }
        // Longer than lease and guard, or hardly noticed.
        let last = if moments.below(2) == 0 { moments.below(1_000) } else { 1_000 + moments.below(10_000) };
        tokio::time::sleep(Duration::from_millis(last)).await;
        for (victim, how) in hit {
            victim.heal(house, how);
        }
        seen(house);
        println!("{:7.1} s: all run; {} acknowledged", begun.elapsed().as_secs_f64(), house.acknowledged());
        tokio::time::sleep(Duration::from_millis(moments.below(4_000))).await;
    }
    done
}
