//! mTLS: who is let in, and certificates that change while connections are open.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barid_model::stage::StageError;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tempfile::TempDir;

use super::house::{House, Replica, adt, patient, remote, within};
use crate::tls::{Credentials, Tls, TlsError};
use crate::{Options, ParseContract, Remote, Target};
use barid_model::stage::Call as _;

/// A certificate authority, and a place for files.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, folder: tempfile::tempdir().unwrap() }
    }

    /// Writes a new certificate for this name, from this authority, believing in it alone.
    fn write(&self, credentials: &Credentials, dns: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![dns.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(&credentials.certificate, certificate.pem()).unwrap();
        std::fs::write(&credentials.key, key.serialize_pem()).unwrap();
        std::fs::write(&credentials.authorities, self.issuer.pem()).unwrap();
    }

    fn files(&self, name: &str) -> Credentials {
        let file = |kind: &str| -> PathBuf { self.folder.path().join(format!("{name}.{kind}")) };
        Credentials { certificate: file("crt"), key: file("key"), authorities: file("ca") }
    }

    /// Both ends' TLS.
    pub(crate) fn tls(&self, dns: &str) -> Arc<Tls> {
        let credentials = self.files(dns);
        self.write(&credentials, dns);
        let tls = Tls::load(credentials).unwrap();
        // The files go with the authority; what was built from them stays.
        tls
    }
}

fn at(replica: &Replica) -> Vec<Target> {
    vec![Target::Name(format!("localhost:{}", replica.address.port()))]
}

async fn outcome(options: &Options, targets: Vec<Target>, house: &House) -> Result<(), StageError> {
    let caller = Remote::<ParseContract>::new(targets, options);
    within(caller.call(vec![house.input(&adt("1"))])).await.remove(0).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_certificate_of_the_mesh_is_not_let_in() {
    let house = House::new();
    let ours = Authority::new("ours");
    let replica = Replica::start(house.services(), Some(ours.tls("localhost")));
    let quick = || Options { no_replica: Duration::from_millis(700), ..Options::default() };
    let refused = |outcome: &Result<(), StageError>| matches!(outcome, Err(StageError::Unavailable(_)));
    assert_eq!(outcome(&Options { tls: Some(ours.tls("caller")), ..patient() }, at(&replica), &house).await, Ok(()));
    assert!(refused(&outcome(&quick(), at(&replica), &house).await), "without TLS");
    let theirs = Authority::new("theirs").tls("caller");
    assert!(refused(&outcome(&Options { tls: Some(theirs), ..quick() }, at(&replica), &house).await), "of others");
    let address = vec![replica.target()];
    let named = Options { tls: Some(ours.tls("caller")), ..quick() };
    assert!(refused(&outcome(&named, address, &house).await), "a name that the certificate does not have");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_serves_the_next_connection_and_disturbs_none() {
    let house = House::new();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let files = old.files("server");
    old.write(&files, "localhost");
    let server = Tls::load(files.clone()).unwrap();
    let replica = Replica::start(house.services(), Some(server));
    let before = remote("before", at(&replica), &Options { tls: Some(old.tls("caller")), ..patient() }).await;
    // A broken file changes nothing.
    std::fs::write(&files.key, "half a key").unwrap();
    assert_eq!(outcome(&Options { tls: Some(old.tls("caller")), ..patient() }, at(&replica), &house).await, Ok(()));
    new.write(&files, "localhost");
    assert_eq!(outcome(&Options { tls: Some(new.tls("caller")), ..patient() }, at(&replica), &house).await, Ok(()));
    assert!(before.parse.call(vec![house.input(&adt("2"))]).await.remove(0).is_ok(), "the open connection stays");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new("any");
    let files = authority.files("x");
    let Err(TlsError::Read { path, .. }) = Tls::load(files.clone()) else { panic!("there is no file") };
    assert_eq!(path, files.certificate);
    authority.write(&files, "localhost");
    std::fs::write(&files.authorities, "nothing").unwrap();
    let Err(error) = Tls::load(files.clone()) else { panic!("the authorities are none") };
    assert!(error.to_string().contains("x.ca: no certificate in PEM"), "{error}");
}
