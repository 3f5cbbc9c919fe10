//! The history of a mesh in PostgreSQL, as the shipped ledgers keep it: two share it, over TLS that is verified, while the
//! database is killed, frozen and started again and both ledgers are killed under load. It catches up, nothing is missing in it,
//! and either ledger answers and acts.
//!
//! Needs the programs of all services (`cargo build`), NATS (`scripts/nats`) and PostgreSQL (`scripts/postgres`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_testkit::generate::Generator;
use barid_testkit::mesh::{Mesh, Role, Settings};
use barid_testkit::process::free_port;
use barid_testkit::receiver::{Faults, Options, Receiver};
use barid_testkit::sender::{self, Listed, Load};
use barid_testkit::servers::postgres::{self, DATABASE, Postgres, USER};
use barid_testkit::servers::{TlsFiles, nats};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;

use crate::mesh_flow::Flow;
use crate::mesh_takeover::load;
use crate::process_relay::PATIENCE;

/// Who commands, and why.
const BY: [&str; 4] = ["--actor", "amina", "--reason", "the history test"];
/// One that is told of other authorities than the database's.
const STRANGER: usize = 2;
/// How long the database stands still.
const FROZEN: Duration = Duration::from_secs(1);
/// Messages a second.
const RATE: f64 = 120.0;

/// An authority, and a certificate of its for this host.
fn authority(folder: &Path) -> TlsFiles {
    std::fs::create_dir_all(folder).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let file = |name| folder.join(name);
    let files = TlsFiles { certificate: file("crt"), key: file("key"), authorities: file("ca") };
    std::fs::write(&files.certificate, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    std::fs::write(&files.authorities, authority.pem()).unwrap();
    files
}

struct Scene {
    mesh: Mesh,
    database: Postgres,
    receiver: Receiver,
    port: u16,
}

impl Scene {
    async fn set() -> Self {
        let (receiver, port) = (Receiver::start(Options::default()).await.unwrap(), free_port().unwrap());
        let nats = nats::Settings { count: 1, file_store: 2 << 30, ..nats::Settings::default() };
        let roles = [(Role::Ingress, 1), (Role::Router, 1), (Role::Delivery, 1), (Role::Ledger, 3)];
        let replicas: BTreeMap<Role, usize> = roles.into_iter().collect();
        let documents = format!(
            "kind: Listener\nmetadata: {{name: in}}\nspec:\n  mllp: {{port: {port}, address: 127.0.0.1}}\n  \
             unknownFacility: accept\n---\nkind: Channel\nmetadata: {{name: relay}}\nspec:\n  \
             from: {{listeners: [{{name: in}}]}}\n  order: {{by: facility}}\n  \
             routes: [{{name: out, to: {{destination: out}}}}]\n---\nkind: Destination\nmetadata: {{name: out}}\nspec:\n  \
             mllp: {{endpoints: [\"{}\"], connections: 4}}\n  timeout: 5s\n  retry: {{initial: 20ms, max: 200ms}}\n",
            receiver.address()
        );
        let mut mesh = Mesh::prepare(Settings { documents, replicas, nats, partitions: 16 }).await.unwrap();
        let files = authority(&mesh.data(Role::Ledger, 0).join("tls"));
        let stranger = authority(&mesh.data(Role::Ledger, STRANGER).join("tls"));
        let tls = Some(files.clone());
        let database = Postgres::start(postgres::Settings { tls, ..postgres::Settings::default() }).await.unwrap();
        let password = files.key.with_file_name("password");
        std::fs::write(&password, USER.1).unwrap();
        let url = format!("postgres://{}@{}/{DATABASE}", USER.0, database.address());
        let told = ["--ledger", &url, "--ledger-password-file", &password.display().to_string()].map(str::to_owned);
        mesh.tell(Role::Ledger, &told);
        for number in 0..=STRANGER {
            let authorities = if number == STRANGER { &stranger.authorities } else { &files.authorities };
            mesh.tell_one(
                Role::Ledger,
                number,
                &["--ledger-authorities".to_owned(), authorities.display().to_string()],
            );
        }
        for (role, number) in
            [(Role::Ledger, 0), (Role::Ledger, 1), (Role::Delivery, 0), (Role::Router, 0), (Role::Ingress, 0)]
        {
            mesh.restart(role, number).unwrap();
        }
        mesh.ready(PATIENCE).await.unwrap();
        Self { mesh, database, receiver, port }
    }

    /// What the tool says beside a ledger; it has to end well.
    async fn told(&self, ledger: usize, arguments: &[&str]) -> String {
        let output = self.mesh.tool(ledger, arguments).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (told, wrong) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "barid {}: {}\n{told}{wrong}", arguments.join(" "), output.status);
        told
    }

    async fn rows(&self, ledger: usize, arguments: &[&str]) -> Vec<Value> {
        let told = self.told(ledger, &[&["messages", "--json", "--limit", "1000"], arguments].concat()).await;
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Messages that the database has.
    async fn stored(&self) -> u64 {
        let count = self.database.query("SELECT count(*) FROM barid.message").await;
        count.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// Puts a message into a day that is past all retention, and gives the name of the day's table.
    async fn long_ago(&self) -> String {
        let uid = |day: u64| format!("'\\x{:012x}{}'", day * 86_400_000, "0".repeat(20));
        let (day, mut sql) = (11_000, String::new());
        for table in ["message", "delivery", "step", "message_key"] {
            let name = format!("barid.{table}_day{day}");
            sql += &format!(
                "CREATE TABLE {name} (LIKE barid.{table} INCLUDING DEFAULTS);
                 ALTER TABLE barid.{table} ATTACH PARTITION {name} FOR VALUES FROM ({}) TO ({});",
                uid(day),
                uid(day + 1)
            );
        }
        sql += &format!("INSERT INTO barid.message (uid, disposition) VALUES ({}, 1)", uid(day));
        self.database.query(&format!("BEGIN; {sql}; COMMIT")).await.unwrap();
        format!("message_day{day}")
    }

    /// Waits until a table is gone.
    async fn dropped(&self, table: &str) {
        let (count, begun) = (format!("SELECT count(*) FROM pg_class WHERE relname = '{table}'"), Instant::now());
        while self.database.query(&count).await.unwrap().trim() != "0" {
            assert!(begun.elapsed() < PATIENCE, "{table} is past its retention and still there");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the history comes on.
    async fn comes_on(&self, what: &str) {
        let (from, begun) = (self.stored().await, Instant::now());
        while self.stored().await < from + 20 {
            assert!(begun.elapsed() < PATIENCE, "the history stands still after {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        println!("{what}: the history comes on after {} ms", begun.elapsed().as_millis());
    }

    /// Waits until nothing is on its way and the history has all; the balance has to hold then. A history that stands still, because the lease of who wrote it and
    /// was killed has not run out, has read one subject further than another.
    async fn settled(&self, ledger: usize) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = self.mesh.tool(ledger, &["audit", "--json"]).await.unwrap();
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            let audit: Value = serde_json::from_str(&told).unwrap();
            assert!(audit["holds"] == true || audit["behind"] != 0, "{told}");
            if audit["behind"] == 0 && audit["messages"]["waiting"] == 0 && audit["deliveries"]["inFlight"] == 0 {
                return audit;
            }
            assert!(Instant::now() < deadline, "{told}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g4_two_ledgers_share_a_history_in_postgresql_that_is_killed_and_frozen_under_load() {
    let scene = Scene::set().await;
    let load = Load { connections: 4, rate: Some(RATE), ..load(0, scene.port) };
    let flow = Flow::begin(load, 4, &scene.receiver);
    scene.mesh.restart(Role::Ledger, STRANGER).unwrap();
    scene.comes_on("the start").await;
    let day = scene.long_ago().await;
    scene.dropped(&day).await;

    scene.database.kill();
    let before = flow.ended.count();
    scene.database.restart().unwrap();
    scene.database.ready().await.unwrap();
    scene.comes_on("a killed database").await;
    assert!(flow.ended.count() > before, "senders are acknowledged without it");

    scene.database.freeze().unwrap();
    tokio::time::sleep(FROZEN).await;
    scene.database.thaw().unwrap();
    scene.comes_on("a frozen database").await;

    // Whichever of them writes is in the middle of it.
    for number in [0, 1] {
        scene.mesh.kill(Role::Ledger, number);
        scene.mesh.restart(Role::Ledger, number).unwrap();
    }
    let (_, report) = flow.stop().await;
    let words = scene.mesh.log(Role::Ledger, STRANGER);
    assert!(words.contains("certificate") && !words.contains(USER.1), "who does not know the authority: {words}");
    scene.mesh.kill(Role::Ledger, STRANGER);
    acts(&scene, report.accepted).await;
}

/// What people do, through either ledger, and what both say then.
async fn acts(scene: &Scene, accepted: u64) {
    scene.mesh.ready(PATIENCE).await.unwrap();
    let generator = Generator::new(9, "ACT");
    let refused = ["reject=AE/101@id=ACT-00000000", "reject=AE/101@id=ACT-00000001"];
    let rules = refused.iter().map(|rule| rule.parse().unwrap()).collect();
    scene.receiver.set_faults(Faults { rules, ..Faults::default() });
    let messages = (0..2).map(|number| generator.message(number).bytes);
    let one = Load { connections: 1, pipeline: 1, ..load(0, scene.port) };
    let sent = sender::run(one, Arc::new(Listed::new(messages)), None).await;
    assert_eq!(sent.accepted, 2, "{sent:?}");
    // What a history that is behind does not know cannot be chosen.
    scene.settled(1).await;
    let aside = scene.rows(1, &["--parked", "--why", "quarantined"]).await;
    assert_eq!(aside.len(), 2, "{aside:?}");
    scene.receiver.set_faults(Faults::default());
    let uid = |row: &Value| row["uid"].as_str().unwrap().to_owned();
    let (again, given_up) = (uid(&aside[0]), uid(&aside[1]));
    scene.told(0, &[&["rerun", &again][..], &BY].concat()).await;
    scene.told(1, &[&["discard", &given_up][..], &BY].concat()).await;
    for ledger in [0, 1] {
        let audit = scene.settled(ledger).await;
        let deliveries = &audit["deliveries"];
        assert_eq!(deliveries["delivered"], accepted + 1, "{audit}");
        assert_eq!(deliveries["discarded"], 1, "{audit}");
        assert_eq!(audit["messages"]["accepted"], accepted + 2, "{audit}");
        let found = scene.rows(ledger, &["--state", "discarded"]).await;
        assert_eq!(found.iter().map(&uid).collect::<Vec<_>>(), [given_up.as_str()], "ledger {ledger}");
        let found = scene.rows(ledger, &["--control-id", "H02-00000003"]).await;
        assert_eq!(found.len(), 1, "ledger {ledger} finds one by its control id: {found:?}");
        let story = scene.told(ledger, &["show", &given_up]).await;
        assert!(story.contains("by amina: the history test"), "{story}");
    }
}
