//! The destinations: an owner for each, following what documents and commands say of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_config::document::{DestinationState, OnFull};
use barid_config::{DestinationSpec, Snapshot};
use barid_delivery::connect::{self, Connector, Environment};
use barid_delivery::owner::command::Command;
use barid_delivery::owner::overflow::Bound;
use barid_delivery::owner::status::Shared;
use barid_delivery::owner::supervise::supervise;
use barid_delivery::owner::{Options, OwnerError, Plan};
use barid_log::LogError;
use barid_model::{Clock, Name};
use barid_runtime::{Exit, Kind, Process};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::storage::Storage;
use barid_custody::{Pauses, What};

/// Commands that may wait for one owner.
const COMMANDS_WAITING: usize = 64;

/// Channels that are paused, as the owners see them.
pub(super) type PausedChannels = Arc<std::collections::BTreeSet<Name>>;

/// One destination that runs.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) spec: Arc<DestinationSpec>,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::Sender<Command>,
    /// Whether it is still declared.
    pub(super) declared: bool,
    plan: watch::Sender<Arc<Plan>>,
}

/// The destinations of this process.
pub(super) struct Destinations {
    process: Process,
    storage: Storage,
    environment: Environment,
    pauses: Arc<Pauses>,
    paused: watch::Sender<PausedChannels>,
    clock: Arc<dyn Clock>,
    stop: watch::Receiver<bool>,
    running: Mutex<BTreeMap<Name, Running>>,
    /// Told of each delivery that ends, for the metrics.
    ended: super::parts::Ended,
}

impl Destinations {
    pub(super) fn new(
        process: &Process,
        storage: &Storage,
        environment: Environment,
        pauses: &Arc<Pauses>,
        clock: &Arc<dyn Clock>,
        stop: watch::Receiver<bool>,
        ended: super::parts::Ended,
    ) -> Self {
        Self {
            process: process.clone(),
            storage: storage.clone(),
            environment,
            pauses: Arc::clone(pauses),
            paused: watch::Sender::new(Arc::default()),
            clock: Arc::clone(clock),
            stop,
            running: Mutex::default(),
            ended,
        }
    }

    /// Brings every destination to what a snapshot and the pauses say. One that is no longer declared goes on with
    /// what it has until it is empty.
    pub(super) fn apply(&self, snapshot: &Snapshot, paused: PausedChannels) {
        self.paused.send_if_modified(|now| {
            let changed = *now != paused;
            *now = paused;
            changed
        });
        let mut running = self.running.lock();
        for (name, state) in running.iter_mut() {
            state.declared = snapshot.destinations.contains_key(name);
        }
        for spec in snapshot.destinations.values() {
            self.run(&mut running, spec, true);
        }
        let left: Vec<_> =
            running.values().filter(|state| !state.declared).map(|state| Arc::clone(&state.spec)).collect();
        left.iter().for_each(|spec| self.run(&mut running, spec, false));
    }

    /// Goes on with destinations that were removed before this process started.
    pub(super) fn drain(&self, undeclared: BTreeMap<Name, Arc<DestinationSpec>>) {
        let mut running = self.running.lock();
        for spec in undeclared.values().filter(|spec| !running.contains_key(&spec.name)).collect::<Vec<_>>() {
            self.run(&mut running, spec, false);
        }
    }

    fn run(&self, running: &mut BTreeMap<Name, Running>, spec: &Arc<DestinationSpec>, declared: bool) {
        match self.bring(running.get(&spec.name), spec) {
            Ok(state) => drop(running.insert(spec.name.clone(), Running { declared, ..state })),
            Err(error) => {
                tracing::error!(destination = %spec.name, field = error.field, problem = %error.text, "destination does not run as declared");
            }
        }
    }

    /// Everything that runs.
    pub(super) fn all(&self) -> BTreeMap<Name, Running> {
        self.running.lock().clone()
    }

    /// One that runs.
    pub(super) fn get(&self, name: &Name) -> Option<Running> {
        self.running.lock().get(name).cloned()
    }

    fn bring(&self, known: Option<&Running>, spec: &Arc<DestinationSpec>) -> Result<Running, connect::SpecError> {
        let connector = match known {
            Some(running) if !spec.needs_new_connections(&running.spec) && spec.timeout == running.spec.timeout => {
                Arc::clone(&running.connector)
            }
            _ => connect::connector(spec, &self.environment)?,
        };
        let plan = Arc::new(self.plan(spec, &connector));
        match known {
            Some(running) => {
                running.plan.send_replace(plan);
                Ok(Running { spec: Arc::clone(spec), connector, declared: true, ..running.clone() })
            }
            None => Ok(self.start(spec, connector, plan)),
        }
    }

    fn plan(&self, spec: &DestinationSpec, connector: &Arc<dyn Connector>) -> Plan {
        let answers = connect::answers(spec);
        let paused = self.pauses.get(What::Destination, &spec.name).is_some();
        Plan {
            connector: Arc::clone(connector),
            connections: spec.connections(),
            retry_initial: spec.retry.initial,
            retry_max: spec.retry.max,
            repeat_bound: spec.repeat_bound,
            paused: paused || spec.state == DestinationState::Paused,
            overflow: (spec.backlog.on_full == OnFull::Quarantine)
                .then_some(Bound { messages: spec.backlog.messages, age: spec.backlog.age }),
            judge: Box::new(move |out, sent, attempts, awaited| answers.judge(out, sent, attempts, awaited)),
        }
    }

    fn start(&self, spec: &Arc<DestinationSpec>, connector: Arc<dyn Connector>, plan: Arc<Plan>) -> Running {
        let (commands, receiver) = mpsc::channel(COMMANDS_WAITING);
        let (plan, plans) = watch::channel(plan);
        let shared = Arc::new(Shared::default());
        let (ended, name) = (Arc::clone(&self.ended), spec.name.clone());
        shared.on_end(Box::new(move |outcome, took| ended(&name, outcome, took)));
        let options = Options {
            log: Arc::clone(&self.storage.log),
            destination: spec.name.clone(),
            partitions: self.storage.partitions,
            plan: plans,
            paused: self.paused.subscribe(),
            clock: Arc::clone(&self.clock),
            shared: Arc::clone(&shared),
        };
        let (name, stop) = (spec.name.clone(), self.stop.clone());
        let run = async move {
            let result = supervise(options, receiver, stop.clone()).await;
            own_fault(&name, result, stop).await
        };
        self.process.tasks.spawn(Kind::Critical(Exit::Storage), "delivery", run);
        Running { spec: Arc::clone(spec), connector, shared, commands, declared: true, plan }
    }
}

/// A log that failed stops the process; a destination whose own state cannot be read stops alone.
async fn own_fault(
    name: &Name,
    result: Result<(), OwnerError>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), OwnerError> {
    match result {
        Ok(()) => Ok(()),
        Err(OwnerError::Log(error @ LogError::Failed(_))) => Err(OwnerError::Log(error)),
        Err(error) => {
            tracing::error!(destination = %name, %error, "delivery to this destination stops until the engine is started again");
            // The sender lives as long as the process.
            while !*stop.borrow() && stop.changed().await.is_ok() {}
            Ok(())
        }
    }
}
