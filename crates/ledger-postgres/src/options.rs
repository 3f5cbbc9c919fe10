//! Where the database is, as whom, and how the way to it is guarded.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use barid_model::Digest;
use rustls::ClientConfig;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long what was sent may go without an answer of the other system before the connection counts as lost.
const UNANSWERED: Duration = Duration::from_secs(15);
/// The schema where nobody names one.
const SCHEMA: &str = "barid";
/// Largest password file, in bytes: its first line is what counts.
const PASSWORD_BYTES_MAX: u64 = 16 << 10;
/// Largest file of authorities, in bytes: a bundle of some hundred.
const AUTHORITIES_BYTES_MAX: u64 = 1 << 20;
/// Connections that ask at a time, besides the one that writes: as many as people and the console ask at once.
pub(crate) const READERS: usize = 6;

/// What cannot be used of the options.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// The address.
    #[error("the address of the ledger's database cannot be read ({0}): write postgres://USER@HOST:PORT/DATABASE")]
    Address(String),
    /// A file.
    #[error("{}: {text}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        text: String,
    },
    /// TLS is wanted and nobody says whose certificates are good.
    #[error(
        "name the authorities that sign the certificate of the ledger's database, or add sslmode=disable to its address"
    )]
    Authorities,
    /// The schema.
    #[error("the schema {0:?} cannot be used: letters a to z, digits and _ make its name, 40 at most")]
    Schema(String),
}

/// Where the database is.
#[derive(Clone)]
pub struct Options {
    pub(crate) config: Config,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) schema: String,
    /// Host, port and database, for errors.
    pub(crate) place: String,
}

impl std::fmt::Debug for Options {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Options({}, schema {})", self.place, self.schema)
    }
}

impl Options {
    /// Reads `postgres://USER@HOST:PORT/DATABASE`. The way is TLS, and the server's certificate has to be signed by one
    /// of the authorities (PEM) for its host, unless the address says `sslmode=disable`. A password file has the password
    /// in its first line.
    ///
    /// # Errors
    /// [`OptionsError`].
    pub fn read(url: &str, password: Option<&Path>, authorities: Option<&Path>) -> Result<Self, OptionsError> {
        let mut config: Config = url.parse().map_err(|_| OptionsError::Address("it is no such address".to_owned()))?;
        if let Some(path) = password {
            let text = barid_files::read_text(path, PASSWORD_BYTES_MAX);
            let text = text.map_err(|error| file(path, error.to_string()))?;
            let line = text.lines().next().unwrap_or_default();
            if line.is_empty() {
                return Err(file(path, "its first line should be the password".to_owned()));
            }
            config.password(line);
        }
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(tls(authorities.ok_or(OptionsError::Authorities)?)?),
        };
        if tls.is_some() {
            config.ssl_mode(SslMode::Require);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        config.tcp_user_timeout(UNANSWERED).keepalives_idle(UNANSWERED).application_name("barid-ledger");
        let place = place(&config).ok_or_else(|| OptionsError::Address("it names no host".to_owned()))?;
        Ok(Self { config, tls, schema: SCHEMA.to_owned(), place })
    }

    /// A short name of the place, the same for all who write it the same way: what one history of several processes is
    /// called.
    #[must_use]
    pub fn name(&self) -> String {
        let digest = Digest::of(format!("{} {}", self.place, self.schema).as_bytes());
        let hex = digest.as_bytes().iter().take(8).map(|byte| format!("{byte:02x}"));
        format!("postgres-{}", hex.collect::<String>())
    }

    /// Uses another schema than `barid`: several ledgers may share a database.
    ///
    /// # Errors
    /// [`OptionsError::Schema`].
    pub fn schema(mut self, name: &str) -> Result<Self, OptionsError> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > 40 || !name.chars().all(good) {
            return Err(OptionsError::Schema(name.to_owned()));
        }
        name.clone_into(&mut self.schema);
        Ok(self)
    }
}

fn place(config: &Config) -> Option<String> {
    let host = match config.get_hosts().first()? {
        Host::Tcp(host) => host.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    Some(format!("postgres://{host}:{port}/{}", config.get_dbname().unwrap_or_default()))
}

fn file(path: &Path, text: String) -> OptionsError {
    OptionsError::File { path: path.to_owned(), text }
}

fn tls(authorities: &Path) -> Result<Arc<ClientConfig>, OptionsError> {
    let wrong = |text: String| file(authorities, text);
    let pem = barid_files::read(authorities, AUTHORITIES_BYTES_MAX).map_err(|error| wrong(error.to_string()))?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in barid_pem::certificates(&pem).map_err(|error| wrong(error.to_string()))? {
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
