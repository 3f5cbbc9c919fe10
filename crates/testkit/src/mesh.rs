//! A mesh on this machine: real NATS servers, the documents' publisher, and several of each service, every one a process of
//! its own that can be killed, frozen and started again.
//!
//! Ingress replicas have an address each (127.0.0.1, 127.0.0.2 and so on) and the ports of the documents.

mod arguments;
mod publishing;
mod replica;
mod secured;
mod size;
mod told;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::Signal;
use tempfile::TempDir;

pub(crate) use self::arguments::fixed_port;
use self::arguments::{common, of_role};
use self::replica::Replica;
pub use self::secured::Secured;
use crate::process::{ProcessError, binary, get};
use crate::servers::nats::{self, NatsServers};
use crate::servers::{Place, ServerError};

/// How long a command of the tool may take: an audit waits for the ledger.
const TOOL_TIMEOUT: Duration = Duration::from_secs(300);
/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A service of the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The parse stage.
    Parser,
    /// The apply stage.
    Transformer,
    /// Listeners.
    Ingress,
    /// Routers.
    Router,
    /// Owners of destinations.
    Delivery,
    /// The history.
    Ledger,
}

impl Role {
    /// All of them, in the order they are started.
    pub const ALL: [Self; 6] =
        [Self::Parser, Self::Transformer, Self::Ledger, Self::Delivery, Self::Router, Self::Ingress];

    /// Its program.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Parser => "barid-parser-validator",
            Self::Transformer => "barid-transformer",
            Self::Ingress => "barid-ingress",
            Self::Router => "barid-router",
            Self::Delivery => "barid-delivery",
            Self::Ledger => "barid-ledger",
        }
    }
}

/// What a mesh is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The documents.
    pub documents: String,
    /// How many of each service; none of those that are not named.
    pub replicas: BTreeMap<Role, usize>,
    /// The servers.
    pub nats: nats::Settings,
    /// Partitions of the log.
    pub partitions: u32,
}

/// Where replicas run; those that are not named run on this machine.
#[derive(Debug, Clone)]
pub struct Places {
    /// Where the documents are published: an address of the test's.
    pub publisher: Ipv4Addr,
    /// Of each replica.
    pub replicas: BTreeMap<(Role, usize), Place>,
}

impl Default for Places {
    fn default() -> Self {
        Self { publisher: Ipv4Addr::LOCALHOST, replicas: BTreeMap::new() }
    }
}

impl Places {
    fn of(&self, role: Role, number: usize) -> Place {
        self.replicas.get(&(role, number)).cloned().unwrap_or_default()
    }

    /// Where an ingress replica listens: on one machine, each at an address of its own.
    fn listener(&self, number: usize) -> IpAddr {
        let place = self.of(Role::Ingress, number);
        if place.address.is_loopback() { Mesh::ingress(number) } else { IpAddr::V4(place.address) }
    }
}

/// A running mesh. Dropping it kills all of it and removes its data.
#[derive(Debug)]
pub struct Mesh {
    /// Its NATS servers.
    pub nats: NatsServers,
    publisher: Replica,
    replicas: BTreeMap<(Role, usize), Replica>,
    listeners: Vec<IpAddr>,
    directory: TempDir,
}

/// What can go wrong with a mesh.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// A server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A program.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The system refused.
    #[error("{0}: {1}")]
    System(&'static str, #[source] std::io::Error),
    /// A replica is not ready in time.
    #[error("{role:?} {number} is not ready within {} ms: {why}\nits last words:\n{log}", within.as_millis())]
    Late {
        /// Which.
        role: Role,
        /// Which of them.
        number: usize,
        /// How long it was waited for.
        within: Duration,
        /// What its admin endpoint said.
        why: String,
        /// The end of what it wrote.
        log: String,
    },
}

impl Mesh {
    /// Starts all of it; nothing is ready yet but the servers.
    ///
    /// # Errors
    /// Where a program is missing or cannot be started.
    pub async fn start(settings: Settings) -> Result<Self, MeshError> {
        let mesh = Self::prepare(settings).await?;
        for replica in mesh.replicas.values() {
            replica.start()?;
        }
        Ok(mesh)
    }

    /// Starts servers and publisher; each replica is to be started by [`Self::restart`].
    ///
    /// # Errors
    /// Where a program is missing or cannot be started.
    pub async fn prepare(settings: Settings) -> Result<Self, MeshError> {
        Self::prepare_at(settings, &Places::default()).await
    }

    /// The same, with replicas where these places are.
    ///
    /// # Errors
    /// Where a program is missing or cannot be started.
    pub async fn prepare_at(settings: Settings, places: &Places) -> Result<Self, MeshError> {
        Self::prepare_with(settings, places, None).await
    }

    async fn prepare_with(settings: Settings, places: &Places, secured: Option<&Secured>) -> Result<Self, MeshError> {
        let failed = |what| move |error| MeshError::System(what, error);
        let directory = TempDir::new().map_err(failed("temporary folder"))?;
        let documents = directory.path().join("documents");
        std::fs::create_dir_all(&documents).map_err(failed("folder"))?;
        std::fs::write(documents.join("all.yaml"), &settings.documents).map_err(failed("documents"))?;
        let storage = settings.nats.file_store;
        let nats = NatsServers::start(settings.nats.clone()).await?;
        let port = || fixed_port().map_err(failed("port"));
        let programs = binary()?;
        let published = SocketAddr::from((places.publisher, port()?));
        let data = |name: &str| directory.path().join(name).display().to_string();
        let mut arguments: Vec<String> =
            ["--data", &data("publisher"), "serve-config", &data("documents"), "--listen", &published.to_string()]
                .map(str::to_owned)
                .to_vec();
        arguments.extend(secured.map_or_else(Vec::new, Secured::of_publisher));
        let publisher = Replica {
            place: Place::default(),
            arguments,
            program: programs.clone(),
            admin: published,
            log: directory.path().join("publisher.log"),
            running: Mutex::default(),
        };
        let mut calls: BTreeMap<Role, Vec<String>> = BTreeMap::new();
        let mut replicas = BTreeMap::new();
        for role in Role::ALL {
            for number in 0..settings.replicas.get(&role).copied().unwrap_or(0) {
                let place = places.of(role, number);
                let (listen, admin) =
                    (SocketAddr::from((place.address, port()?)), SocketAddr::from((place.address, port()?)));
                calls.entry(role).or_default().push(listen.to_string());
                let name = format!("{}-{number}", role.program().trim_start_matches("barid-"));
                let mut arguments = common(&nats, settings.partitions, storage, secured.is_none());
                arguments.extend(secured.map_or_else(Vec::new, |secured| secured.of_role(role)));
                for (flag, value) in [
                    ("--publishers", published.to_string()),
                    ("--listen", listen.to_string()),
                    ("--admin", admin.to_string()),
                    ("--data", data(&name)),
                    ("--replica", name.clone()),
                ] {
                    arguments.extend([flag.to_owned(), value]);
                }
                arguments.extend(of_role(role, places.listener(number), &calls));
                let replica = Replica {
                    place,
                    arguments,
                    program: programs.with_file_name(role.program()),
                    admin,
                    log: directory.path().join(format!("{name}.log")),
                    running: Mutex::default(),
                };
                replicas.insert((role, number), replica);
            }
        }
        let listeners = (0..settings.replicas.get(&Role::Ingress).copied().unwrap_or(0)).map(|n| places.listener(n));
        let mesh = Self { nats, publisher, replicas, listeners: listeners.collect(), directory };
        mesh.publisher.start()?;
        Ok(mesh)
    }

    /// Waits until every replica that runs says that it is ready.
    ///
    /// # Errors
    /// [`MeshError::Late`].
    pub async fn ready(&self, within: Duration) -> Result<(), MeshError> {
        let deadline = Instant::now() + within;
        for ((role, number), replica) in &self.replicas {
            if replica.running.lock().is_none() {
                continue;
            }
            loop {
                let said = get(replica.admin, "/readyz").await;
                if matches!(said, Ok((200, _))) {
                    break;
                }
                let ended = replica.running.lock().as_ref().is_some_and(|running| !running.lives());
                if Instant::now() >= deadline || ended {
                    let said = said.map_or_else(|error| error.to_string(), |(_, body)| body);
                    let why = if ended { "it has ended by itself".to_owned() } else { said };
                    return Err(MeshError::Late {
                        role: *role,
                        number: *number,
                        within,
                        why,
                        log: replica.last_words(),
                    });
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Where an ingress replica listens.
    #[must_use]
    pub fn ingress(number: usize) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, u8::try_from(number + 1).unwrap_or(u8::MAX)))
    }

    /// The same, wherever it runs.
    #[must_use]
    pub fn listener(&self, number: usize) -> IpAddr {
        self.listeners.get(number).copied().unwrap_or_else(|| Self::ingress(number))
    }

    /// Ends a replica at once, as a power cut would.
    pub fn kill(&self, role: Role, number: usize) {
        if let Some(replica) = self.replicas.get(&(role, number)) {
            drop(replica.running.lock().take());
        }
    }

    /// Stops a replica's processor time, or gives it back.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn freeze(&self, role: Role, number: usize, frozen: bool) -> Result<(), MeshError> {
        let Some(replica) = self.replicas.get(&(role, number)) else { return Ok(()) };
        match (&*replica.running.lock(), frozen) {
            (Some(running), true) => Ok(running.freeze()?),
            (Some(running), false) => Ok(running.signal(Signal::CONT)?),
            (None, _) => Ok(()),
        }
    }

    /// Starts a replica that does not run, with its data.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn restart(&self, role: Role, number: usize) -> Result<(), MeshError> {
        self.replicas.get(&(role, number)).map_or(Ok(()), Replica::start)
    }

    /// Everything a replica wrote so far, over all its runs.
    #[must_use]
    pub fn log(&self, role: Role, number: usize) -> String {
        self.replicas.get(&(role, number)).map(Replica::words).unwrap_or_default()
    }

    /// A replica's data directory.
    #[must_use]
    pub fn data(&self, role: Role, number: usize) -> PathBuf {
        self.directory.path().join(format!("{}-{number}", role.program().trim_start_matches("barid-")))
    }

    /// Runs the tool beside a ledger, as `barid --data <its directory> ARGUMENTS`.
    ///
    /// # Errors
    /// Where it cannot be started or does not end in time.
    pub async fn tool(&self, ledger: usize, arguments: &[&str]) -> Result<Output, MeshError> {
        let mut command = tokio::process::Command::new(&self.publisher.program);
        command
            .arg("--data")
            .arg(self.data(Role::Ledger, ledger))
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        match tokio::time::timeout(TOOL_TIMEOUT, command.output()).await {
            Ok(output) => output.map_err(|error| MeshError::System("run", error)),
            Err(_) => Err(MeshError::System("run", std::io::ErrorKind::TimedOut.into())),
        }
    }

    /// What an admin endpoint answers.
    pub async fn ask(&self, role: Role, number: usize, path: &str) -> Option<(u16, String)> {
        get(self.replicas.get(&(role, number))?.admin, path).await.ok()
    }
}
