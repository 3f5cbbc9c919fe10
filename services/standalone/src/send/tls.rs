//! TLS for the load client, and the way to the target's host.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Job, TlsFiles};

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

/// How TLS is spoken.
#[derive(Clone)]
pub(super) struct Client {
    connector: TlsConnector,
    name: ServerName<'static>,
}

/// A connection, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// From these files.
pub(super) fn client(files: &TlsFiles, host: &str) -> Result<Client, TlsError> {
    let mut roots = RootCertStore::empty();
    match &files.ca {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
        }
        None => {
            let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if added == 0 {
                return Err(TlsError::NoAuthorities);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match (&files.certificate, &files.key) {
        (Some(chain), Some(key)) => {
            let key_der = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| TlsError::File { path: key.clone(), text: error.to_string() })?;
            builder.with_client_auth_cert(certificates(chain)?, key_der)?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => return Err(TlsError::Half),
    };
    let name = files.server_name.clone().unwrap_or_else(|| host.to_owned());
    let name = ServerName::try_from(name.clone()).map_err(|_| TlsError::Name(name))?;
    Ok(Client { connector: TlsConnector::from(Arc::new(config)), name })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |text: String| TlsError::File { path: path.to_owned(), text };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|error| failed(error.to_string()))?;
    if found.is_empty() { Err(failed("there is no certificate in it".to_owned())) } else { Ok(found) }
}

/// Opens a connection to the target, within the timeout. The error is in words.
pub(super) async fn connect(job: &Job) -> Result<Box<dyn Stream>, String> {
    let target = &job.options.target;
    let timeout: Duration = job.options.timeout;
    let opening = async {
        let tcp = TcpStream::connect((target.host(), target.port()))
            .await
            .map_err(|error| format!("cannot connect: {error}"))?;
        tcp.set_nodelay(true).map_err(|error| format!("cannot connect: {error}"))?;
        let stream: Box<dyn Stream> = match &job.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let stream = tls
                    .connector
                    .connect(tls.name.clone(), tcp)
                    .await
                    .map_err(|error| format!("TLS failed: {error}"))?;
                Box::new(stream)
            }
        };
        Ok(stream)
    };
    match tokio::time::timeout(timeout, opening).await {
        Ok(result) => result,
        Err(_) => Err("cannot connect: no answer in time".to_owned()),
    }
}
