//! NATS servers: one, or a cluster, with JetStream, an account for Barid and the system account.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::Signal;
use tempfile::TempDir;

pub use super::TlsFiles;
use super::{Guarded, Place, ServerError, installed, last_words};
use crate::process::{free_port, get};

/// The environment variable that names another server program.
pub const SERVER_VARIABLE: &str = "BARID_NATS_SERVER";
/// User and password of the account that Barid's streams are in.
pub const USER: (&str, &str) = ("barid", "barid-secret");
/// User and password of the system account.
pub const SYSTEM: (&str, &str) = ("system", "system-secret");
/// How long servers may take to be ready: they choose leaders after 4 to 9 s.
const READY: Duration = Duration::from_secs(60);
/// How long an answer may take: one that is frozen or cut off never gives any.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The server program.
///
/// # Errors
/// Where it is not installed.
pub fn program() -> Result<PathBuf, ServerError> {
    installed(SERVER_VARIABLE, "nats-2.15/nats-server", "scripts/nats")
}

/// How servers are configured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many; three make a cluster that survives the loss of one.
    pub count: usize,
    /// `sync_interval`: `always`, or a time such as `2m`.
    pub sync_interval: String,
    /// Bytes all streams of one server may take.
    pub file_store: u64,
    /// The part of the configuration with the accounts; none: one account with [`USER`], and the system account with [`SYSTEM`].
    pub accounts: Option<String>,
    /// Largest message.
    pub max_payload: String,
    /// TLS for clients, who need a certificate too.
    pub tls: Option<TlsFiles>,
    /// Where each runs; those that are not named run on this machine.
    pub places: Vec<Place>,
}

impl Default for Settings {
    /// Three servers that sync before they acknowledge.
    fn default() -> Self {
        Self {
            count: 3,
            sync_interval: "always".into(),
            file_store: 20 << 30,
            accounts: None,
            max_payload: "2MB".into(),
            tls: None,
            places: Vec::new(),
        }
    }
}

#[derive(Debug)]
struct One {
    place: Place,
    client: u16,
    monitor: u16,
    config: PathBuf,
    log: PathBuf,
    running: Mutex<Option<Guarded>>,
}

impl One {
    fn monitoring(&self) -> std::net::SocketAddr {
        std::net::SocketAddr::from((self.place.address, self.monitor))
    }
}

/// Servers of one cluster. Dropping it kills them and removes their data.
#[derive(Debug)]
pub struct NatsServers {
    program: PathBuf,
    servers: Vec<One>,
    settings: Settings,
    routes: Vec<u16>,
    directory: TempDir,
}

impl NatsServers {
    /// Starts servers and waits until they are ready.
    ///
    /// # Errors
    /// Where the program is missing or they are not ready in time.
    pub async fn start(settings: Settings) -> Result<Self, ServerError> {
        let directory = TempDir::new().map_err(|error| ServerError::System("temporary folder", error))?;
        let port = || free_port().map_err(|error| ServerError::System("port", error));
        let mut servers = Vec::new();
        let mut routes = Vec::new();
        for number in 1..=settings.count {
            let place = directory.path().join(format!("n{number}"));
            std::fs::create_dir_all(&place).map_err(|error| ServerError::System("folder", error))?;
            routes.push(port()?);
            servers.push(One {
                place: settings.places.get(number - 1).cloned().unwrap_or_default(),
                client: port()?,
                monitor: port()?,
                config: place.join("nats.conf"),
                log: place.join("log"),
                running: Mutex::new(None),
            });
        }
        let all = Self { program: program()?, servers, settings, routes, directory };
        for number in 0..all.servers.len() {
            all.restart(number)?;
        }
        all.ready().await?;
        Ok(all)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.servers.len()
    }

    /// The addresses of all of them.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let scheme = if self.settings.tls.is_some() { "tls" } else { "nats" };
        let address = |server: &One| format!("{scheme}://{}:{}", server.place.address, server.client);
        self.servers.iter().map(address).collect()
    }

    /// What a server's monitoring answers.
    pub async fn ask(&self, number: usize, path: &str) -> Option<String> {
        let answer = get(self.servers.get(number)?.monitoring(), path);
        let answer = tokio::time::timeout(ASK_TIMEOUT, answer).await.ok()?.ok();
        answer.filter(|(status, _)| *status == 200).map(|(_, body)| body)
    }

    /// A server's memory, in bytes, where it runs.
    #[must_use]
    pub fn resident(&self, number: usize) -> Option<u64> {
        self.servers.get(number)?.running.lock().as_ref()?.resident()
    }

    /// Where their data are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts a server that does not run, with its data.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn restart(&self, number: usize) -> Result<(), ServerError> {
        self.restart_with(number, &self.settings.sync_interval.clone())
    }

    /// The same with another `sync_interval`.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn restart_with(&self, number: usize, sync_interval: &str) -> Result<(), ServerError> {
        let Some(server) = self.servers.get(number) else { return Ok(()) };
        std::fs::write(&server.config, self.config(number, sync_interval))
            .map_err(|error| ServerError::System("configuration", error))?;
        let config = server.config.display().to_string();
        let mut running = server.running.lock();
        if running.is_none() {
            *running = Some(Guarded::start_at(&server.place, &self.program, &["-c", &config], &server.log)?);
        }
        Ok(())
    }

    fn config(&self, number: usize, sync_interval: &str) -> String {
        let Some(server) = self.servers.get(number) else { return String::new() };
        let name = number + 1;
        let data = self.directory.path().join(format!("n{name}")).join("data");
        let cluster = if self.servers.len() > 1 {
            let places = self.servers.iter().map(|server| server.place.address);
            let routes: Vec<String> =
                places.zip(&self.routes).map(|(address, port)| format!("nats://{address}:{port}")).collect();
            let own = self.routes.get(number).copied().unwrap_or_default();
            let routes = routes.join(", ");
            format!("cluster {{ name: barid, listen: \"{}:{own}\", routes: [{routes}] }}\n", server.place.address)
        } else {
            String::new()
        };
        let accounts = self.settings.accounts.clone().unwrap_or_else(|| {
            format!(
                "accounts {{\n  BARID {{ jetstream: enabled, users: [{{ user: {}, password: {} }}] }}\n  \
                 SYS {{ users: [{{ user: {}, password: {} }}] }}\n}}\nsystem_account: SYS\n",
                USER.0, USER.1, SYSTEM.0, SYSTEM.1,
            )
        });
        let tls = self.settings.tls.as_ref().map_or_else(String::new, |files| {
            format!(
                "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}\n",
                files.certificate.display(),
                files.key.display(),
                files.authorities.display(),
            )
        });
        let address = server.place.address;
        format!(
            "server_name: n{name}\nlisten: \"{address}:{}\"\nhttp: \"{address}:{}\"\nmax_payload: {}\n\
             jetstream {{ store_dir: \"{}\", sync_interval: {sync_interval}, max_file_store: {}, max_memory_store: 256MB }}\n\
             {tls}{cluster}{accounts}",
            server.client,
            server.monitor,
            self.settings.max_payload,
            data.display(),
            self.settings.file_store,
        )
    }

    /// Waits until all that run say they are healthy: connected to each other, with a leader, their data recovered.
    ///
    /// # Errors
    /// Where one is not in time; its last words are part of the error.
    pub async fn ready(&self) -> Result<(), ServerError> {
        let deadline = Instant::now() + READY;
        for server in &self.servers {
            if server.running.lock().is_none() {
                continue;
            }
            while !matches!(get(server.monitoring(), "/healthz").await, Ok((200, _))) {
                if Instant::now() >= deadline {
                    return Err(ServerError::Late { what: "ready", log: last_words(&server.log) });
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Ends a server as a power cut would, but for what its system still has in memory.
    pub fn kill(&self, number: usize) {
        if let Some(server) = self.servers.get(number) {
            drop(server.running.lock().take());
        }
    }

    /// Stops a server in the middle of whatever it does; it keeps its connections.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn freeze(&self, number: usize) -> Result<(), ServerError> {
        self.with(number, Guarded::freeze)
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn thaw(&self, number: usize) -> Result<(), ServerError> {
        self.with(number, |guarded| guarded.signal(Signal::CONT))
    }

    /// Has a server read its configuration and certificates again.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn reload(&self, number: usize) -> Result<(), ServerError> {
        self.with(number, |guarded| guarded.signal(Signal::HUP))
    }

    fn with(&self, number: usize, what: impl FnOnce(&Guarded) -> Result<(), ServerError>) -> Result<(), ServerError> {
        let running = self.servers.get(number).map(|server| server.running.lock());
        running.as_ref().and_then(|running| running.as_ref()).map_or(Ok(()), what)
    }
}
