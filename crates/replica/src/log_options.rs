//! Where the log of a mesh is: flags, and the environment variables named beside them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use barid_log_nats::{Connect, NatsLog};
use barid_model::Partitions;
use barid_runtime::{Exit, Failure};

/// Largest file of a seed, in bytes: a seed has 58.
const SEED_BYTES_MAX: u64 = 1_024;

/// Where the log is.
#[derive(Debug, Clone, clap::Args)]
pub struct LogOptions {
    /// NATS servers: `nats://host:port` or `tls://host:port`
    #[arg(long, env = "BARID_NATS", value_name = "URL", value_delimiter = ',', required = true)]
    pub nats: Vec<String>,
    /// File with the seed of our NKEY user
    #[arg(long, env = "BARID_NATS_SEED", value_name = "FILE")]
    pub nats_seed: Option<PathBuf>,
    /// File with the seed of a user of the system account, who can see whether servers sync
    #[arg(long, env = "BARID_NATS_SYSTEM_SEED", value_name = "FILE")]
    pub nats_system_seed: Option<PathBuf>,
    /// Authorities of the servers' certificates (PEM)
    #[arg(long, env = "BARID_NATS_AUTHORITIES", value_name = "FILE")]
    pub nats_authorities: Option<PathBuf>,
    /// Name of the installation; several may share servers
    #[arg(long, env = "BARID_INSTALLATION", value_name = "NAME", default_value = "barid")]
    pub installation: String,
    /// Partitions of the log; fixed when it is made
    #[arg(long, env = "BARID_PARTITIONS", value_name = "N", default_value_t = 64)]
    pub partitions: u32,
    /// Copies of each stream
    #[arg(long, env = "BARID_NATS_REPLICAS", value_name = "N", default_value_t = 3)]
    pub nats_replicas: usize,
    /// Take messages without proof that servers sync before they acknowledge
    #[arg(long, env = "BARID_NATS_UNPROVEN")]
    pub nats_unproven: bool,
}

impl LogOptions {
    /// Opens the log.
    ///
    /// # Errors
    /// [`Failure`] with what to do.
    pub async fn open(&self) -> Result<NatsLog, Failure> {
        let connect = |seed: Option<String>| Connect {
            nkey_seed: seed,
            authorities: self.nats_authorities.clone(),
            ..Connect::to(self.nats.iter().cloned())
        };
        let own = connect(self.nats_seed.as_deref().map(seed).transpose()?);
        let system = self.nats_system_seed.as_deref().map(seed).transpose()?;
        let options = barid_log_nats::Options {
            system: system.map(|seed| connect(Some(seed))),
            replicas: self.nats_replicas,
            strict: !self.nats_unproven,
            ..barid_log_nats::Options::new(own, &self.installation, self.partitions, Partitions::HASH)
        };
        NatsLog::open(options).await.map_err(|error| Failure::new(Exit::Storage, error.to_string()))
    }
}

/// The seed in a file.
fn seed(path: &Path) -> Result<String, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::new(Exit::Configuration, format!("{}: {error}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    let mut text = String::new();
    file.take(SEED_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    if text.len() as u64 > SEED_BYTES_MAX {
        return Err(failed(&"too large for the seed of an NKEY user: name the file with the seed alone"));
    }
    Ok(text.trim().to_owned())
}
