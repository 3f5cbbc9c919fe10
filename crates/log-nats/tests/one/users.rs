//! TLS and NKEY users with the least rights, on a real server: each service can work, and can do nothing of the others'.

use std::path::PathBuf;
use std::time::Duration;

use barid_log::{Key, Log, LogError, Position, ReadLimit, Revision, Subject};
use barid_log_nats::{Connect, NatsLog, Options, Role, Sizes, accounts, inbox};
use barid_testkit::servers::nats::{NatsServers, Settings, TlsFiles};
use bytes::Bytes;
use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa};
use tempfile::TempDir;

use crate::support::{open, until};

const INSTALLATION: &str = "least";

struct Authority(CertifiedIssuer<'static, rcgen::KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes a certificate from this authority, and the authority itself as the one to believe.
    fn write(&self, files: &TlsFiles) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.0).unwrap();
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        std::fs::write(&files.authorities, self.0.pem()).unwrap();
    }
}

fn files(folder: &TempDir, name: &str) -> TlsFiles {
    let file = |kind: &str| -> PathBuf { folder.path().join(format!("{name}.{kind}")) };
    TlsFiles { certificate: file("crt"), key: file("key"), authorities: file("ca") }
}

/// A server with TLS and one user a role.
struct Place {
    servers: NatsServers,
    users: Vec<(Role, KeyPair)>,
    server: TlsFiles,
    client: TlsFiles,
    _folder: TempDir,
}

impl Place {
    async fn new(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (server, client) = (files(&folder, "server"), files(&folder, "client"));
        authority.write(&server);
        authority.write(&client);
        let users: Vec<_> = Role::ALL.into_iter().map(|role| (role, KeyPair::new_user())).collect();
        let named: Vec<_> = users.iter().map(|(role, pair)| (*role, pair.public_key())).collect();
        let settings = Settings {
            count: 1,
            file_store: 20 << 30,
            accounts: accounts(INSTALLATION, &named),
            tls: Some(server.clone()),
            ..Settings::default()
        };
        let servers = NatsServers::start(settings).await.unwrap();
        Self { servers, users, server, client, _folder: folder }
    }

    fn pair(&self, role: Role) -> &KeyPair {
        &self.users.iter().find(|(of, _)| *of == role).unwrap().1
    }

    fn connect(&self, role: Role) -> Connect {
        Connect {
            nkey_seed: Some(self.pair(role).seed().unwrap()),
            authorities: Some(self.client.authorities.clone()),
            certificate: Some((self.client.certificate.clone(), self.client.key.clone())),
            require_tls: true,
            ..Connect::to(self.servers.addresses())
        }
    }

    fn options(&self, role: Role) -> Options {
        Options {
            system: Some(self.connect(Role::System)),
            replicas: 1,
            sizes: Sizes::each(64 << 20),
            answer_within: Duration::from_secs(4),
            trim_every: Duration::from_millis(100),
            look_every: Duration::from_millis(100),
            ..Options::new(self.connect(role), INSTALLATION, 16, "sha256")
        }
    }

    async fn log(&self, role: Role) -> NatsLog {
        open(&self.options(role)).await
    }

    /// The client alone, as one who took the seed would use it.
    async fn client(&self, role: Role) -> async_nats::Client {
        async_nats::ConnectOptions::new()
            .nkey(self.pair(role).seed().unwrap())
            .add_root_certificates(self.client.authorities.clone())
            .add_client_certificate(self.client.certificate.clone(), self.client.key.clone())
            .custom_inbox_prefix(inbox(&self.pair(role).public_key()))
            .request_timeout(Some(Duration::from_millis(700)))
            .connect(self.servers.addresses())
            .await
            .unwrap()
    }
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

async fn append(log: &NatsLog, name: &str, record: Bytes) -> Result<Position, LogError> {
    let last = log.last(&subject(name)).await?.map_or(Position::START, |entry| entry.position);
    log.append(&subject(name), last, vec![record]).await?.await
}

async fn read(log: &NatsLog, name: &str) -> Vec<Bytes> {
    let batch = log.read(&subject(name), Position(1), ReadLimit::default()).await.unwrap();
    assert!(batch.damaged.is_empty(), "{name}: {:?}", batch.damaged);
    batch.entries.into_iter().map(|entry| entry.record).collect()
}

/// What each service may not append.
async fn refused_to_write(place: &Place, small: &Bytes) {
    let others: [(Role, &[&str]); 4] = [
        (Role::Router, &["in.in.03", "in.in.05", "in.refused", "park.park.registry", "objects.in.03.x-0"]),
        (Role::Ingress, &["out.out.registry.03", "out.routed.03", "outcome.outcome.registry", "park.park.registry"]),
        (Role::Ledger, &["out.out.registry.03", "out.routed.03", "park.park.registry", "outcome.outcome.registry"]),
        (Role::Stage, &["in.in.03", "out.out.registry.03", "outcome.outcome.registry"]),
    ];
    for (role, addresses) in others {
        let client = place.client(role).await;
        let mut forbidden: Vec<String> = addresses.iter().map(|address| format!("barid.least.{address}")).collect();
        forbidden.push("$KV.barid-least.!identity".to_owned());
        if role == Role::Stage {
            forbidden.push("$KV.barid-least.commit.router.03".to_owned());
        }
        // Nobody answers what is refused: all at once, since each is waited for.
        let asked = forbidden.iter().map(|address| client.request(address.clone(), small.clone()));
        for (address, answer) in forbidden.iter().zip(futures_util::future::join_all(asked).await) {
            assert!(answer.is_err(), "{role:?} wrote to {address}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_service_can_do_its_work_and_nothing_of_the_others() {
    let place = Place::new(&Authority::new()).await;
    let setup = place.log(Role::Setup).await;
    let (small, large) = (Bytes::from_static(b"small"), Bytes::from(vec![5; 600_000]));
    let ingress = place.log(Role::Ingress).await;
    assert!(ingress.status().durable, "{:?}", ingress.status().proof);
    for record in [&small, &large] {
        append(&ingress, "in.03", record.clone()).await.unwrap();
    }
    append(&ingress, "refused", small.clone()).await.unwrap();

    let router = place.log(Role::Router).await;
    assert_eq!(read(&router, "in.03").await, [small.clone(), large.clone()]);
    for name in ["out.registry.03", "routed.03", "in.03.chained", "outcome.registry"] {
        append(&router, name, large.clone()).await.unwrap();
        append(&router, name, small.clone()).await.unwrap();
    }
    let commit = Key::new("commit.router.03").unwrap();
    let revision = router.put(&commit, Revision::NONE, small.clone()).await.unwrap();

    let delivery = place.log(Role::Delivery).await;
    let mut changed = delivery.changed(&subject("out.registry.03"));
    changed.wait_for(|end| *end == Position(2)).await.unwrap();
    assert_eq!(read(&delivery, "out.registry.03").await, [large.clone(), small.clone()]);
    append(&delivery, "park.registry", large.clone()).await.unwrap();
    append(&delivery, "outcome.registry", small.clone()).await.unwrap();
    append(&delivery, "park.registry", small.clone()).await.unwrap();
    delivery.trim(&subject("park.registry"), Position(2)).await.unwrap();
    assert_eq!(delivery.get(&commit).await.unwrap(), Some((revision, small.clone())));
    assert_eq!(delivery.keys("commit.").await.unwrap(), [commit]);

    let ledger = place.log(Role::Ledger).await;
    assert!(read(&ledger, "park.registry").await.ends_with(std::slice::from_ref(&small)));
    assert_eq!(read(&ledger, "outcome.registry").await.len(), 3);
    for name in ["in.03", "out.registry.03", "outcome.registry"] {
        ledger.trim(&subject(name), Position(2)).await.unwrap();
    }
    assert_eq!(ledger.subjects("in.").await.unwrap(), [subject("in.03"), subject("in.03.chained")]);
    // What people order, and what they have made again.
    append(&ledger, "command", small.clone()).await.unwrap();
    append(&ledger, "in.03", large.clone()).await.unwrap();
    let gone = async || {
        let first = async |name: &str| setup.bounds(&subject(name)).await.unwrap().first;
        first("in.03").await == Position(2)
            && first("out.registry.03").await == Position(2)
            && first("outcome.registry").await == Position(2)
            && first("park.registry").await == Position(2)
    };
    until("trimmed by those who may", Duration::from_secs(10), gone).await;

    // Somebody has the seed of a service.
    let intake = setup.bounds(&subject("in.03")).await.unwrap();
    refused_to_write(&place, &small).await;
    let client = place.client(Role::Delivery).await;
    for address in
        ["barid.least.in.in.03", "barid.least.in.in.04", "barid.least.out.out.registry.03", "$KV.barid-least.!identity"]
    {
        assert!(client.request(address, small.clone()).await.is_err(), "delivery appended to {address}");
    }
    for request in ["STREAM.PURGE.barid-least-in", "STREAM.DELETE.barid-least-in", "STREAM.UPDATE.barid-least-out"] {
        let address = format!("$JS.API.{request}");
        assert!(client.request(address, "".into()).await.is_err(), "delivery may {request}");
    }
    let client = place.client(Role::Ingress).await;
    let get = r#"{"seq":1,"next_by_subj":">"}"#;
    let large_out = "DIRECT.GET.barid-least-objects.barid.least.objects.out.registry.03.x-0";
    for request in
        ["DIRECT.GET.barid-least-out", "STREAM.MSG.GET.barid-least-out", "DIRECT.GET.barid-least-objects", large_out]
    {
        let address = format!("$JS.API.{request}");
        assert!(client.request(address, get.into()).await.is_err(), "ingress may {request}");
    }
    let allowed = client.request("$JS.API.DIRECT.GET.barid-least-in", get.into()).await;
    assert!(allowed.is_ok(), "what it may read is answered, so silence above was a refusal");
    let out = ingress.read(&subject("out.registry.03"), Position(1), ReadLimit::default()).await;
    assert!(matches!(out, Err(LogError::Busy(_))), "{out:?}");
    assert_eq!(setup.bounds(&subject("in.03")).await.unwrap(), intake, "nothing was added");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_checked_and_changed_ones_are_taken_without_a_restart() {
    let before = Authority::new();
    let place = Place::new(&before).await;
    let log = place.log(Role::Setup).await;
    append(&log, "in.03", Bytes::from_static(b"one")).await.unwrap();

    // Who has no certificate, or believes in another authority, is not let in and does not let the server in.
    let mut without = place.options(Role::Setup);
    without.connect.certificate = None;
    assert!(NatsLog::open(without).await.is_err());
    let folder = tempfile::tempdir().unwrap();
    let strange = files(&folder, "client");
    Authority::new().write(&strange);
    let mut other = place.options(Role::Setup);
    other.connect.authorities = Some(strange.authorities.clone());
    assert!(NatsLog::open(other).await.is_err());

    // Everything is changed, the authority too; the server starts anew, the log only connects anew.
    let after = Authority::new();
    after.write(&place.server);
    after.write(&place.client);
    place.servers.kill(0);
    place.servers.restart(0).unwrap();
    place.servers.ready().await.unwrap();
    until("connected", Duration::from_secs(20), async || log.status().connected).await;
    let taken = async || append(&log, "in.03", Bytes::from_static(b"two")).await.is_ok();
    until("taken", Duration::from_secs(30), taken).await;
    assert!(read(&log, "in.03").await.len() >= 2);
}
