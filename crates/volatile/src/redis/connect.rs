//! One connection: socket, TLS, password.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::CALL_WITHIN;
use super::options::{Options, Password};

/// What moves the bytes of a connection.
pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a driver; dropping it ends the connection.
pub(super) struct Driven(JoinHandle<()>);

impl Driven {
    pub(super) fn new(driver: Driver) -> Self {
        Self(tokio::spawn(driver))
    }

    /// Ends with the connection.
    pub(super) async fn ended(&mut self) {
        // One that panicked has ended as well.
        drop((&mut self.0).await);
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connects; the error is for people.
pub(super) async fn connect(options: &Options) -> Result<(MultiplexedConnection, Driver), String> {
    let place = options.place();
    let read = options.clone();
    let secrets = tokio::task::spawn_blocking(move || Ok::<_, String>((password(&read)?, tls(&read)?)));
    let (password, tls) = secrets.await.map_err(|_| "its files cannot be read".to_owned())??;
    let stream = TcpStream::connect((options.host.as_str(), options.port)).await;
    let stream = stream.map_err(|error| format!("{place} cannot be reached: {error}"))?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut who = RedisConnectionInfo::default().set_db(options.database);
    if let Some(user) = &options.user {
        who = who.set_username(user);
    }
    if let Some(password) = password {
        who = who.set_password(password);
    }
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(CALL_WITHIN * 10));
    let refused = |error: RedisError| format!("{place} refuses us: {}", words(&error));
    match tls {
        None => {
            let (connection, driver) =
                MultiplexedConnection::new_with_config(&who, stream, config).await.map_err(refused)?;
            Ok((connection, Box::pin(driver)))
        }
        Some(tls) => {
            let name = ServerName::try_from(options.host.clone()).map_err(|error| format!("{place}: {error}"))?;
            let stream = TlsConnector::from(tls).connect(name, stream).await;
            let stream = stream.map_err(|error| format!("no TLS with {place}: {error}"))?;
            let (connection, driver) =
                MultiplexedConnection::new_with_config(&who, stream, config).await.map_err(refused)?;
            Ok((connection, Box::pin(driver)))
        }
    }
}

/// What went wrong, without what was asked or answered.
pub(super) fn words(error: &RedisError) -> String {
    match error.code() {
        Some(code) => format!("{} ({code})", error.category()),
        None => error.category().to_owned(),
    }
}

fn password(options: &Options) -> Result<Option<String>, String> {
    match &options.password {
        Password::None => Ok(None),
        Password::Given(password) => Ok(Some(password.clone())),
        Password::File(path) => {
            let text = String::from_utf8(read(path)?).map_err(|_| format!("{}: no text", path.display()))?;
            let line = text.lines().next().unwrap_or_default();
            if line.is_empty() {
                return Err(format!("{}: its first line should be the password", path.display()));
            }
            Ok(Some(line.to_owned()))
        }
    }
}

fn tls(options: &Options) -> Result<Option<Arc<ClientConfig>>, String> {
    let Some(path) = options.authorities.as_ref().filter(|_| options.tls) else { return Ok(None) };
    let wrong = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut roots = rustls::RootCertStore::empty();
    for certificate in barid_pem::certificates(&read(path)?).map_err(|error| wrong(path, &error))? {
        roots.add(certificate).map_err(|error| wrong(path, &error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let config = match &options.certificate {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = barid_pem::certificates(&read(certificate)?).map_err(|error| wrong(certificate, &error))?;
            let key = barid_pem::private_key(&read(key)?).map_err(|error| wrong(key, &error))?;
            config.with_client_auth_cert(chain, key).map_err(|error| wrong(certificate, &error))?
        }
    };
    Ok(Some(Arc::new(config)))
}

/// Largest file that is read, in bytes: a bundle of a hundred authorities.
const FILE_BYTES_MAX: u64 = 1 << 20;

fn read(path: &Path) -> Result<Vec<u8>, String> {
    barid_files::read(path, FILE_BYTES_MAX).map_err(|error| format!("{}: {error}", path.display()))
}
