//! Two listeners that share rates and figures over a real Redis, with TLS and a password; it is killed, started again with
//! nothing and frozen while messages come, and nothing of what is clinical notices.
//!
//! Needs the programs of all services (`cargo build`), NATS (`scripts/nats`) and Redis (`scripts/redis`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use barid_testkit::generate::Generator;
use barid_testkit::mesh::{Mesh, Places, Role, Settings};
use barid_testkit::process::free_port;
use barid_testkit::sender::{self, Listed, Load, Report};
use barid_testkit::servers::redis::{PASSWORD, Redis, Settings as RedisSettings};
use barid_testkit::servers::{Place, TlsFiles, nats};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::mesh_takeover::{documents, http, load, until};
use crate::process_relay::PATIENCE;

const ALL: [(Role, usize); 4] = [(Role::Ledger, 1), (Role::Delivery, 1), (Role::Router, 1), (Role::Ingress, 2)];
/// What the facility may send: so many a second, and as many at once.
const RATE: u64 = 20;
/// How long it sends as fast as it is answered.
const SENDING: Duration = Duration::from_secs(4);
/// Messages of the other facility to each listener while Redis is killed and frozen.
const EACH: u64 = 600;

fn certificates(folder: &Path) -> TlsFiles {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    TlsFiles {
        certificate: write("crt", own.pem()),
        key: write("key", key.serialize_pem()),
        authorities: write("ca", authority.pem()),
    }
}

/// A mesh whose listeners know of this Redis.
async fn mesh(documents: String, redis: &Redis, folder: &Path, files: &TlsFiles) -> Mesh {
    std::fs::write(folder.join("password"), PASSWORD).unwrap();
    let told = [
        "env".to_owned(),
        format!("BARID_REDIS=rediss://default@{}/0", redis.address()),
        format!("BARID_REDIS_PASSWORD_FILE={}", folder.join("password").display()),
        format!("BARID_REDIS_AUTHORITIES={}", files.authorities.display()),
    ];
    let place = Place { address: Ipv4Addr::LOCALHOST, around: told.to_vec() };
    let replicas = (0..2).map(|number| ((Role::Ingress, number), place.clone())).collect();
    let places = Places { replicas, ..Places::default() };
    let nats = nats::Settings { count: 1, file_store: 2 << 30, ..nats::Settings::default() };
    let replicas: BTreeMap<Role, usize> = ALL.into_iter().collect();
    let mesh = Mesh::prepare_at(Settings { documents, replicas, nats, partitions: 16 }, &places).await.unwrap();
    for (role, count) in ALL {
        (0..count).for_each(|number| mesh.restart(role, number).unwrap());
    }
    mesh.ready(PATIENCE).await.unwrap();
    mesh
}

/// Messages of a facility, every second one, to one of the listeners.
fn half(facility: &str, ingress: u64, count: u64) -> Arc<Listed> {
    let generator = Generator::new(7, facility);
    Arc::new(Listed::new((0..count).map(|n| generator.message(2 * n + ingress).bytes).collect::<Vec<_>>()))
}

fn send(load: Load, messages: Arc<Listed>) -> JoinHandle<Report> {
    tokio::spawn(sender::run(load, messages, None))
}

async fn metric(mesh: &Mesh, ingress: usize, name: &str) -> f64 {
    let (_, text) = mesh.ask(Role::Ingress, ingress, "/metrics").await.unwrap();
    let value = |line: &str| line.split(' ').nth(1).and_then(|value| value.parse::<f64>().ok());
    text.lines().filter(|line| line.starts_with(name)).filter_map(value).sum()
}

/// Waits until both listeners say whether Redis is there, and that they are ready.
async fn seen(mesh: &Mesh, connected: f64) {
    let begun = Instant::now();
    for ingress in 0..2 {
        while metric(mesh, ingress, "barid_redis_connected").await != connected {
            assert!(begun.elapsed() < PATIENCE, "listener {ingress} does not say {connected}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(mesh.ask(Role::Ingress, ingress, "/readyz").await.unwrap().0, 200);
    }
}

async fn status(mesh: &Mesh) -> Value {
    let output = mesh.tool(0, &["status", "--json"]).await.unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_listeners_give_one_rate_and_a_redis_that_is_killed_or_frozen_is_missed_by_no_message() {
    let folder = tempfile::TempDir::new().unwrap();
    let files = certificates(folder.path());
    let settings = RedisSettings { tls: Some(files.clone()), durable: false, ..RedisSettings::default() };
    let (redis, receiver, port) = (Redis::start(settings).await.unwrap(), http().await, free_port().unwrap());
    let text = documents(port, &[("one", &receiver)])
        + &format!(
            "---\nkind: Facility\nmetadata: {{name: chn}}\nspec:\n  identities: [{{msh: {{sendingFacility: CHN}}}}]\n  \
             limits: {{messagesPerSecond: {RATE}, burst: {RATE}}}\n"
        );
    let mesh = mesh(text, &redis, folder.path(), &files).await;
    seen(&mesh, 1.0).await;

    let loads: Vec<Load> = (0..2).map(|n| Load { connections: 4, pipeline: 1, ..load(n, port) }).collect();
    let begun = Instant::now();
    let sending: Vec<_> = loads.iter().zip(0..).map(|(load, n)| send(load.clone(), half("CHN", n, 2_000))).collect();
    tokio::time::sleep(SENDING).await;
    loads.iter().for_each(|load| load.stop.store(true, Ordering::Relaxed));
    let mut accepted = 0;
    for sending in sending {
        let report = sending.await.unwrap();
        assert!(report.codes.keys().all(|code| code.ends_with('A')), "{:?}", report.codes);
        accepted += report.accepted;
    }
    // Each by itself would give twice as many.
    let fair = RATE + RATE * begun.elapsed().as_millis() as u64 / 1_000;
    println!("{accepted} accepted, {fair} are fair");
    assert!(accepted <= fair + RATE, "{accepted} of {fair}");
    assert!(accepted * 2 >= fair, "{accepted} of {fair}");
    assert!(metric(&mesh, 0, "barid_ingress_held_total").await > 0.0);

    let begun = Instant::now();
    let live = loop {
        let live = status(&mesh).await["live"].clone();
        if live["accepted"] == accepted || begun.elapsed() > Duration::from_secs(10) {
            break live;
        }
    };
    assert_eq!((&live["shared"], &live["accepted"]), (&true.into(), &accepted.into()), "{live}");
    assert_eq!(live["senders"][0]["facility"], "default/chn", "{live}");
    let keys = redis.ask(&["KEYS", "*"]).await.unwrap();
    assert!(!keys.is_empty() && !keys.to_lowercase().contains("chn"), "{keys}");

    let loads = (0..2).map(|n| Load { rate: Some(75.0), ..load(n, port) });
    let sending: Vec<_> = loads.zip(0..).map(|(load, n)| send(load, half("LAB", n, EACH))).collect();
    redis.kill();
    seen(&mesh, 0.0).await;
    let away = status(&mesh).await["live"].clone();
    assert_eq!(away["shared"], false, "{away}");
    assert!(away["away"].as_str().unwrap().contains("rediss://"), "{away}");
    redis.restart().unwrap();
    seen(&mesh, 1.0).await;
    redis.freeze().unwrap();
    seen(&mesh, 0.0).await;
    redis.thaw().unwrap();
    seen(&mesh, 1.0).await;
    redis.kill();
    for sending in sending {
        let report = sending.await.unwrap();
        println!("{} accepted, {:?} at most", report.accepted, report.latencies.max());
        assert_eq!((report.accepted, report.resent), (EACH, 0), "{report:?}");
    }
    until("all delivered", PATIENCE, || receiver.count() >= accepted + 2 * EACH).await;
    let arrived = receiver.received();
    let distinct: BTreeSet<_> = arrived.iter().map(|received| received.control_id.clone()).collect();
    assert_eq!((arrived.len() as u64, distinct.len()), (accepted + 2 * EACH, arrived.len()));
    assert_eq!(mesh.log(Role::Ingress, 0).matches("Redis is away").count(), 3, "one line each time");
}
