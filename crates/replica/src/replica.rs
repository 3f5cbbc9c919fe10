//! One replica, from its options to its exit code.

use std::net::SocketAddr;
use std::sync::Arc;

use barid_rpc::config::{Published, Stage};
use barid_rpc::{Services, Tls, listen, serve};
use barid_runtime::admin::Readiness;
use barid_runtime::control::protocol::ReplicaReport;
use barid_runtime::{Drain, Exit, Failure, Kind, Process, admin, telemetry};
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::configuration::{Follower, subscribe};
use crate::options::Options;

/// A replica of a service.
pub struct Replica {
    /// Its process: tasks, readiness, shutdown.
    pub process: Process,
    /// Mutual TLS, where it is configured.
    pub tls: Option<Arc<Tls>>,
    stage: Stage,
    options: Options,
}

impl Replica {
    /// Logging, data directory and certificates; nothing runs yet.
    ///
    /// # Errors
    /// [`Failure`] with what to do.
    pub fn begin(stage: Stage, options: Options) -> Result<Self, Failure> {
        let telemetry = telemetry::Options {
            format: options.log_format,
            filter: options.log.clone(),
            otlp: options.otlp.clone(),
            service: Some(format!("barid-{}", service(stage))),
            instance: options.replica.clone(),
        };
        telemetry::install(&telemetry).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        Self::quietly(stage, options)
    }

    /// As [`Self::begin`], without logging: for several in one process.
    ///
    /// # Errors
    /// [`Failure`] with what to do.
    pub fn quietly(stage: Stage, options: Options) -> Result<Self, Failure> {
        std::fs::create_dir_all(&options.data)
            .map_err(|error| Failure::new(Exit::Storage, format!("cannot make {}: {error}", options.data.display())))?;
        let tls = options.tls.load()?;
        let process = Process::new(options.grace);
        process.readiness.part("calls").not_ready("starting");
        Ok(Self { process, tls, stage, options })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> String {
        let given = self.options.replica.clone();
        given.unwrap_or_else(|| format!("{:?}-{}", self.stage, std::process::id()).to_lowercase())
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> &std::path::Path {
        &self.options.data
    }

    /// Turns true when the drain begins: what ends then.
    #[must_use]
    pub fn stopped(&self) -> watch::Receiver<bool> {
        let (stop, stopped) = watch::channel(false);
        let mut drain = self.process.drain();
        self.process.tasks.spawn(Kind::Background, "stop", async move {
            drain.started().await;
            stop.send_replace(true);
            // Whoever listens may do so until the process has ended.
            stop.closed().await;
            Ok::<(), std::convert::Infallible>(())
        });
        stopped
    }

    /// Opens the admin endpoint, so that it can be seen what a start waits for.
    ///
    /// # Errors
    /// Where the port is taken.
    pub async fn admin(&self, registry: Registry) -> Result<SocketAddr, Failure> {
        let bound = admin::bind(self.options.admin).await;
        let endpoint = bound.map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
        let address = endpoint.address();
        let serve = endpoint.serve(self.process.readiness.clone(), Arc::new(registry), self.process.drain());
        self.process.tasks.spawn(Kind::Background, "admin endpoint", serve);
        Ok(address)
    }

    /// Subscribes to snapshots; gives the last good one as well.
    ///
    /// # Errors
    /// Where the last good one cannot be read.
    pub fn configuration(&self) -> Result<(Follower, Option<Arc<Published>>), Failure> {
        let subscribe = subscribe(self.stage, self.name(), self.options.publishers(), self.tls.clone());
        Follower::begin(subscribe, &self.options.data, self.process.readiness.part("configuration"))
    }

    /// Opens the port and serves calls until the drain; says that it serves once it is ready otherwise.
    ///
    /// # Errors
    /// Where the port is taken.
    pub async fn serve(&self, services: Services) -> Result<SocketAddr, Failure> {
        let listener = listen(self.options.listen, self.tls.clone()).await;
        let listener = listener.map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
        let address = listener.address().unwrap_or(self.options.listen);
        let (health, part) = (services.health(), self.process.readiness.part("calls"));
        let (readiness, mut drain) = (self.process.readiness.clone(), self.process.drain());
        let calls = serve(listener, services, async move {
            drain.started().await;
        });
        self.process.tasks.spawn(Kind::Critical(Exit::Failure), "calls", calls);
        part.ready();
        let mut drain = self.process.drain();
        let ready = async move {
            // Until it has a snapshot, callers are sent to others.
            while !readiness.missing().is_empty() && !drain.has_started() {
                tokio::select! {
                    () = tokio::time::sleep(READY_LOOK) => {}
                    _ = drain.started() => {}
                }
            }
            if !drain.has_started() {
                health.serving().await;
                tracing::info!(calls = %address, "serving");
            }
            Ok::<(), std::convert::Infallible>(())
        };
        self.process.tasks.spawn(Kind::Background, "health", ready);
        Ok(address)
    }

    /// What tells how it is.
    #[must_use]
    pub fn reporter(&self) -> Reporter {
        Reporter { readiness: self.process.readiness.clone(), drain: self.process.drain() }
    }

    /// Where others reach the port that was opened at `bound`, `host:port`.
    #[must_use]
    pub fn contact(&self, bound: SocketAddr) -> String {
        contact(self.options.advertise.as_deref(), bound, machine)
    }

    /// Runs until it is told to stop, drains, and says how it ended.
    pub async fn run(&self) -> Exit {
        self.process.run().await
    }
}

/// Tells how a replica is; what it owns is added by its service.
pub struct Reporter {
    readiness: Readiness,
    drain: Drain,
}

impl Reporter {
    /// How it is now, while it runs the snapshot of this number.
    #[must_use]
    pub fn report(&self, snapshot: u64) -> ReplicaReport {
        ReplicaReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            draining: self.drain.has_started(),
            not_ready: self.readiness.missing(),
            snapshot,
            ..ReplicaReport::default()
        }
    }
}

/// Where others reach a port, by what they are to be told, and the machine's name where it is bound to all addresses.
pub(crate) fn contact(advertise: Option<&str>, bound: SocketAddr, machine: impl Fn() -> Option<String>) -> String {
    let port = bound.port();
    match advertise {
        Some(told)
            if told.rsplit_once(':').is_some_and(|(host, port)| port.parse::<u16>().is_ok() && is_host(host)) =>
        {
            told.to_owned()
        }
        Some(host) if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        Some(host) => format!("{host}:{port}"),
        None if bound.ip().is_unspecified() => {
            machine().map_or_else(|| format!("localhost:{port}"), |name| format!("{name}:{port}"))
        }
        None => bound.to_string(),
    }
}

/// Whether what stands before a port is whole: an address with colons of its own stands in brackets.
fn is_host(text: &str) -> bool {
    !text.contains(':') || text.starts_with('[') && text.ends_with(']')
}

/// What this machine is called.
fn machine() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// The last part of a service's binary's name.
const fn service(stage: Stage) -> &'static str {
    match stage {
        Stage::ParserValidator => "parser-validator",
        Stage::Transformer => "transformer",
        Stage::Router => "router",
        Stage::Delivery => "delivery",
        Stage::Ledger => "ledger",
        Stage::Ingress => "ingress",
    }
}

/// How often a starting replica looks whether it is ready.
const READY_LOOK: std::time::Duration = std::time::Duration::from_millis(20);

/// Runs a process's main work on threads of its own, and prints why it could not.
pub fn block_on(work: impl Future<Output = Result<Exit, Failure>>) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&Failure::new(Exit::Failure, format!("cannot start threads: {error}"))),
    };
    let exit = runtime.block_on(work).unwrap_or_else(|failure| complain(&failure));
    runtime.shutdown_background();
    exit
}

fn complain(failure: &Failure) -> Exit {
    use std::io::Write as _;
    // Where standard error is gone, the exit code still tells.
    drop(writeln!(std::io::stderr(), "{failure}"));
    failure.exit
}
