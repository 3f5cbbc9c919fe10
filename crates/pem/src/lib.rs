//! What the files of TLS hold: certificates and keys in PEM, read in one way by every listener and every end of a call.
//!
//! Bytes in, certificates out: where the bytes come from, and what is done with them, is their owner's business.

mod expires;
#[cfg(test)]
mod tests;

pub use expires::{Expires, expires};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A file does not hold what it should. Says nothing of what it holds: it may be a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// It is readable and has no certificate.
    #[error("no certificate in PEM")]
    NoCertificate,
    /// It is no PEM, or is cut off.
    #[error("not PEM ({0})")]
    NotPem(String),
    /// It has no private key that can be used.
    #[error("no private key in PEM ({0})")]
    NoKey(String),
}

/// The certificates of a chain or a bundle, in their order: at least one.
///
/// # Errors
/// [`PemError::NoCertificate`] and [`PemError::NotPem`].
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err(PemError::NoCertificate),
        Ok(all) => Ok(all),
        Err(error) => Err(PemError::NotPem(error.to_string())),
    }
}

/// The first private key.
///
/// # Errors
/// [`PemError::NoKey`].
pub fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| PemError::NoKey(error.to_string()))
}
