//! Whose certificates are in a file, and until when they are good: for those who are to be told in time.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Most certificates of one file: a bundle of all public authorities has some 150.
const OF_A_FILE_MAX: usize = 256;

/// A certificate of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expires {
    /// Its subject.
    pub subject: String,
    /// The end of its time, in seconds since 1970.
    pub at: i64,
}

/// The certificates of a chain or a bundle; what cannot be read is left out, since who uses the file tells of it.
#[must_use]
pub fn expires(pem: &[u8]) -> Vec<Expires> {
    let one = |der: CertificateDer<'_>| {
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        let at = certificate.validity().not_after.timestamp();
        Some(Expires { subject: certificate.subject().to_string(), at })
    };
    CertificateDer::pem_slice_iter(pem).take(OF_A_FILE_MAX).filter_map(Result::ok).filter_map(one).collect()
}
