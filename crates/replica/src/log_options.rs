//! Where the log of a mesh is: flags, and the environment variables named beside them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use barid_log_nats::{Connect, NatsLog, Sizes};
use barid_model::{ErrorClass, Partitions};
use barid_runtime::{Exit, Failure};

/// Largest file of a seed, in bytes: a seed has 58.
const SEED_BYTES_MAX: u64 = 1_024;

/// How long servers may be without an answer while a process starts: they choose leaders for up to 9 s, more where several start
/// at once and make the streams of a new installation.
const OPEN_WITHIN: Duration = Duration::from_secs(60);
/// Pause before they are asked again.
const OPEN_AGAIN: Duration = Duration::from_millis(500);

/// Where the log is.
#[derive(Debug, Clone, clap::Args)]
pub struct LogOptions {
    /// NATS servers: `nats://host:port` or `tls://host:port`; with `user:password@` before the host where there are no NKEYs
    #[arg(long, env = "BARID_NATS", value_name = "URL", value_delimiter = ',', required = true)]
    pub nats: Vec<String>,
    /// File with the seed of our NKEY user
    #[arg(long, env = "BARID_NATS_SEED", value_name = "FILE")]
    pub nats_seed: Option<PathBuf>,
    /// File with the seed of a user of the system account, who can see whether servers sync
    #[arg(long, env = "BARID_NATS_SYSTEM_SEED", value_name = "FILE")]
    pub nats_system_seed: Option<PathBuf>,
    /// The same servers with user and password of the system account, where there are no NKEYs
    #[arg(
        long,
        env = "BARID_NATS_SYSTEM",
        value_name = "URL",
        value_delimiter = ',',
        conflicts_with = "nats_system_seed"
    )]
    pub nats_system: Vec<String>,
    /// Authorities of the servers' certificates (PEM)
    #[arg(long, env = "BARID_NATS_AUTHORITIES", value_name = "FILE")]
    pub nats_authorities: Option<PathBuf>,
    /// Our certificate for the servers (PEM)
    #[arg(long, env = "BARID_NATS_CERTIFICATE", value_name = "FILE", requires = "nats_key")]
    pub nats_certificate: Option<PathBuf>,
    /// Key of our certificate (PEM)
    #[arg(long, env = "BARID_NATS_KEY", value_name = "FILE", requires = "nats_certificate")]
    pub nats_key: Option<PathBuf>,
    /// Name of the installation; several may share servers
    #[arg(long, env = "BARID_INSTALLATION", value_name = "NAME", default_value = "barid")]
    pub installation: String,
    /// Partitions of the log; fixed when it is made
    #[arg(long, env = "BARID_PARTITIONS", value_name = "N", default_value_t = 64)]
    pub partitions: u32,
    /// Copies of each stream
    #[arg(long, env = "BARID_NATS_REPLICAS", value_name = "N", default_value_t = 3)]
    pub nats_replicas: usize,
    /// Bytes that all streams together may take, such as 68Gi: at most 70 % of a server's volume; of use when they are made
    #[arg(long, env = "BARID_NATS_STORAGE", value_name = "SIZE", value_parser = size, default_value = "68Gi")]
    pub nats_storage: u64,
    /// Take messages without proof that servers sync before they acknowledge
    #[arg(long, env = "BARID_NATS_UNPROVEN")]
    pub nats_unproven: bool,
}

impl LogOptions {
    /// Opens the log; servers that do not answer are asked again for a while.
    ///
    /// # Errors
    /// [`Failure`] with what to do.
    pub async fn open(&self) -> Result<NatsLog, Failure> {
        let options = self.options()?;
        let begun = tokio::time::Instant::now();
        loop {
            match NatsLog::open(options.clone()).await {
                Ok(log) => return Ok(log),
                Err(error) if error.class() == ErrorClass::Retryable && begun.elapsed() < OPEN_WITHIN => {
                    tracing::warn!(%error, "the log cannot be opened yet");
                    tokio::time::sleep(OPEN_AGAIN).await;
                }
                Err(error) => return Err(Failure::new(Exit::Storage, error.to_string())),
            }
        }
    }

    fn options(&self) -> Result<barid_log_nats::Options, Failure> {
        let connect = |urls: &[String], seed: Option<String>| {
            let (servers, users): (Vec<String>, Vec<_>) = urls.iter().map(|url| user_of(url)).unzip();
            Connect {
                nkey_seed: seed,
                user: users.into_iter().flatten().next(),
                authorities: self.nats_authorities.clone(),
                certificate: self.nats_certificate.clone().zip(self.nats_key.clone()),
                ..Connect::to(servers)
            }
        };
        let own = connect(&self.nats, self.nats_seed.as_deref().map(seed).transpose()?);
        let system = match self.nats_system_seed.as_deref().map(seed).transpose()? {
            Some(seed) => Some(connect(&self.nats, Some(seed))),
            None => (!self.nats_system.is_empty()).then(|| connect(&self.nats_system, None)),
        };
        Ok(barid_log_nats::Options {
            system,
            replicas: self.nats_replicas,
            strict: !self.nats_unproven,
            sizes: sizes(self.nats_storage),
            ..barid_log_nats::Options::new(own, &self.installation, self.partitions, Partitions::HASH)
        })
    }
}

/// So many bytes, shared out as the defaults are.
fn sizes(bytes: u64) -> Sizes {
    let all = Sizes::default();
    let sum = all.intake + all.outputs + all.park + all.outcomes + all.objects + all.keys;
    let share = |part: u64| u64::try_from(u128::from(part) * u128::from(bytes) / u128::from(sum)).unwrap_or(u64::MAX);
    Sizes {
        intake: share(all.intake),
        outputs: share(all.outputs),
        park: share(all.park),
        outcomes: share(all.outcomes),
        objects: share(all.objects),
        keys: share(all.keys),
    }
}

/// A number of bytes as a person writes it.
fn size(text: &str) -> Result<u64, String> {
    let units = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10), ("", 0)];
    let number = |unit: &str, shift: u32| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(1 << shift);
    units
        .iter()
        .find_map(|(unit, shift)| number(unit, *shift))
        .ok_or_else(|| "not a size such as 512Mi or 68Gi".to_owned())
}

/// An address without user and password, and those.
fn user_of(url: &str) -> (String, Option<(String, String)>) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    match rest.rsplit_once('@') {
        Some((user, host)) => {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            (format!("{scheme}://{host}"), Some((user.to_owned(), password.to_owned())))
        }
        None => (url.to_owned(), None),
    }
}

/// The seed in a file.
fn seed(path: &Path) -> Result<String, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::new(Exit::Configuration, format!("{}: {error}", path.display()));
    match barid_files::read_text(path, SEED_BYTES_MAX) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            Err(failed(&"too large for the seed of an NKEY user: name the file with the seed alone"))
        }
        Err(error) => Err(failed(&error)),
    }
}
