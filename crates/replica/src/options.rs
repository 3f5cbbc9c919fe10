//! Options of every service of the mesh: flags, and the environment variables named beside them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barid_rpc::{Credentials, Target, Tls};
use barid_runtime::{Exit, Failure, admin, otlp, telemetry, time};

/// What every replica needs to know.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Where calls are taken
    #[arg(long, env = "BARID_LISTEN", value_name = "ADDR", default_value = "0.0.0.0:7411")]
    pub listen: SocketAddr,
    /// Where others reach these calls, HOST or HOST:PORT [default: the address of --listen, or this machine's name]
    #[arg(long, env = "BARID_ADVERTISE", value_name = "HOST")]
    pub advertise: Option<String>,
    /// Where snapshots come from: `host:port`, each address of the name is one
    #[arg(long, env = "BARID_PUBLISHERS", value_name = "HOST:PORT", value_delimiter = ',', required = true)]
    pub publishers: Vec<String>,
    /// Where the last good snapshot is kept
    #[arg(long, env = "BARID_DATA", value_name = "DIR", default_value = "barid-data")]
    pub data: PathBuf,
    /// What this replica is called
    #[arg(long, env = "BARID_REPLICA", value_name = "NAME")]
    pub replica: Option<String>,
    /// Mutual TLS
    #[command(flatten)]
    pub tls: TlsOptions,
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
    /// Traces, metrics and logs to a collector
    #[command(flatten)]
    pub otlp: otlp::Options,
}

/// The files of mutual TLS; calls are plain without them.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TlsOptions {
    /// Our certificate (PEM); with it, calls are mutual TLS
    #[arg(long, env = "BARID_TLS_CERTIFICATE", value_name = "FILE", requires_all = ["tls_key", "tls_authorities"])]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(long, env = "BARID_TLS_KEY", value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// Whose certificates the other ends may show (PEM)
    #[arg(long, env = "BARID_TLS_AUTHORITIES", value_name = "FILE", requires = "tls_certificate")]
    pub tls_authorities: Option<PathBuf>,
}

impl TlsOptions {
    /// Reads the files; none where there are none. Blocking.
    ///
    /// # Errors
    /// Where they cannot be used.
    pub fn load(&self) -> Result<Option<Arc<Tls>>, Failure> {
        let files = (self.tls_certificate.clone(), self.tls_key.clone(), self.tls_authorities.clone());
        let (Some(certificate), Some(key), Some(authorities)) = files else { return Ok(None) };
        let tls = Tls::load(Credentials { certificate, key, authorities });
        tls.map(Some).map_err(|error| Failure::new(Exit::Configuration, error.to_string()))
    }
}

impl Options {
    /// Where snapshots come from.
    #[must_use]
    pub fn publishers(&self) -> Vec<Target> {
        self.publishers.iter().cloned().map(Target::Name).collect()
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    time::read_duration(text).ok_or_else(|| "not a duration such as 250ms, 30s, 15m or 2h".to_owned())
}

fn format(text: &str) -> Result<telemetry::Format, String> {
    match text {
        "text" => Ok(telemetry::Format::Text),
        "json" => Ok(telemetry::Format::Json),
        _ => Err("write text or json".to_owned()),
    }
}
