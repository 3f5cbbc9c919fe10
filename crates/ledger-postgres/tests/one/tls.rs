//! The way to the database is TLS, and a server that nobody vouches for is not told the password.

use barid_ledger::Ledger as _;
use barid_ledger_postgres::{Options, PostgresLedger};
use barid_testkit::servers::TlsFiles;
use barid_testkit::servers::postgres::{DATABASE, Postgres, Settings, USER};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::support::runtime;

/// An authority, and a certificate of its for this host.
fn authority(folder: &std::path::Path) -> TlsFiles {
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

#[test]
fn a_server_is_reached_by_tls_with_the_password_of_a_file() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = authority(folder.path());
    let settings = Settings { tls: Some(files.clone()), ..Settings::default() };
    let server = runtime().block_on(Postgres::start(settings)).unwrap();
    let password = folder.path().join("password.txt");
    std::fs::write(&password, format!("{}\n", USER.1)).unwrap();
    let url = format!("postgres://{}@{}/{DATABASE}", USER.0, server.address());

    let options = Options::read(&url, Some(&password), Some(&files.authorities)).unwrap();
    let ledger = PostgresLedger::open(options).unwrap();
    assert_eq!(ledger.positions().unwrap(), []);
    let ways = "SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
        WHERE a.application_name = 'barid-ledger'";
    assert_eq!(runtime().block_on(server.query(ways)).unwrap().trim(), "t");

    let stranger = authority(other.path());
    let options = Options::read(&url, Some(&password), Some(&stranger.authorities)).unwrap();
    let error = PostgresLedger::open(options).unwrap_err().to_string();
    assert!(error.contains("certificate") && !error.contains(USER.1), "{error}");

    std::fs::write(&password, "another\n").unwrap();
    let options = Options::read(&url, Some(&password), Some(&files.authorities)).unwrap();
    let error = PostgresLedger::open(options).unwrap_err().to_string();
    assert!(error.contains("28P01") && !error.contains("another"), "{error}");
}
