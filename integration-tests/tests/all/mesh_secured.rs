//! The whole mesh encrypted: mutual TLS between services, a user a service at NATS with the least subjects, and a change of
//! authority, certificates and keys while messages flow.
//!
//! What each user may do is tested with the log itself (`crates/log-nats/tests/one/users.rs`); here it is enough for the work of
//! every service. Needs the programs of all services (`cargo build`) and NATS (`scripts/nats`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_log_nats::accounts;
use barid_replica::LogOptions;
use barid_rpc::control::{Command, Direct, NotTold};
use barid_rpc::{Credentials, Tls};
use barid_testkit::generate::Generator;
use barid_testkit::mesh::{Mesh, Role, Secured, Settings};
use barid_testkit::process::free_port;
use barid_testkit::sender::{self, Listed, Load};
use barid_testkit::servers::nats;
use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa};

use crate::mesh_flow::Flow;
use crate::mesh_takeover::{documents, http, load};
use crate::process_relay::PATIENCE;

const PARTITIONS: u32 = 16;
/// The installation that services serve where they are not told another.
const INSTALLATION: &str = "barid";
/// Bytes that streams may take at a server.
const STORAGE: u64 = 2 << 30;
/// Who has a certificate.
const NAMES: [&str; 8] =
    ["nats", "publisher", "parser-validator", "transformer", "ledger", "delivery", "router", "ingress"];
/// How long a call of the test may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Who signs certificates.
struct Authority(CertifiedIssuer<'static, rcgen::KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap())
    }

    /// Gives each service a certificate and key.
    fn sign(&self, folder: &Path) {
        for name in NAMES {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
            let certificate = params.signed_by(&key, &self.0).unwrap();
            // Whoever reads between the two finds a pair that does not fit, and keeps what it has.
            replace(&folder.join(format!("{name}.pem")), &certificate.pem());
            replace(&folder.join(format!("{name}.key")), &key.serialize_pem());
        }
    }
}

fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// All services and servers believe these, from now on.
fn believe(folder: &Path, authorities: &[&Authority]) {
    let text: String = authorities.iter().map(|authority| authority.0.pem()).collect();
    replace(&folder.join("authority.pem"), &text);
}

fn tls(folder: &Path, name: &str) -> Arc<Tls> {
    let file = |ending: &str| folder.join(format!("{name}.{ending}"));
    let files = Credentials { certificate: file("pem"), key: file("key"), authorities: folder.join("authority.pem") };
    Tls::load(files).unwrap()
}

/// Users with their seeds, and the servers' configuration of what each may do.
fn users(folder: &Path) -> String {
    let pairs: Vec<_> = barid_log_nats::Role::ALL.into_iter().map(|role| (role, KeyPair::new_user())).collect();
    for (role, pair) in &pairs {
        std::fs::write(folder.join(format!("{}.seed", role.name())), pair.seed().unwrap()).unwrap();
    }
    let named: Vec<_> = pairs.iter().map(|(role, pair)| (*role, pair.public_key())).collect();
    accounts(INSTALLATION, &named).unwrap()
}

/// Streams are made by a user that no service has, as a service would make them.
async fn make_streams(servers: Vec<String>, folder: &Path) {
    let file = |name: &str| Some(folder.join(name));
    let options = LogOptions {
        nats: servers,
        nats_seed: file("setup.seed"),
        nats_system_seed: file("system.seed"),
        nats_system: Vec::new(),
        nats_authorities: file("authority.pem"),
        nats_certificate: file("publisher.pem"),
        nats_key: file("publisher.key"),
        installation: INSTALLATION.to_owned(),
        partitions: PARTITIONS,
        nats_replicas: 1,
        nats_storage: STORAGE / 10 * 7,
        nats_unproven: false,
    };
    drop(options.open().await.unwrap());
}

struct House {
    mesh: Mesh,
    folder: tempfile::TempDir,
}

impl House {
    async fn build(documents: String, authority: &Authority, replicas: &[(Role, usize)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_owned();
        authority.sign(&place);
        believe(&place, &[authority]);
        let file = |name: &str| -> PathBuf { place.join(name) };
        let nats = nats::Settings {
            count: 1,
            file_store: STORAGE,
            accounts: Some(users(&place)),
            tls: Some(nats::TlsFiles {
                certificate: file("nats.pem"),
                key: file("nats.key"),
                authorities: file("authority.pem"),
            }),
            ..nats::Settings::default()
        };
        let replicas: BTreeMap<Role, usize> = replicas.iter().copied().collect();
        let settings = Settings { documents, replicas: replicas.clone(), nats, partitions: PARTITIONS };
        let mesh = Mesh::prepare_secured(settings, &Secured(place.clone())).await.unwrap();
        make_streams(mesh.nats.addresses(), &place).await;
        for (role, count) in replicas {
            (0..count).for_each(|number| mesh.restart(role, number).unwrap());
        }
        mesh.ready(PATIENCE).await.unwrap();
        Self { mesh, folder }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether a router answers who shows this.
    async fn answers(&self, tls: Option<Arc<Tls>>) -> Result<(), NotTold> {
        let address = self.mesh.calls(Role::Router, 0).unwrap().to_string();
        Direct::new(tls).run(&address, Command::Replica, None, bytes::Bytes::new(), WITHIN).await.map(drop)
    }

    /// Ends a replica in good order and starts it again: all its connections are new.
    async fn again(&self, role: Role) {
        self.mesh.stop(role, 0, PATIENCE).await.unwrap();
        self.mesh.restart(role, 0).unwrap();
        self.mesh.ready(PATIENCE).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_an_encrypted_mesh_changes_authority_certificates_and_keys_while_messages_flow() {
    let (before, after) = (Authority::new(), Authority::new());
    let out = http().await;
    let port = free_port().unwrap();
    // Two of the stages: one is there while the other is started again.
    let replicas = Role::ALL.map(|role| (role, if matches!(role, Role::Parser | Role::Transformer) { 2 } else { 1 }));
    let house = House::build(documents(port, &[("out", &out)]), &before, &replicas).await;
    let (mesh, folder) = (&house.mesh, house.folder());
    let of_before = tls(folder, "ledger");
    assert_eq!(house.answers(Some(Arc::clone(&of_before))).await, Ok(()), "a service of the mesh is let in");
    assert!(matches!(house.answers(None).await, Err(NotTold::Unreached(_) | NotTold::Refused(_))), "without TLS");
    let strangers = tempfile::tempdir().unwrap();
    after.sign(strangers.path());
    believe(strangers.path(), &[&before]);
    let stranger = tls(strangers.path(), "ledger");
    assert!(house.answers(Some(stranger)).await.is_err(), "another authority's certificate, until it is believed");

    let flow = Flow::begin(Load { rate: Some(60.0), ..load(0, port) }, 8, &out);
    flow.passes(50).await;
    // First both are believed, then all have new certificates, then the old authority is not believed any more.
    believe(folder, &[&before, &after]);
    mesh.nats.reload(0).unwrap();
    after.sign(folder);
    mesh.nats.reload(0).unwrap();
    flow.passes(50).await;
    // New connections between old processes and a new one: whoever calls it, or is called by it, shows its new certificate.
    for role in [Role::Parser, Role::Transformer, Role::Delivery] {
        house.again(role).await;
        flow.passes(20).await;
    }
    believe(folder, &[&after]);
    mesh.nats.reload(0).unwrap();
    for role in [Role::Router, Role::Parser] {
        house.again(role).await;
        flow.passes(20).await;
    }
    mesh.publish(false).unwrap();
    mesh.publish(true).unwrap();
    flow.passes(50).await;
    flow.end().await;
    only_the_new_is_believed(&house, port, &before, &after).await;
}

/// Every connection to the servers anew, with certificates of the new authority alone.
async fn only_the_new_is_believed(house: &House, port: u16, before: &Authority, after: &Authority) {
    let (mesh, folder) = (&house.mesh, house.folder());
    mesh.nats.kill(0);
    mesh.nats.restart(0).unwrap();
    mesh.nats.ready().await.unwrap();
    mesh.ready(PATIENCE).await.unwrap();
    let more = Generator::new(9, "H09");
    let messages = (0..8).map(|number| more.message(number).bytes);
    let report = sender::run(load(0, port), Arc::new(Listed::new(messages)), None).await;
    assert_eq!(report.accepted, 8, "{report:?}");
    let begun = Instant::now();
    while let Err(error) = house.answers(Some(tls(folder, "ledger"))).await {
        // Its log may be found again in this moment.
        assert!(begun.elapsed() < PATIENCE, "the new certificate is not let in: {error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let old = tempfile::tempdir().unwrap();
    before.sign(old.path());
    believe(old.path(), &[after]);
    assert!(house.answers(Some(tls(old.path(), "ledger"))).await.is_err(), "the old one is not any more");
    for role in [Role::Ingress, Role::Ledger] {
        let reloaded = mesh.log(role, 0).contains("certificate reloaded");
        assert!(reloaded, "{role:?} was never started again and uses its new certificate");
    }
    // People's way in, from the tool over the ledger to a router, is encrypted as well.
    let message = folder.join("message.hl7");
    std::fs::write(&message, Generator::new(7, "CHN").message(1).bytes).unwrap();
    let tried = ["try", "relay", "--routed", "--message", message.to_str().unwrap()];
    let output = mesh.tool(0, &tried).await.unwrap();
    let (told, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}{wrong}");
    assert!(told.contains("would be written to out.default.out."), "{told}");
}
