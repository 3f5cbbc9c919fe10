//! The destinations: an owner for each, following what documents and commands say of it.
//!
//! In one process all are owned; in a mesh those that this process has claimed, each behind a fence. Both know the settings of
//! all: one that is claimed later starts with the newest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use barid_config::document::{DestinationState, OnFull};
use barid_config::{DestinationSpec, Snapshot};
use barid_custody::tried::Trouble;
use barid_custody::{Pauses, What};
use barid_log::{Log, LogError};
use barid_model::{Clock, DeliveryId, Name, Outcome, Partitions};
use barid_trace::TraceId;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use crate::connect::{self, Connector, Environment, Fence, Fenced};
use crate::owner::command::Command;
use crate::owner::overflow::Bound;
use crate::owner::status::{Shared, View};
use crate::owner::supervise::supervise;
use crate::owner::{Options, OwnerError, Plan};

/// Commands that may wait for one owner.
const COMMANDS_WAITING: usize = 64;

/// Told of each delivery that ends.
pub type Ended = Arc<dyn Fn(&Name, Outcome, Duration, Option<TraceId>) + Send + Sync>;
/// Channels that are paused, as the owners see them.
pub type PausedChannels = Arc<BTreeSet<Name>>;
/// Runs an owner to its end.
pub type Spawn = Box<dyn Fn(BoxFuture<'static, Result<(), OwnerError>>) + Send + Sync>;

/// One destination that runs here.
#[derive(Clone)]
pub struct Running {
    /// How it is declared.
    pub spec: Arc<DestinationSpec>,
    /// Its way out.
    pub connector: Arc<dyn Connector>,
    /// What can be seen of its owner.
    pub shared: Arc<Shared>,
    /// What its owner can be told.
    pub commands: mpsc::Sender<Command>,
    /// Whether it is still declared.
    pub declared: bool,
    plan: watch::Sender<Arc<Plan>>,
    fence: Option<Arc<dyn Fence>>,
}

/// What destinations are made with.
pub struct Parts {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Its partitions.
    pub partitions: Partitions,
    /// Secrets and folders.
    pub environment: Environment,
    /// What is paused by command.
    pub pauses: Arc<Pauses>,
    /// The time that records are stamped with.
    pub clock: Arc<dyn Clock>,
    /// Told of each delivery that ends, for the metrics.
    pub ended: Ended,
    /// Where this process owns all destinations: what runs their owners, and what ends them.
    pub all: Option<(Spawn, watch::Receiver<bool>)>,
}

/// The destinations of this process.
pub struct Destinations {
    parts: Parts,
    paused: watch::Sender<PausedChannels>,
    state: Mutex<State>,
    names: watch::Sender<BTreeSet<Name>>,
}

#[derive(Default)]
struct State {
    /// All, with whether they are declared.
    known: BTreeMap<Name, (Arc<DestinationSpec>, bool)>,
    running: BTreeMap<Name, Running>,
}

impl Destinations {
    /// None yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let (paused, names) = (watch::Sender::new(Arc::default()), watch::Sender::new(BTreeSet::new()));
        Self { parts, paused, state: Mutex::default(), names }
    }

    /// Brings every destination to what a snapshot and the pauses say. One that is no longer declared goes on with
    /// what it has until it is empty.
    pub fn apply(&self, snapshot: &Snapshot, paused: PausedChannels) {
        self.paused.send_if_modified(|now| {
            let changed = *now != paused;
            *now = paused;
            changed
        });
        let mut state = self.state.lock();
        for (name, (_, declared)) in &mut state.known {
            *declared = snapshot.destinations.contains_key(name);
        }
        for (name, spec) in &snapshot.destinations {
            state.known.insert(name.clone(), (Arc::clone(spec), true));
        }
        self.bring_all(&mut state);
    }

    /// Goes on with destinations that were removed before this process started.
    pub fn drain(&self, undeclared: BTreeMap<Name, Arc<DestinationSpec>>) {
        let mut state = self.state.lock();
        for (name, spec) in undeclared {
            state.known.entry(name).or_insert((spec, false));
        }
        self.bring_all(&mut state);
    }

    fn bring_all(&self, state: &mut State) {
        for (name, (spec, declared)) in &state.known {
            let brought = match (state.running.get(name), &self.parts.all) {
                (Some(running), _) => self.bring(running, spec),
                (None, Some((spawn, stop))) => self.start(spec, None, stop.clone()).map(|(running, run)| {
                    spawn(Box::pin(own_fault(name.clone(), run, stop.clone())));
                    running
                }),
                (None, None) => continue,
            };
            match brought {
                Ok(running) => drop(state.running.insert(name.clone(), Running { declared: *declared, ..running })),
                Err(error) => tell(name, &error),
            }
        }
        let names: BTreeSet<Name> = state.known.keys().cloned().collect();
        self.names.send_if_modified(|now| {
            let changed = *now != names;
            *now = names;
            changed
        });
    }

    /// All that there are to own; wakes when that changes.
    #[must_use]
    pub fn names(&self) -> watch::Receiver<BTreeSet<Name>> {
        self.names.subscribe()
    }

    /// Owns one until `stop`, or until its owner cannot go on.
    ///
    /// # Errors
    /// As its owner, see [`supervise`].
    pub async fn own(
        &self,
        name: &Name,
        fence: Arc<dyn Fence>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), OwnerError> {
        let run = {
            let mut state = self.state.lock();
            let Some((spec, declared)) = state.known.get(name).cloned() else { return Ok(()) };
            match self.start(&spec, Some(fence), stop.clone()) {
                Ok((running, run)) => {
                    state.running.insert(name.clone(), Running { declared, ..running });
                    Some(run)
                }
                Err(error) => {
                    tell(name, &error);
                    None
                }
            }
        };
        let Some(run) = run else {
            // Until it is declared otherwise, nobody can.
            drop(stop.wait_for(|stop| *stop).await);
            return Ok(());
        };
        let ended = run.await;
        self.state.lock().running.remove(name);
        ended
    }

    /// Everything that runs here.
    #[must_use]
    pub fn all(&self) -> BTreeMap<Name, Running> {
        self.state.lock().running.clone()
    }

    /// What is seen of everything that runs here.
    #[must_use]
    pub fn views(&self) -> BTreeMap<Name, View> {
        let state = self.state.lock();
        state.running.iter().map(|(name, running)| (name.clone(), running.shared.view())).collect()
    }

    /// One that runs here.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<Running> {
        self.state.lock().running.get(name).cloned()
    }

    /// What the owner of a destination knows of tries that failed lately; nothing where it is not owned here.
    #[must_use]
    pub fn troubles(&self, name: &Name, which: Vec<DeliveryId>) -> Vec<(DeliveryId, Trouble)> {
        let Some(running) = self.get(name) else { return Vec::new() };
        let known = |id| running.shared.trouble(id).map(|trouble| (id, trouble));
        which.into_iter().filter_map(known).collect()
    }

    fn connector(
        &self,
        spec: &Arc<DestinationSpec>,
        fence: Option<&Arc<dyn Fence>>,
    ) -> Result<Arc<dyn Connector>, connect::SpecError> {
        let connector = connect::connector(spec, &self.parts.environment)?;
        Ok(match fence {
            Some(fence) => Arc::new(Fenced::new(connector, Arc::clone(fence), spec.name.clone())),
            None => connector,
        })
    }

    fn bring(&self, known: &Running, spec: &Arc<DestinationSpec>) -> Result<Running, connect::SpecError> {
        let same = !spec.needs_new_connections(&known.spec) && spec.timeout == known.spec.timeout;
        let connector = if same { Arc::clone(&known.connector) } else { self.connector(spec, known.fence.as_ref())? };
        known.plan.send_replace(Arc::new(self.plan(spec, &connector)));
        Ok(Running { spec: Arc::clone(spec), connector, ..known.clone() })
    }

    fn plan(&self, spec: &DestinationSpec, connector: &Arc<dyn Connector>) -> Plan {
        let answers = connect::answers(spec);
        let paused = self.parts.pauses.get(What::Destination, &spec.name).is_some();
        Plan {
            connector: Arc::clone(connector),
            connections: spec.connections(),
            retry_initial: spec.retry.initial,
            retry_max: spec.retry.max,
            unanswered: spec.retry.unanswered,
            on_reject: spec.on_reject,
            repeat_bound: spec.repeat_bound,
            paused: paused || spec.state == DestinationState::Paused,
            overflow: (spec.backlog.on_full == OnFull::Quarantine)
                .then_some(Bound { messages: spec.backlog.messages, age: spec.backlog.age }),
            judge: Box::new(move |out, sent, attempts, awaited| answers.judge(out, sent, attempts, awaited)),
        }
    }

    fn start(
        &self,
        spec: &Arc<DestinationSpec>,
        fence: Option<Arc<dyn Fence>>,
        stop: watch::Receiver<bool>,
    ) -> Result<(Running, BoxFuture<'static, Result<(), OwnerError>>), connect::SpecError> {
        let connector = self.connector(spec, fence.as_ref())?;
        let (commands, receiver) = mpsc::channel(COMMANDS_WAITING);
        let (plan, plans) = watch::channel(Arc::new(self.plan(spec, &connector)));
        let shared = Arc::new(Shared::default());
        let (ended, name) = (Arc::clone(&self.parts.ended), spec.name.clone());
        shared.on_end(Box::new(move |outcome, took, trace| ended(&name, outcome, took, trace)));
        let options = Options {
            log: Arc::clone(&self.parts.log),
            destination: spec.name.clone(),
            partitions: self.parts.partitions,
            plan: plans,
            paused: self.paused.subscribe(),
            clock: Arc::clone(&self.parts.clock),
            shared: Arc::clone(&shared),
            fence: fence.clone(),
        };
        let running = Running { spec: Arc::clone(spec), connector, shared, commands, declared: true, plan, fence };
        Ok((running, Box::pin(supervise(options, receiver, stop))))
    }
}

fn tell(name: &Name, error: &connect::SpecError) {
    tracing::error!(destination = %name, field = error.field, problem = %error.text, "destination does not run as declared");
}

/// A log that failed stops the process; a destination whose own state cannot be read stops alone.
async fn own_fault(
    name: Name,
    run: BoxFuture<'static, Result<(), OwnerError>>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), OwnerError> {
    match run.await {
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
