use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use barid_config::document::AwaitAck;
use barid_config::settings::{MllpRelease, TlsClient};
use barid_testkit::receiver::{Options, Receiver};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;

use super::*;
use crate::connect::mllp::{Mllp, MllpSettings};
use crate::connect::secret::FileSecrets;
use crate::connect::tests::{PATIENCE, answered, failure, message};
use crate::connect::{Connector, Endpoint, Sent};

/// An authority and what it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Certificate and key as PEM.
    fn sign(&self, name: &str) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        Arc::new(roots)
    }
}

/// A receiver that shows a certificate and, with an authority, wants one that it signed.
async fn receiver(certificate: &(String, String), clients: Option<&Authority>) -> Receiver {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = match clients {
        None => builder.unwrap().with_no_client_auth(),
        Some(authority) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(authority.roots(), provider).build().unwrap();
            builder.unwrap().with_client_cert_verifier(verifier)
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(certificate.0.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(certificate.1.as_bytes()).unwrap();
    let tls = Some(Arc::new(builder.with_single_cert(chain, key).unwrap()));
    Receiver::start(Options { tls, ..Options::default() }).await.unwrap()
}

fn file(key: &str) -> SecretFile {
    SecretFile { namespace: "default".into(), secret: "registry".into(), key: key.into() }
}

fn store(directory: &Path, key: &str, text: &str) {
    let path = file(key).path(directory);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn mllps(receiver: &Receiver, directory: &Path, tls: TlsClient) -> Mllp {
    let settings = MllpSettings {
        endpoints: vec![Endpoint { host: "127.0.0.1".into(), port: receiver.address().port() }],
        tls: Some(tls),
        timeout: PATIENCE,
        guard: crate::connect::GUARD,
        release: MllpRelease::One,
        awaits: AwaitAck::First,
    };
    let secrets: Arc<dyn Secrets> = Arc::new(FileSecrets::new(directory, BTreeMap::new()));
    Mllp::new(settings, &secrets)
}

fn checked(server_name: &str) -> TlsClient {
    TlsClient { ca: Some(file("ca.crt")), certificate: None, server_name: Some(server_name.into()) }
}

#[tokio::test]
async fn m20_a_receiver_is_believed_only_with_the_right_name_and_authority() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let receiver = receiver(&ours.sign("registry.example.mr"), None).await;
    let directory = tempfile::tempdir().unwrap();
    store(directory.path(), "ca.crt", &ours.pem);
    let sent = mllps(&receiver, directory.path(), checked("registry.example.mr")).open().send(&message("1")).await;
    answered(sent);
    let again = mllps(&receiver, directory.path(), checked("registry.example.mr"));
    assert_eq!(again.status().certificates, []);
    answered(again.open().send(&message("1")).await);
    let told = again.status().certificates;
    assert!(told.len() == 1 && told[0].expires > 0 && told[0].endpoint.starts_with("127.0.0.1:"), "{told:?}");
    let wrong_name = mllps(&receiver, directory.path(), checked("laboratory.example.mr"));
    assert_eq!(failure(wrong_name.open().send(&message("2")).await).kind, TransportKind::Tls);
    let directory = tempfile::tempdir().unwrap();
    store(directory.path(), "ca.crt", &other.pem);
    let wrong_authority = mllps(&receiver, directory.path(), checked("registry.example.mr"));
    assert_eq!(failure(wrong_authority.open().send(&message("3")).await).kind, TransportKind::Tls);
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn m20_a_renewed_client_certificate_is_shown_from_the_next_connection_on() {
    let (servers, clients, strangers) =
        (Authority::new("servers"), Authority::new("clients"), Authority::new("others"));
    let receiver = receiver(&servers.sign("registry"), Some(&clients)).await;
    let directory = tempfile::tempdir().unwrap();
    let show = |(certificate, key): (String, String)| {
        store(directory.path(), "tls.crt", &certificate);
        store(directory.path(), "tls.key", &key);
    };
    store(directory.path(), "ca.crt", &servers.pem);
    show(strangers.sign("barid"));
    let tls = TlsClient { certificate: Some((file("tls.crt"), file("tls.key"))), ..checked("registry") };
    let mllp = mllps(&receiver, directory.path(), tls);
    let mut slot = mllp.open();
    assert!(matches!(slot.send(&message("1")).await, Sent::Failed(_)), "a stranger's certificate is refused");
    show(clients.sign("barid"));
    let deadline = Instant::now() + PATIENCE;
    while !matches!(slot.send(&message("1")).await, Sent::Answered(_)) {
        assert!(Instant::now() < deadline, "the new certificate is not used");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    show(strangers.sign("barid"));
    answered(slot.send(&message("2")).await);
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn a_probe_tells_whose_certificate_it_met_and_when_it_ends() {
    let ours = Authority::new("Ministry of Health");
    let receiver = receiver(&ours.sign("registry.example.mr"), None).await;
    let directory = tempfile::tempdir().unwrap();
    store(directory.path(), "ca.crt", &ours.pem);
    let met = mllps(&receiver, directory.path(), checked("registry.example.mr")).probe().await;
    let fact = |name: &str| met[0].facts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    assert_eq!(fact("tls").as_deref(), Some("TLSv1_3"));
    assert!(fact("issuer").unwrap().contains("Ministry of Health"));
    assert!(fact("names").unwrap().contains("registry.example.mr"));
    assert!(fact("expires").is_some());
}

#[tokio::test]
async fn unusable_certificates_are_told_by_file_and_never_by_content() {
    let ours = Authority::new("ours");
    let receiver = receiver(&ours.sign("registry"), None).await;
    let directory = tempfile::tempdir().unwrap();
    let sent = mllps(&receiver, directory.path(), checked("registry")).open().send(&message("1")).await;
    assert_eq!(failure(sent).kind, TransportKind::Secret, "no file at all");
    store(directory.path(), "ca.crt", "no certificate");
    let sent = mllps(&receiver, directory.path(), checked("registry")).open().send(&message("1")).await;
    let error = failure(sent);
    assert_eq!(error.kind, TransportKind::Tls);
    assert!(error.text.contains("ca.crt"), "{error}");
    store(directory.path(), "ca.crt", &ours.pem);
    store(directory.path(), "tls.crt", &ours.sign("barid").0);
    store(directory.path(), "tls.key", "SECRET-KEY");
    let tls = TlsClient { certificate: Some((file("tls.crt"), file("tls.key"))), ..checked("registry") };
    let error = failure(mllps(&receiver, directory.path(), tls).open().send(&message("1")).await);
    assert!(error.text.contains("tls.key") && !error.text.contains("SECRET"), "{error}");
}
