use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::*;

/// An authority, and a certificate of its for this host.
pub(super) fn authority(folder: &Path) -> TlsFiles {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Else both have the same name, and OpenSSL takes the certificate for one that signed itself.
    params.distinguished_name.push(DnType::CommonName, "authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let file = |name| folder.join(name);
    let files = TlsFiles { certificate: file("crt"), key: file("key"), authorities: file("ca") };
    std::fs::write(&files.certificate, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    std::fs::write(&files.authorities, authority.pem()).unwrap();
    files
}

#[test]
fn a_server_that_is_not_installed_is_told_with_what_installs_it() {
    let error = installed("BARID_NO_SUCH_SERVER", "none/of/this", "scripts/none").unwrap_err().to_string();
    assert!(error.contains("none/of/this"), "{error}");
    assert!(error.contains("run scripts/none (or name another in BARID_NO_SUCH_SERVER)"), "{error}");
}
