//! What replicas of listeners share over Redis: rates, resends, figures. All of it may be lost.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barid_log::Log;
use barid_runtime::{Exit, Failure, Kind, Tasks, environment};
use barid_volatile::redis::{Options, Redis};
use barid_volatile::{Known, Resends, Store as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::Listeners;
use crate::custody::Traffic;
use crate::live::{Live, labels};

/// The password, where it is in no file.
const PASSWORD: &str = "BARID_REDIS_PASSWORD";
/// How often metrics are set.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where Redis is.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RedisOptions {
    /// Redis, by which replicas share rates and live figures: `rediss://user@host:port/db`, `redis://` without TLS
    #[arg(long, env = "BARID_REDIS", value_name = "URL")]
    pub redis: Option<String>,
    /// File with the password for Redis in its first line [default: $BARID_REDIS_PASSWORD]
    #[arg(long, env = "BARID_REDIS_PASSWORD_FILE", value_name = "FILE")]
    pub redis_password_file: Option<PathBuf>,
    /// Authorities of the certificate of Redis (PEM)
    #[arg(long, env = "BARID_REDIS_AUTHORITIES", value_name = "FILE")]
    pub redis_authorities: Option<PathBuf>,
    /// Our certificate for Redis (PEM)
    #[arg(long, env = "BARID_REDIS_CERTIFICATE", value_name = "FILE", requires = "redis_key")]
    pub redis_certificate: Option<PathBuf>,
    /// Key of our certificate for Redis (PEM)
    #[arg(long, env = "BARID_REDIS_KEY", value_name = "FILE", requires = "redis_certificate")]
    pub redis_key: Option<PathBuf>,
}

impl RedisOptions {
    fn read(&self) -> Result<Option<Options>, Failure> {
        let Some(url) = &self.redis else { return Ok(None) };
        let options = Options::read(url).and_then(|options| {
            options.password(self.redis_password_file.as_deref(), environment::variable(PASSWORD)).tls(
                self.redis_authorities.as_deref(),
                self.redis_certificate.as_deref(),
                self.redis_key.as_deref(),
            )
        });
        options.map(Some).map_err(|error| Failure::new(Exit::Usage, error.to_string()))
    }

    /// Starts what is shared; without Redis each replica is by itself.
    pub(super) fn start(
        &self,
        tasks: &Tasks,
        log: &dyn Log,
        listeners: &Arc<Listeners>,
        traffic: &Arc<Traffic>,
        registry: &mut Registry,
    ) -> Result<Arc<Live>, Failure> {
        let mut live = Live::alone(log, traffic);
        if let Some(options) = self.read()? {
            let labels = labels(log);
            let redis = Arc::new(Redis::new(options, &labels));
            live = live.shared(Arc::clone(&redis) as _);
            let running = Arc::clone(&redis);
            tasks.spawn(Kind::Background, "redis", async move {
                running.run().await;
                Ok::<(), Infallible>(())
            });
            let (pace, store, own) = (listeners.pace(), Arc::clone(&redis), labels.clone());
            tasks.spawn(Kind::Background, "shared rates", async move {
                pace.share(&*store, &own).await;
                Ok::<(), Infallible>(())
            });
            let (resends, remembering) = Resends::new(labels);
            traffic.tell(resends);
            let (store, counted) = (Arc::clone(&redis), Arc::clone(traffic));
            tasks.spawn(Kind::Background, "resends", async move {
                remembering
                    .run(&*store, |facility, known| {
                        if known == Known::Same {
                            counted.resent(facility);
                        }
                    })
                    .await;
                Ok::<(), Infallible>(())
            });
            tasks.spawn(Kind::Background, "metrics of redis", meter(redis, registry));
        }
        let live = Arc::new(live);
        tasks.spawn(Kind::Background, "live figures", Arc::clone(&live).run());
        Ok(live)
    }
}

/// Registers what is told of Redis; gives what keeps it up to date.
fn meter(redis: Arc<Redis>, registry: &mut Registry) -> impl Future<Output = Result<(), Infallible>> + use<> {
    let (connected, failed) = (Gauge::<i64>::default(), Counter::<u64>::default());
    let registry = registry.sub_registry_with_prefix("redis");
    registry.register("connected", "Whether Redis is there: 0 means that each replica is by itself", connected.clone());
    registry.register("failed_calls", "Calls of Redis that failed or were not answered in time", failed.clone());
    async move {
        loop {
            connected.set(i64::from(redis.absence().is_none()));
            failed.inc_by(redis.failed().saturating_sub(failed.get()));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
