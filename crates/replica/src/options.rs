//! Options of every service of the mesh: flags, and the environment variables named beside them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use barid_log_nats::{Connect, NatsLog};
use barid_model::Partitions;
use barid_rpc::{Credentials, Target};
use barid_runtime::{Exit, Failure, admin, telemetry, time};

/// What every replica needs to know.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Where calls are taken
    #[arg(long, env = "BARID_LISTEN", value_name = "ADDR", default_value = "0.0.0.0:7411")]
    pub listen: SocketAddr,
    /// Where snapshots come from: `host:port`, each address of the name is one
    #[arg(long, env = "BARID_PUBLISHERS", value_name = "HOST:PORT", value_delimiter = ',', required = true)]
    pub publishers: Vec<String>,
    /// Where the last good snapshot is kept
    #[arg(long, env = "BARID_DATA", value_name = "DIR", default_value = "barid-data")]
    pub data: PathBuf,
    /// What this replica is called
    #[arg(long, env = "BARID_REPLICA", value_name = "NAME")]
    pub replica: Option<String>,
    /// Our certificate (PEM); with it, calls are mutual TLS
    #[arg(long, env = "BARID_TLS_CERTIFICATE", value_name = "FILE", requires_all = ["tls_key", "tls_authorities"])]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(long, env = "BARID_TLS_KEY", value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// Whose certificates the other ends may show (PEM)
    #[arg(long, env = "BARID_TLS_AUTHORITIES", value_name = "FILE", requires = "tls_certificate")]
    pub tls_authorities: Option<PathBuf>,
    /// Where the admin endpoint (health, readiness, metrics) listens
    #[arg(long, env = "BARID_ADMIN", value_name = "ADDR", default_value = admin::DEFAULT_ADDRESS)]
    pub admin: SocketAddr,
    /// How long a drain may take once told to stop
    #[arg(long, env = "BARID_GRACE", value_name = "TIME", value_parser = duration, default_value = "25s")]
    pub grace: Duration,
    /// What to log: a level or directives [default: $BARID_LOG, else info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// How to log [default: $BARID_LOG_FORMAT, else text]
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub log_format: Option<telemetry::Format>,
}

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

impl Options {
    /// Where snapshots come from.
    #[must_use]
    pub fn publishers(&self) -> Vec<Target> {
        self.publishers.iter().cloned().map(Target::Name).collect()
    }

    /// The files of TLS; none without.
    #[must_use]
    pub fn credentials(&self) -> Option<Credentials> {
        Some(Credentials {
            certificate: self.tls_certificate.clone()?,
            key: self.tls_key.clone()?,
            authorities: self.tls_authorities.clone()?,
        })
    }
}

impl LogOptions {
    /// Opens the log.
    ///
    /// # Errors
    /// [`Failure`] with what to do.
    pub async fn open(&self) -> Result<NatsLog, Failure> {
        let seed = |path: &PathBuf| {
            let read = std::fs::read_to_string(path);
            let failed = |error| Failure::new(Exit::Configuration, format!("{}: {error}", path.display()));
            read.map(|text| text.trim().to_owned()).map_err(failed)
        };
        let connect = |seed: Option<String>| Connect {
            nkey_seed: seed,
            authorities: self.nats_authorities.clone(),
            ..Connect::to(self.nats.iter().cloned())
        };
        let own = connect(self.nats_seed.as_ref().map(seed).transpose()?);
        let system = self.nats_system_seed.as_ref().map(seed).transpose()?;
        let options = barid_log_nats::Options {
            system: system.map(|seed| connect(Some(seed))),
            replicas: self.nats_replicas,
            strict: !self.nats_unproven,
            ..barid_log_nats::Options::new(own, &self.installation, self.partitions, Partitions::HASH)
        };
        NatsLog::open(options).await.map_err(|error| Failure::new(Exit::Storage, error.to_string()))
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    time::read_duration(text).ok_or_else(|| "not a duration such as 250ms, 30s, 15m or 2h".to_owned())
}

fn format(text: &str) -> Result<telemetry::Format, String> {
    match text {
        "text" => Ok(telemetry::Format::Text),
        "json" => Ok(telemetry::Format::Json),
        _ => Err("write text or json".to_owned()),
    }
}
