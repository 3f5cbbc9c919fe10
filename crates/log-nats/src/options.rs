//! How the log is reached, how large it may become, and why it does not open.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use barid_model::ErrorClass;

/// How to connect to the servers.
#[derive(Clone, Default)]
pub struct Connect {
    /// Addresses, `nats://host:port` or `tls://host:port`; the client learns of the others from any of them.
    pub servers: Vec<String>,
    /// Seed of an NKEY user.
    pub nkey_seed: Option<String>,
    /// User and password, where there are no NKEYs.
    pub user: Option<(String, String)>,
    /// Certificate authorities that servers are checked against (PEM); without it those of the system. These files are read for each connection, so that
    /// changed ones hold from the next on.
    pub authorities: Option<PathBuf>,
    /// Our certificate and key (PEM).
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Whether a connection without TLS is refused.
    pub require_tls: bool,
    /// What inboxes begin with, where the user may only listen to its own. Default `_INBOX`, and behind it the public key of an NKEY user.
    pub inbox_prefix: Option<String>,
}

impl Connect {
    /// These servers, without credentials.
    #[must_use]
    pub fn to(servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { servers: servers.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The same as this user.
    #[must_use]
    pub fn as_user(mut self, user: &str, password: &str) -> Self {
        self.user = Some((user.to_owned(), password.to_owned()));
        self
    }
}

impl fmt::Debug for Connect {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connect({:?})", self.servers)
    }
}

/// How large each stream may become, in bytes. In sum, times the replicas a server holds, at most 70 % of its volume: a full volume freezes streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// IN and refused messages.
    pub intake: u64,
    /// OUT and ROUTED.
    pub outputs: u64,
    /// PARK.
    pub park: u64,
    /// OUTCOME and commands.
    pub outcomes: u64,
    /// Payloads over 512 kB.
    pub objects: u64,
    /// Keys: commits, checkpoints, leases, revisions, answers.
    pub keys: u64,
}

impl Default for Sizes {
    /// For a volume of 100 GB: 68 GiB, a day of a country's messages in IN and OUT each.
    fn default() -> Self {
        Self {
            intake: 20 << 30,
            outputs: 20 << 30,
            park: 10 << 30,
            outcomes: 4 << 30,
            objects: 10 << 30,
            keys: 4 << 30,
        }
    }
}

impl Sizes {
    /// The same size for all, for tests and small installations.
    #[must_use]
    pub fn each(bytes: u64) -> Self {
        Self { intake: bytes, outputs: bytes, park: bytes, outcomes: bytes, objects: bytes, keys: bytes }
    }
}

/// Options of the log.
#[derive(Debug, Clone)]
pub struct Options {
    /// The servers, as a user who may use the installation's streams.
    pub connect: Connect,
    /// The same servers as a user of the system account: only it can see how a server writes. Without it nothing is proven.
    pub system: Option<Connect>,
    /// Name of the installation: 1 to 32 letters, digits, `-` and `_`; several may share servers.
    pub installation: String,
    /// Number of partitions of IN. Fixed when the log is made.
    pub partitions: u32,
    /// Name of the hash that maps facilities to partitions. Fixed when the log is made.
    pub hash: String,
    /// Copies of each stream. 3; 1 is for tests.
    pub replicas: usize,
    /// Limits of the streams.
    pub sizes: Sizes,
    /// Whether intake is refused while it is not proven that servers sync before they acknowledge.
    pub strict: bool,
    /// After this long without an answer an append's result is unknown. 15 s: servers take 4 to 9 s to choose a new leader.
    pub answer_within: Duration,
    /// How often trims are carried out on the servers: each is some requests a subject, one subject after another. 10 s.
    pub trim_every: Duration,
    /// How long a large payload may be there that no block refers to, before it is removed: far longer than an append takes. 1 h.
    pub orphans_after: Duration,
    /// Bytes kept, a family of subjects, of what was read ahead for subjects that catch up together; 0: each reads for itself. 32 MiB: four passes of 8 MiB.
    pub read_ahead: usize,
    /// How often sizes of streams are looked at.
    pub look_every: Duration,
}

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new(connect: Connect, installation: &str, partitions: u32, hash: &str) -> Self {
        Self {
            connect,
            system: None,
            installation: installation.to_owned(),
            partitions,
            hash: hash.to_owned(),
            replicas: 3,
            sizes: Sizes::default(),
            strict: true,
            answer_within: Duration::from_secs(15),
            trim_every: Duration::from_secs(10),
            orphans_after: Duration::from_secs(3600),
            read_ahead: 32 << 20,
            look_every: Duration::from_secs(5),
        }
    }
}

/// Why the log does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No server answers, or JetStream has no leader. It may answer later.
    #[error("NATS servers {servers:?} do not answer: {why}")]
    Unreachable {
        /// The addresses tried.
        servers: Vec<String>,
        /// What happened.
        why: String,
    },
    /// The connection's settings cannot be used.
    #[error("NATS connection: {0}")]
    Connection(String),
    /// The name of the installation.
    #[error("installation {0:?}: 1 to 32 letters, digits, '-' and '_'")]
    Name(String),
    /// The servers' limit on messages is too small.
    #[error(
        "servers take messages up to {actual} bytes, {needed} are needed: set max_payload: 2MB in the configuration of each"
    )]
    MaxPayload {
        /// Their limit.
        actual: usize,
        /// What is needed.
        needed: usize,
    },
    /// Strict, and nobody who could see whether servers sync.
    #[error(
        "{why}; without it intake is refused: name the seed of a user of the servers' system account (--nats-system-seed) who may publish to \
         $SYS.REQ.SERVER.PING.VARZ, or give the proof of durability up (--nats-unproven)"
    )]
    SystemUser {
        /// What is missing.
        why: String,
    },
    /// A stream is not as it has to be.
    #[error("stream {stream}: {why}")]
    Stream {
        /// Its name.
        stream: String,
        /// What is wrong, and the remedy.
        why: String,
    },
    /// Made with other partitions: messages would change their order.
    #[error(
        "log {installation} was made with {stored} partitions by {stored_hash}, not {asked} by {asked_hash}; set them back, or start a new installation"
    )]
    Partitions {
        /// The installation.
        installation: String,
        /// Its count.
        stored: u32,
        /// Its hash.
        stored_hash: String,
        /// The count asked for.
        asked: u32,
        /// The hash asked for.
        asked_hash: String,
    },
    /// The identity is not readable: written by a newer version, or damaged.
    #[error("identity of {installation}: {why}")]
    Identity {
        /// The installation.
        installation: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl OpenError {
    /// Whether trying again later makes sense.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Unreachable { .. } => ErrorClass::Retryable,
            _ => ErrorClass::Fatal,
        }
    }
}
