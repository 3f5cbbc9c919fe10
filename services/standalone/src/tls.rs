//! TLS from PEM files, for the tool's own sender and receiver. The engine's listeners and destinations have their own way to certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Files for TLS.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Certificates of authorities to trust; of a client the system's where absent, of a server no client certificate is asked for then.
    pub ca: Option<PathBuf>,
    /// Our certificate chain.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// Certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file.
    #[error("cannot read certificates or keys of {}: {text}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        text: String,
    },
    /// A certificate without a key, or the other way round.
    #[error("--cert and --key belong together: give both or none")]
    Half,
    /// Authorities, chain or key do not fit.
    #[error("cannot use these certificates: {0}")]
    Unusable(#[from] rustls::Error),
    /// The name to check.
    #[error("{0:?} is no server name: give the one in the server's certificate with --server-name")]
    Name(String),
    /// No authority to trust.
    #[error("the system trusts no certificate authority: give one with --ca")]
    NoAuthorities,
}

/// How a client speaks TLS.
///
/// # Errors
/// [`TlsError`].
pub(crate) fn client(files: &TlsFiles) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = match &files.ca {
        Some(path) => roots(path)?,
        None => {
            let mut roots = RootCertStore::empty();
            let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if added == 0 {
                return Err(TlsError::NoAuthorities);
            }
            roots
        }
    };
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match own(files)? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// How a server speaks TLS; none where no certificate is given.
///
/// # Errors
/// [`TlsError`].
pub(crate) fn server(files: &TlsFiles) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    let Some((chain, key)) = own(files)? else { return Ok(None) };
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match &files.ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider)
                .build()
                .map_err(|error| TlsError::File { path: path.clone(), text: error.to_string() })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    Ok(Some(Arc::new(builder.with_single_cert(chain, key)?)))
}

type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn own(files: &TlsFiles) -> Result<Option<Own>, TlsError> {
    match (&files.certificate, &files.key) {
        (Some(chain), Some(path)) => {
            let key = PrivateKeyDer::from_pem_file(path)
                .map_err(|error| TlsError::File { path: path.clone(), text: error.to_string() })?;
            Ok(Some((certificates(chain)?, key)))
        }
        (None, None) => Ok(None),
        _ => Err(TlsError::Half),
    }
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |text: String| TlsError::File { path: path.to_owned(), text };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|error| failed(error.to_string()))?;
    if found.is_empty() { Err(failed("there is no certificate in it".to_owned())) } else { Ok(found) }
}
