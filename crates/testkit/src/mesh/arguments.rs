//! What the processes of a mesh are told: where they listen, where the servers and the other services are.

use std::collections::BTreeMap;
use std::net::{IpAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use super::Role;
use crate::servers::nats::{NatsServers, SYSTEM, USER};

/// How often what has had its time is removed from the log: tests have no minute.
const TRIM_EVERY: &str = "1s";

/// The first of the ports that replicas are given, below those that systems give by themselves.
const FIRST_PORT: u16 = 12_000;
/// How many there are.
const PORTS: u32 = 18_000;

/// A port that is free and that the system gives to nobody who asks for any: a replica that is started again finds it.
pub(crate) fn fixed_port() -> std::io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % PORTS).unwrap_or(0);
    for _ in 0..PORTS {
        let next = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % u16::try_from(PORTS).unwrap_or(1);
        let port = FIRST_PORT + next;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(std::io::ErrorKind::AddrNotAvailable.into())
}

/// What every replica is told; with users and passwords where these are what servers know users by.
pub(super) fn common(nats: &NatsServers, partitions: u32, storage: u64, passwords: bool) -> Vec<String> {
    let as_user = |(user, password): (&str, &str)| {
        let with = |address: String| address.replace("nats://", &format!("nats://{user}:{password}@"));
        nats.addresses().into_iter().map(with).collect::<Vec<_>>().join(",")
    };
    let copies = if nats.count() >= 3 { "3" } else { "1" };
    let mut pairs = vec![
        ("--nats-replicas", copies.to_owned()),
        ("--nats-storage", format!("{}", storage / 10 * 7)),
        ("--partitions", partitions.to_string()),
    ];
    if passwords {
        pairs.extend([("--nats", as_user(USER)), ("--nats-system", as_user(SYSTEM))]);
    } else {
        pairs.push(("--nats", nats.addresses().join(",")));
    }
    pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
}

/// What a replica of one service is told besides.
pub(super) fn of_role(role: Role, listener: IpAddr, calls: &BTreeMap<Role, Vec<String>>) -> Vec<String> {
    let stage = |flag: &str, role| {
        calls.get(&role).map_or_else(Vec::new, |targets: &Vec<String>| vec![flag.to_owned(), targets.join(",")])
    };
    match role {
        Role::Ingress => {
            let mut own = stage("--parsers", Role::Parser);
            own.extend(["--bind".to_owned(), listener.to_string()]);
            own
        }
        Role::Router => stage("--transformers", Role::Transformer),
        Role::Ledger => vec!["--trim-every".to_owned(), TRIM_EVERY.to_owned()],
        Role::Parser | Role::Transformer | Role::Delivery => Vec::new(),
    }
}
