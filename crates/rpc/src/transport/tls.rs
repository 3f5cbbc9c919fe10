//! TLS between services: both ends show a certificate of the mesh's own authority (mTLS). The files are read again when a
//! connection is made, so a renewed certificate serves the next connection and disturbs none that is open.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Largest file that is read, in bytes: a chain with a hundred authorities.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What gRPC is negotiated as.
const ALPN: &[u8] = b"h2";

/// The files of one end, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Its certificate, the chain to its authority included.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// The authorities that the other end's certificate has to come from.
    pub authorities: PathBuf,
}

/// The files of TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// TLS of one end, from its files as they are now.
pub struct Tls {
    credentials: Credentials,
    built: Mutex<Built>,
}

#[derive(Clone)]
struct Built {
    files: Files,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

#[derive(Clone, PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authorities: Vec<u8>,
}

impl Tls {
    /// Reads the files and checks that they can be used. Blocking.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(credentials: Credentials) -> Result<Arc<Self>, TlsError> {
        let built = Mutex::new(build(&credentials, Files::read(&credentials)?)?);
        Ok(Arc::new(Self { credentials, built }))
    }

    /// From the newest files; from the last good ones where those cannot be used, since half a rotation is no reason to
    /// stop. Blocking.
    fn current(&self) -> Built {
        let newest = Files::read(&self.credentials);
        let known = self.built.lock().clone();
        let built = match newest {
            Ok(files) if files == known.files => return known,
            Ok(files) => build(&self.credentials, files),
            Err(error) => Err(error),
        };
        match built {
            Ok(built) => {
                tracing::info!(certificate = %self.credentials.certificate.display(), "certificate reloaded");
                *self.built.lock() = built.clone();
                built
            }
            Err(error) => {
                tracing::warn!(%error, "the new certificate cannot be used: the last good one stays");
                known
            }
        }
    }

    pub(crate) async fn client(self: &Arc<Self>) -> Arc<ClientConfig> {
        self.newest().await.client
    }

    pub(crate) async fn server(self: &Arc<Self>) -> Arc<ServerConfig> {
        self.newest().await.server
    }

    async fn newest(self: &Arc<Self>) -> Built {
        let own = Arc::clone(self);
        match tokio::task::spawn_blocking(move || own.current()).await {
            Ok(built) => built,
            Err(_) => self.built.lock().clone(),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({:?})", self.credentials)
    }
}

impl Files {
    fn read(credentials: &Credentials) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: read(&credentials.certificate)?,
            key: read(&credentials.key)?,
            authorities: read(&credentials.authorities)?,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    barid_files::read(path, FILE_BYTES_MAX).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn build(credentials: &Credentials, files: Files) -> Result<Built, TlsError> {
    let wrong = |path: &Path, problem: String| TlsError::Content { path: path.to_owned(), problem };
    let chain = barid_pem::certificates(&files.certificate)
        .map_err(|problem| wrong(&credentials.certificate, problem.to_string()))?;
    let key = barid_pem::private_key(&files.key).map_err(|problem| wrong(&credentials.key, problem.to_string()))?;
    let mut roots = RootCertStore::empty();
    let authorities = barid_pem::certificates(&files.authorities)
        .map_err(|problem| wrong(&credentials.authorities, problem.to_string()))?;
    for authority in authorities {
        roots.add(authority).map_err(|error| wrong(&credentials.authorities, error.to_string()))?;
    }
    let roots = Arc::new(roots);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let fault = |error: rustls::Error| wrong(&credentials.certificate, error.to_string());
    let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(fault)?
        .with_root_certificates(Arc::clone(&roots))
        .with_client_auth_cert(chain.clone(), key.clone_key())
        .map_err(fault)?;
    client.alpn_protocols = vec![ALPN.to_vec()];
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .build()
        .map_err(|error| wrong(&credentials.authorities, error.to_string()))?;
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(fault)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(fault)?;
    server.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Built { files, client: Arc::new(client), server: Arc::new(server) })
}
