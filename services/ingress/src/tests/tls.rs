//! TLS (M20): who is let in, and certificates that change under live connections.

use std::sync::Arc;

use barid_config::document::{ClientAuth, Identify, OnUnknown};
use barid_config::settings::{SecretFile, TlsServer};
use barid_model::{Name, Timestamp};
use barid_validate::{CertificateMatch, FacilityRules, Identity, MshMatch};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::house::{House, Plan, Safe};
use super::wire::{Client, PATIENCE, adt, msa};
use crate::ShownCertificate;

/// A certificate authority of a test.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
#[derive(Clone)]
struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pair(&self, dns: &str, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![dns.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, dns);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    fn pem(&self) -> String {
        self.0.pem()
    }
}

fn file(key: &str) -> SecretFile {
    SecretFile { namespace: "default".to_owned(), secret: "tls".to_owned(), key: key.to_owned() }
}

fn store(safe: &Safe, server: &Pair, authority: &Authority) {
    safe.put("default/tls/tls.crt", server.certificate.clone());
    safe.put("default/tls/tls.key", server.key.clone());
    safe.put("default/tls/ca.crt", authority.pem());
}

fn plan(client_auth: ClientAuth) -> Plan {
    Plan::default().listener(|spec| {
        spec.tls = Some(TlsServer {
            certificate: file("tls.crt"),
            key: file("tls.key"),
            client_auth,
            ca: (client_auth != ClientAuth::None).then(|| file("ca.crt")),
        });
    })
}

async fn dial(
    house: &House,
    authority: &Authority,
    client: Option<&Pair>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let stream = TcpStream::connect(house.address()).await?;
    let name = ServerName::try_from("barid.example").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    Ok(Client::new(stream))
}

/// Both versions.
const ALL: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// With TLS 1.3 a client learns of its refusal when it reads.
async fn is_refused(dialed: std::io::Result<Client<TlsStream<TcpStream>>>) -> bool {
    match dialed {
        Err(_) => true,
        Ok(mut client) => {
            let mut byte = [0];
            let read = tokio::time::timeout(PATIENCE, client.stream.read(&mut byte)).await.unwrap();
            !matches!(read, Ok(1..))
        }
    }
}

#[tokio::test]
async fn m20_tls_1_2_and_1_3_are_spoken_and_plain_bytes_are_not() {
    let (authority, safe) = (Authority::new("CA"), Safe::default());
    store(&safe, &authority.pair("barid.example", |_| {}), &authority);
    let house = plan(ClientAuth::None).open_with(safe).await;
    for (version, spoken) in
        [(&rustls::version::TLS12, ProtocolVersion::TLSv1_2), (&rustls::version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let mut client = dial(&house, &authority, None, &[version]).await.unwrap();
        let id = format!("{spoken:?}");
        assert_eq!(msa(&client.ask(&adt(&id)).await), ("AA", id.as_str()));
        assert_eq!(client.stream.get_ref().1.protocol_version(), Some(spoken));
    }
    let mut plain = house.connect().await;
    plain.send(&super::wire::framed(&adt("plain"))).await;
    let answered = plain.next().await.is_some_and(|answer| answer.contains("MSA"));
    assert!(!answered);
    assert_eq!(house.memory.submitted().len(), 2);
}

#[tokio::test]
async fn m20_a_required_certificate_has_to_be_there_known_and_valid() {
    let (authority, other, safe) = (Authority::new("CA"), Authority::new("other"), Safe::default());
    store(&safe, &authority.pair("barid.example", |_| {}), &authority);
    let house = plan(ClientAuth::Required).open_with(safe).await;
    assert!(is_refused(dial(&house, &authority, None, ALL).await).await, "without a certificate");
    let unknown = other.pair("chn.example", |_| {});
    assert!(is_refused(dial(&house, &authority, Some(&unknown), ALL).await).await, "of an unknown authority");
    let expired = authority.pair("chn.example", |params| {
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    assert!(is_refused(dial(&house, &authority, Some(&expired), ALL).await).await, "expired");
    let good = authority.pair("chn.example", |_| {});
    let mut client = dial(&house, &authority, Some(&good), ALL).await.unwrap();
    assert_eq!(msa(&client.ask(&adt("good")).await), ("AA", "good"));
    assert_eq!(house.memory.control_ids(), ["good"]);
}

/// The first bytes that a client of this version (3.2 is TLS 1.1, 3.3 is TLS 1.2) is answered with.
async fn answered(house: &House, minor: u8) -> [u8; 7] {
    // Random bytes, no session, ECDHE-ECDSA-AES128-GCM-SHA256, no compression; curve, point format and signature.
    let suite = [&[0][..], &[0, 2, 0xC0, 0x2B], &[1, 0]].concat();
    let extensions = [&[0, 22][..], &[0, 10, 0, 4, 0, 2, 0, 23], &[0, 11, 0, 2, 1, 0], &[0, 13, 0, 4, 0, 2, 4, 3]];
    let hello = [&[3, minor][..], &[7; 32], &suite, &extensions.concat()].concat();
    let handshake = [&[1, 0, 0, u8::try_from(hello.len()).unwrap()][..], &hello].concat();
    let record = [&[22, 3, 1, 0, u8::try_from(handshake.len()).unwrap()][..], &handshake].concat();
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    stream.write_all(&record).await.unwrap();
    let mut answer = [0; 7];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn m20_a_client_of_tls_1_1_is_refused_with_an_alert() {
    let (authority, safe) = (Authority::new("CA"), Safe::default());
    store(&safe, &authority.pair("barid.example", |_| {}), &authority);
    let house = plan(ClientAuth::None).open_with(safe).await;
    let [record, .., first, _] = answered(&house, 3).await;
    assert_eq!((record, first), (22, 2), "TLS 1.2 goes on with a ServerHello");
    let [record, .., alert] = answered(&house, 2).await;
    assert_eq!((record, alert), (21, 70), "an alert: protocol_version");
}

fn facility(name: &str, dns: &str, code: &str, speaks_for: &[&str]) -> FacilityRules {
    FacilityRules {
        name: Name::local(name),
        display_name: name.into(),
        labels: Default::default(),
        identities: vec![Identity {
            certificate: Some(CertificateMatch { dns_name: Some(dns.to_owned()), ..CertificateMatch::default() }),
            msh: Some(MshMatch { sending_application: None, sending_facility: Some(code.to_owned()) }),
            ..Identity::default()
        }],
        speaks_for: speaks_for.iter().map(|name| Name::local(name)).collect(),
        fallback_charset: None,
    }
}

#[tokio::test]
async fn m20_a_certificate_speaks_for_its_own_facility_and_those_it_may() {
    let (authority, safe) = (Authority::new("CA"), Safe::default());
    store(&safe, &authority.pair("barid.example", |_| {}), &authority);
    let mut plan = plan(ClientAuth::Required).listener(|spec| {
        spec.identify = Identify::Certificate;
        spec.unknown_facility = OnUnknown::Reject;
    });
    plan.facilities.push(facility("chn", "chn.example", "CHN", &[]));
    plan.facilities.push(facility("clinic", "clinic.example", "CLINIC", &[]));
    plan.facilities.push(facility("gateway", "gateway.example", "GW", &["chn"]));
    let house = plan.open_with(safe).await;
    let chn = authority.pair("chn.example", |_| {});
    let mut client = dial(&house, &authority, Some(&chn), ALL).await.unwrap();
    assert_eq!(msa(&client.ask(&adt("own")).await), ("AA", "own"));
    assert_eq!(&*house.memory.submitted()[0].0.facility.name, "default/chn");
    let clinic = authority.pair("clinic.example", |_| {});
    let mut client = dial(&house, &authority, Some(&clinic), ALL).await.unwrap();
    assert_eq!(msa(&client.ask(&adt("stolen")).await), ("AR", "stolen"));
    let refused = house.memory.refusals();
    assert_eq!(refused[0].facility.as_deref(), Some("default/clinic"), "recorded with who it was");
    assert_eq!(refused[0].findings[0].rule, "facility.impostor");
    let gateway = authority.pair("gateway.example", |_| {});
    let mut client = dial(&house, &authority, Some(&gateway), ALL).await.unwrap();
    assert_eq!(msa(&client.ask(&adt("relayed")).await), ("AA", "relayed"));
    let relayed = house.memory.submitted()[1].0.facility.clone();
    assert_eq!((&*relayed.name, relayed.speaks_for.as_deref()), ("default/gateway", Some("default/chn")));
}

fn plan_of_senders() -> Plan {
    let mut plan = plan(ClientAuth::Required).listener(|spec| spec.identify = Identify::Certificate);
    plan.facilities.push(facility("chn", "chn.example", "CHN", &[]));
    plan
}

#[tokio::test]
async fn a_senders_certificate_is_told_with_whose_it_is_and_when_it_ends() {
    let (authority, safe) = (Authority::new("CA"), Safe::default());
    store(&safe, &authority.pair("barid.example", |_| {}), &authority);
    let house = plan_of_senders().open_with(safe.clone()).await;
    assert_eq!(house.listeners.certificates(), []);
    let soon = authority.pair("chn.example", |params| params.not_after = rcgen::date_time_ymd(2099, 3, 1));
    let mut client = dial(&house, &authority, Some(&soon), ALL).await.unwrap();
    assert_eq!(msa(&client.ask(&adt("M1")).await), ("AA", "M1"));
    let again = dial(&house, &authority, Some(&soon), ALL).await.unwrap();
    let told = house.listeners.certificates();
    assert_eq!(told.len(), 1, "once, however often it is shown: {told:?}");
    assert_eq!((told[0].facility.as_deref(), told[0].expires), (Some("default/chn"), 4_076_006_400));
    assert!(told[0].subject.contains("CN="), "{told:?}");
    drop((client, again));
    assert_eq!(house.listeners.certificates().len(), 1, "also when the connection has ended");
    let kept = house.listeners.shown();
    let next = plan_of_senders().open_with(safe.clone()).await;
    next.listeners.remember(kept.clone());
    assert_eq!(next.listeners.certificates(), told, "also after a restart, before it connects again");
    assert_eq!(next.listeners.shown(), kept);
    let long_ago = kept.into_iter().map(|shown| ShownCertificate { seen: Timestamp::default(), ..shown }).collect();
    let later = plan_of_senders().open_with(safe).await;
    later.listeners.remember(long_ago);
    assert_eq!(later.listeners.certificates(), [], "one that was not shown for long is forgotten");
}

#[tokio::test]
async fn m20_a_new_certificate_serves_new_connections_and_disturbs_none() {
    let (old, new, safe) = (Authority::new("old"), Authority::new("new"), Safe::default());
    store(&safe, &old.pair("barid.example", |_| {}), &old);
    let house = plan(ClientAuth::None).open_with(safe.clone()).await;
    let mut before = dial(&house, &old, None, ALL).await.unwrap();
    assert_eq!(msa(&before.ask(&adt("1")).await), ("AA", "1"));
    let address = house.address();
    store(&safe, &new.pair("barid.example", |_| {}), &new);
    assert!(house.listeners.refresh().await.is_empty());
    let mut after = dial(&house, &new, None, ALL).await.unwrap();
    assert_eq!(msa(&after.ask(&adt("2")).await), ("AA", "2"));
    assert!(dial(&house, &old, None, ALL).await.is_err(), "the old certificate is no longer shown");
    assert_eq!(msa(&before.ask(&adt("3")).await), ("AA", "3"));
    assert_eq!(house.address(), address);
}

#[tokio::test]
async fn m20_a_broken_certificate_keeps_the_one_before_and_is_told() {
    let (authority, safe) = (Authority::new("CA"), Safe::default());
    store(&safe, &authority.pair("barid.example", |_| {}), &authority);
    let house = plan(ClientAuth::None).open_with(safe.clone()).await;
    safe.put("default/tls/tls.crt", "rubbish");
    let faults = house.listeners.refresh().await;
    assert_eq!(faults.len(), 1);
    assert!(faults[0].text.contains("default/tls/tls.crt"), "{}", faults[0].text);
    let mut client = dial(&house, &authority, None, ALL).await.unwrap();
    assert_eq!(msa(&client.ask(&adt("1")).await), ("AA", "1"));
    assert!(house.listeners.status().await[0].certificate_expires.is_some());
}
