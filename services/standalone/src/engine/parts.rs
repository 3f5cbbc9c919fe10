//! The parts of a running engine, in the order they are opened, and their end in the other order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use barid_delivery::backlog::{LOOK_EVERY, full};
use barid_delivery::connect::Environment;
use barid_delivery::connect::secret::FileSecrets;
use barid_ingress::{Accept, Listeners, Metrics as ListenerMetrics, SecretFiles};
use barid_ledger_service::feed::{self, FeedError};
use barid_ledger_service::retention::{self, Keeping};
use barid_log::LogError;
use barid_model::Clock;
use barid_model::stage::Local;
use barid_pipeline::Intake;
use barid_router::Routers;
use barid_runtime::control::Commands;
use barid_runtime::{Exit, Failure, Kind, Process, SystemClock, environment};
use barid_transform::Apply;
use barid_validate::Parse;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::RunOptions;
use super::configuration::{Configuration, StartError};
use super::metrics::Metrics;
use super::senders::{self, Senders};
use super::storage::{self, Storage};
use barid_custody::{Channels, Full, Pauses};
use barid_delivery::destinations::{self, Destinations};
use barid_ingress::custody::Custody;
use barid_ingress::custody::Refusals;
use barid_ingress::custody::Traffic;
use barid_ingress::live::Live;

/// What the engine is made of.
pub(super) struct Parts {
    pub(super) data: PathBuf,
    pub(super) process: Process,
    pub(super) storage: Storage,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) channels: Arc<Channels>,
    pub(super) pauses: Arc<Pauses>,
    pub(super) intake: Arc<Intake>,
    pub(super) full: Arc<Full>,
    pub(super) listeners: Arc<Listeners>,
    pub(super) destinations: Arc<Destinations>,
    pub(super) configuration: Arc<Configuration>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) custody: Arc<Custody>,
    pub(super) traffic: Arc<Traffic>,
    /// What came in the last minutes.
    pub(super) live: Arc<Live>,
    pub(super) draining: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
}

fn storage_failed(error: &LogError) -> Failure {
    Failure::new(Exit::Storage, error.to_string())
}

/// What connectors see of the machine.
fn surroundings(options: &RunOptions) -> Environment {
    let secrets = Arc::new(FileSecrets::new(options.directory.clone(), environment::all()));
    Environment { secrets, data: options.data.clone(), guard: barid_delivery::connect::GUARD }
}

/// What listeners are made with.
fn listening(
    options: &RunOptions,
    hasher: barid_model::LaneHasher,
    accept: Arc<dyn Accept>,
    clock: &Arc<dyn Clock>,
    registry: &mut Registry,
) -> barid_ingress::Parts {
    barid_ingress::Parts {
        parse: Arc::new(Local::new(Arc::new(Parse::new(hasher)))),
        accept,
        clock: Arc::clone(clock),
        secrets: Arc::new(SecretFiles::new(options.directory.clone(), Arc::new(environment::variable))),
        metrics: ListenerMetrics::new(registry),
        bounds: barid_ingress::Bounds::default(),
    }
}

/// Where destinations run: the process ends when one cannot go on.
fn on(process: &Process) -> destinations::Spawn {
    let tasks = process.tasks.clone();
    Box::new(move |run| tasks.spawn(Kind::Critical(Exit::Storage), "delivery", run))
}

impl Parts {
    /// Opens everything that is needed before anything runs.
    ///
    /// # Errors
    /// [`Failure`] with what to do.
    pub(super) async fn open(
        options: &RunOptions,
        process: &Process,
        registry: &mut Registry,
    ) -> Result<Arc<Self>, Failure> {
        let metrics = Arc::new(Metrics::new(registry));
        let storage = storage::open(&options.data, metrics.observer())?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let channels = Arc::new(Channels::new(Arc::clone(&storage.log)));
        let failed = |error: LogError| storage_failed(&error);
        let pauses = Arc::new(Pauses::open(Arc::clone(&storage.log)).await.map_err(failed)?);
        let intake = Arc::new(Intake::open(&storage.log, storage.partitions).await.map_err(failed)?);
        let (stop, stopped) = watch::channel(false);
        let (refusals, keep) = Refusals::new(Arc::clone(&storage.log));
        process.tasks.spawn(Kind::Background, "refusals", keep);
        let (full, draining): (Arc<Full>, Arc<AtomicBool>) = Default::default();
        let traffic = Arc::new(Traffic::default());
        let custody = Arc::new(Custody {
            traffic: Arc::clone(&traffic),
            log: Arc::clone(&storage.log),
            intake: Arc::clone(&intake),
            channels: Arc::clone(&channels),
            pauses: Arc::clone(&pauses),
            full: Arc::clone(&full),
            refusals,
            recent: Arc::default(),
            draining: Arc::clone(&draining),
            waiting: parking_lot::Mutex::default(),
        });
        let live = Arc::new(Live::alone(&*storage.log, &traffic));
        process.tasks.spawn(Kind::Background, "live figures", Arc::clone(&live).run());
        let accept = Arc::clone(&custody) as Arc<dyn Accept>;
        let listeners = Arc::new(Listeners::new(listening(options, storage.hasher, accept, &clock, registry)));
        let destinations = Arc::new(Destinations::new(destinations::Parts {
            log: Arc::clone(&storage.log),
            partitions: storage.partitions,
            environment: surroundings(options),
            pauses: Arc::clone(&pauses),
            clock: Arc::clone(&clock),
            ended: metrics.ended(),
            all: Some((on(process), stopped)),
        }));
        let configuration = Arc::new(Configuration::new(
            options.directory.clone(),
            &options.data,
            Arc::clone(&channels),
            Arc::clone(&destinations),
            Arc::clone(&listeners),
            Arc::clone(&pauses),
            Arc::clone(&clock),
        ));
        Ok(Arc::new(Self {
            data: options.data.clone(),
            process: process.clone(),
            storage,
            clock,
            channels,
            pauses,
            intake,
            full,
            listeners,
            destinations,
            configuration,
            metrics,
            custody,
            traffic,
            live,
            draining,
            stop,
        }))
    }

    /// Starts everything: routers and destinations first, listeners last.
    ///
    /// # Errors
    /// [`Failure`] where the configuration's revisions cannot be stored.
    pub(super) async fn start(self: &Arc<Self>, process: &Process) -> Result<(), Failure> {
        let ready = process.readiness.part("engine");
        ready.not_ready("starting");
        let watcher = self.configuration.start().await.map_err(|error| match &error {
            StartError::Log(error) => storage_failed(error),
            StartError::Documents { .. } => Failure::new(Exit::Configuration, error.to_string()),
        })?;
        let stopped = self.stop.subscribe();
        let routers = Routers::new(barid_router::Parts {
            log: Arc::clone(&self.storage.log),
            apply: Arc::new(Local::new(Arc::new(Apply))),
            channels: Arc::clone(&self.channels),
            clock: Arc::clone(&self.clock),
        });
        for partition in self.storage.partitions.all() {
            let run = routers.route(partition, stopped.clone());
            process.tasks.spawn(Kind::Critical(Exit::Storage), "router", run);
        }
        self.metrics.routers(routers.handles());
        let (log, ledger) = (Arc::clone(&self.storage.log), Arc::clone(&self.storage.ledger));
        process.tasks.spawn(Kind::Service, "ledger", async move {
            feed::keep(log, Arc::clone(&ledger), stopped).await?;
            drop(tokio::task::spawn_blocking(move || ledger.rest()).await);
            Ok::<(), FeedError>(())
        });
        let space = storage::tell_space(Arc::clone(&self.storage.log), process.readiness.part("disk"));
        process.tasks.spawn(Kind::Background, "disk space", space);
        let senders = Senders::open(&self.data, &self.listeners);
        process.tasks.spawn(Kind::Background, "senders", senders.follow());
        self.configuration.listen().await;
        let follow = Arc::clone(&self.configuration).follow(watcher);
        process.tasks.spawn(Kind::Background, "configuration", follow);
        let listeners = Arc::clone(&self.listeners);
        process.tasks.spawn(Kind::Background, "listeners", async move {
            listeners.follow().await;
            Ok::<(), LogError>(())
        });
        process.tasks.spawn(Kind::Background, "backlog", Arc::clone(self).watch_backlog());
        process.tasks.spawn(Kind::Background, "retention", retention::run(self.keeping()));
        process.tasks.spawn(Kind::Service, "drain", Arc::clone(self).drain());
        ready.ready();
        Ok(())
    }

    fn keeping(&self) -> Keeping {
        Keeping {
            log: Arc::clone(&self.storage.log),
            ledger: Arc::clone(&self.storage.ledger),
            partitions: self.storage.partitions,
            channels: Arc::clone(&self.channels),
            clock: Arc::clone(&self.clock),
        }
    }

    /// What commands work on.
    pub(super) fn commands(self: &Arc<Self>, admin: SocketAddr) -> Arc<dyn Commands> {
        super::commands::engine(Arc::clone(self), admin)
    }

    async fn watch_backlog(self: Arc<Self>) -> Result<(), LogError> {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let snapshot = self.channels.snapshot();
            let (views, storage) = (self.destinations.views(), &self.storage);
            self.full.tell(full(&storage.log, &snapshot, &views, storage.partitions, &*self.clock).await?);
            self.metrics.destinations(&storage.log, &views, &*self.clock, storage.partitions).await?;
        }
    }

    /// Waits for the drain, then ends what takes messages before what moves them.
    async fn drain(self: Arc<Self>) -> Result<(), LogError> {
        let deadline = self.process.drain().started().await;
        self.draining.store(true, Ordering::SeqCst);
        // Half of the time for senders, the rest for what is in flight.
        let now = tokio::time::Instant::now();
        let report = self.listeners.drain(now + deadline.saturating_duration_since(now) / 2).await;
        tracing::info!(open = report.open, cut = report.cut, "listeners are closed");
        senders::keep(&self.data, &self.listeners);
        self.stop.send_replace(true);
        Ok(())
    }
}
