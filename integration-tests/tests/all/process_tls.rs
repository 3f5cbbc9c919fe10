//! MLLP over TLS, spoken with `openssl s_client`: who is let in, for whom a certificate speaks, and certificates that
//! change while a connection is open.
//!
//! `-quiet` makes it a plain pipe: no commands in what is typed, no end when its input ends. Its input stays open for as
//! long as the client lives, since it would say good-bye otherwise.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use barid_testkit::process::Running;
use barid_testkit::receiver::{Options, Receiver};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::process_relay::{PATIENCE, Relay, distinct};

/// The name in the engine's certificate.
const SERVER: &str = "barid.example.mr";

/// A certificate authority, with a folder for what it signs.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    fn new(relay: &Relay, name: &str) -> Self {
        let folder = relay.home.data().with_file_name(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.join("ca.crt"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// Signs a certificate for a name: `NAME.crt` and `NAME.key` in its folder, without the endings.
    fn sign(&self, name: &str) -> PathBuf {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        std::fs::write(self.folder.join(format!("{name}.crt")), params.signed_by(&key, &self.issuer).unwrap().pem())
            .unwrap();
        std::fs::write(self.folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        self.folder.join(name)
    }

    /// Puts a certificate of its own and itself where the engine reads them; each file is there whole or not at all.
    fn install(&self, relay: &Relay) {
        let pair = self.sign(SERVER).into_os_string().into_string().unwrap();
        let secret = relay.home.documents().join("secrets/default/ingress");
        std::fs::create_dir_all(&secret).unwrap();
        let authority = self.folder.join("ca.crt");
        for (from, to) in [
            (Path::new(&format!("{pair}.crt")), "tls.crt"),
            (Path::new(&format!("{pair}.key")), "tls.key"),
            (&authority, "ca.crt"),
        ] {
            std::fs::copy(from, secret.join("new")).unwrap();
            std::fs::rename(secret.join("new"), secret.join(to)).unwrap();
        }
    }
}

/// A relay whose listener speaks TLS, with what else its Listener says, and more documents.
async fn secured(receiver: &Receiver, listener: &str, documents: &str) -> (Relay, Authority) {
    let relay = Relay::mllp(receiver);
    let authority = Authority::new(&relay, "authority");
    authority.install(&relay);
    let path = relay.home.documents().join("relay.yaml");
    let text = std::fs::read_to_string(&path).unwrap().replacen("  unknownFacility: accept\n", listener, 1) + documents;
    std::fs::write(&path, text).unwrap();
    let checked = relay.home.tool(&["check", &relay.home.documents().to_string_lossy()]).await.unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    (relay, authority)
}

/// A running `openssl s_client`.
struct Client {
    process: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Client {
    /// Connects; it believes this authority only, and shows a certificate where it has one.
    fn connect(relay: &Relay, authority: &Authority, certificate: Option<&Path>) -> Self {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-verify_return_error", "-verify_hostname", SERVER, "-servername", SERVER]);
        command.args(["-connect", &format!("127.0.0.1:{}", relay.port), "-no-CAstore", "-no-CApath", "-CAfile"]);
        command.arg(authority.folder.join("ca.crt"));
        if let Some(pair) = certificate {
            command.arg("-cert").arg(format!("{}.crt", pair.display()));
            command.arg("-key").arg(format!("{}.key", pair.display()));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, input, output }
    }

    /// Sends a message and gives its answer.
    async fn ask(&mut self, message: &str) -> String {
        self.send(message).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\x1c\r") {
            let read = tokio::time::timeout(PATIENCE, self.output.read_buf(&mut answer))
                .await
                .unwrap_or_else(|_| panic!("no answer"));
            if read.unwrap() == 0 {
                panic!("closed before an answer: {}", self.last_words().await);
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn send(&mut self, message: &str) -> std::io::Result<()> {
        self.input.write_all(format!("\x0b{message}\x1c\r").as_bytes()).await?;
        self.input.flush().await
    }

    /// That it gets no answer but an end; gives what it says of it.
    async fn meets_refusal(mut self, message: &str) -> String {
        // It may have ended before it takes anything.
        drop(self.send(message).await);
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, self.output.read_to_end(&mut answer))
            .await
            .unwrap_or_else(|_| panic!("neither answer nor end"))
            .unwrap();
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
        self.last_words().await
    }

    async fn last_words(&mut self) -> String {
        let mut words = String::new();
        if let Some(mut error) = self.process.stderr.take() {
            tokio::time::timeout(PATIENCE, error.read_to_string(&mut words)).await.unwrap().unwrap();
        }
        words
    }
}

fn message(facility: &str, id: &str) -> String {
    format!(
        "MSH|^~\\&|APP|{facility}|BARID|MSP|20261122101500||ADT^A01^ADT_A01|{id}|P|2.5\rEVN|A01|20261122101500\r\
         PID|1||1^^^{facility}^PI||Diallo^Aïssata||19700101|F\rPV1|1|I\r"
    )
}

/// That exactly these arrived, in any order, and that the engine ends well.
async fn arrived(receiver: &Receiver, running: Running<'_>, ids: &[&str]) {
    distinct(receiver, ids.len()).await;
    let received = receiver.received();
    let mut came: Vec<_> = received.iter().map(|one| String::from_utf8_lossy(&one.control_id)).collect();
    came.sort_unstable();
    assert_eq!(came, ids);
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn m20_openssl_s_client_that_verifies_the_engines_certificate_gets_its_acknowledgement() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let listener = "  unknownFacility: accept\n  tls: {certificate: {secret: ingress}}\n";
    let (relay, authority) = secured(&receiver, listener, "").await;
    let running = relay.start().await;
    let mut client = Client::connect(&relay, &authority, None);
    let told = client.ask(&message("CHN", "SSL-1")).await;
    assert!(told.contains("MSA|AA|SSL-1"), "{told}");
    let told = client.ask(&message("CHN", "SSL-2")).await;
    assert!(told.contains("MSA|AA|SSL-2"), "{told}");
    let stranger = Authority::new(&relay, "stranger");
    let told = Client::connect(&relay, &stranger, None).meets_refusal(&message("CHN", "SSL-3")).await;
    assert!(told.contains("verify"), "the client believes a certificate it must not: {told}");
    arrived(&receiver, running, &["SSL-1", "SSL-2"]).await;
}

#[tokio::test]
async fn m20_where_certificates_of_senders_are_optional_both_kinds_get_in_but_no_unknown_one() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let listener = "  unknownFacility: accept\n  tls: {certificate: {secret: ingress}, clientAuth: optional}\n";
    let (relay, authority) = secured(&receiver, listener, "").await;
    let running = relay.start().await;
    let told = Client::connect(&relay, &authority, None).ask(&message("CHN", "SSL-1")).await;
    assert!(told.contains("MSA|AA|SSL-1"), "{told}");
    let known = authority.sign("chn.example.mr");
    let told = Client::connect(&relay, &authority, Some(&known)).ask(&message("CHN", "SSL-2")).await;
    assert!(told.contains("MSA|AA|SSL-2"), "{told}");
    let unknown = Authority::new(&relay, "stranger").sign("chn.example.mr");
    let told = Client::connect(&relay, &authority, Some(&unknown)).meets_refusal(&message("CHN", "SSL-3")).await;
    assert!(told.contains("alert"), "{told}");
    arrived(&receiver, running, &["SSL-1", "SSL-2"]).await;
}

#[tokio::test]
async fn m20_where_certificates_of_senders_are_required_nobody_gets_in_without() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let listener = "  unknownFacility: accept\n  tls: {certificate: {secret: ingress}, clientAuth: required}\n";
    let (relay, authority) = secured(&receiver, listener, "").await;
    let running = relay.start().await;
    let told = Client::connect(&relay, &authority, None).meets_refusal(&message("CHN", "SSL-1")).await;
    assert!(told.contains("certificate required"), "{told}");
    let known = authority.sign("chn.example.mr");
    let told = Client::connect(&relay, &authority, Some(&known)).ask(&message("CHN", "SSL-2")).await;
    assert!(told.contains("MSA|AA|SSL-2"), "{told}");
    arrived(&receiver, running, &["SSL-2"]).await;
}

#[tokio::test]
async fn m20_a_certificate_that_speaks_for_another_facility_is_refused_and_that_is_recorded() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let listener = "  identify: certificate\n  tls: {certificate: {secret: ingress}, clientAuth: required}\n";
    let facility = |name: &str, code: &str| {
        format!(
            "---\nkind: Facility\nmetadata: {{name: {name}}}\nspec:\n  identities:\n  \
             - {{certificate: {{dnsName: {name}.example.mr}}, msh: {{sendingFacility: {code}}}}}\n"
        )
    };
    let (relay, authority) = secured(&receiver, listener, &(facility("chn", "CHN") + &facility("clinic", "CLI"))).await;
    let running = relay.start().await;
    let (chn, clinic) = (authority.sign("chn.example.mr"), authority.sign("clinic.example.mr"));
    let told = Client::connect(&relay, &authority, Some(&chn)).ask(&message("CHN", "SSL-1")).await;
    assert!(told.contains("MSA|AA|SSL-1"), "{told}");
    let mut client = Client::connect(&relay, &authority, Some(&clinic));
    let told = client.ask(&message("CHN", "SSL-2")).await;
    assert!(told.contains("MSA|AR|SSL-2"), "{told}");
    // Its own are taken on the same connection.
    let told = client.ask(&message("CLI", "SSL-3")).await;
    assert!(told.contains("MSA|AA|SSL-3"), "{told}");
    let refused = refused(&relay, "SSL-2").await;
    assert!(refused.contains("\"facility\":\"default/clinic\""), "not recorded with who it was: {refused}");
    assert!(refused.contains("facility.impostor"), "not recorded with the reason: {refused}");
    arrived(&receiver, running, &["SSL-1", "SSL-3"]).await;
}

/// The record of a refused message, as soon as the ledger has it.
async fn refused(relay: &Relay, id: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = relay.home.tool(&["--json", "messages", "--refused"]).await.unwrap();
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        if let Some(line) = told.lines().find(|line| line.contains(&format!("\"controlId\":\"{id}\""))) {
            return line.to_owned();
        }
        assert!(Instant::now() < deadline, "{id} is not among what was refused:\n{told}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn m20_a_new_certificate_serves_new_connections_and_the_open_one_goes_on() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let listener = "  unknownFacility: accept\n  tls: {certificate: {secret: ingress}}\n";
    let (relay, before) = secured(&receiver, listener, "").await;
    let running = relay.start().await;
    let mut open = Client::connect(&relay, &before, None);
    let told = open.ask(&message("CHN", "SSL-1")).await;
    assert!(told.contains("MSA|AA|SSL-1"), "{told}");
    let after = Authority::new(&relay, "successor");
    after.install(&relay);
    // The engine looks at the files by itself; until then it shows the certificate before.
    let deadline = Instant::now() + PATIENCE;
    while !shows(&relay, &after).await {
        assert!(Instant::now() < deadline, "the new certificate is not shown:\n{}", relay.home.log());
        assert!(shows(&relay, &before).await || shows(&relay, &after).await, "neither certificate is shown");
    }
    assert!(!shows(&relay, &before).await, "the old certificate is still shown");
    let told = Client::connect(&relay, &after, None).ask(&message("CHN", "SSL-2")).await;
    assert!(told.contains("MSA|AA|SSL-2"), "{told}");
    let told = open.ask(&message("CHN", "SSL-3")).await;
    assert!(told.contains("MSA|AA|SSL-3"), "{told}");
    arrived(&receiver, running, &["SSL-1", "SSL-2", "SSL-3"]).await;
}

/// Whether a handshake with trust in this authority alone succeeds.
async fn shows(relay: &Relay, authority: &Authority) -> bool {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-verify_return_error", "-connect", &format!("127.0.0.1:{}", relay.port)]);
    command.args(["-no-CAstore", "-no-CApath", "-CAfile"]).arg(authority.folder.join("ca.crt"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    tokio::time::timeout(PATIENCE, command.status()).await.unwrap().unwrap().success()
}
