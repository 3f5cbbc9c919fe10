//! The process of delivery in a mesh: the destinations that this replica has claimed.

mod control;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use barid_config::Snapshot;
use barid_custody::{Channels, Pauses};
use barid_log::{Log, LogError, Revision};
use barid_model::{Clock, Name, Partitions};
use barid_pipeline::subject;
use barid_replica::{LogOptions, NotApplied, Options, Ownership, Owns, Replica, Tenure, Terms};
use barid_rpc::Services;
use barid_rpc::config::Stage;
use barid_runtime::{Exit, Failure, Kind, SystemClock, admin, environment};
use clap::Parser;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::backlog::{LOOK_EVERY, full};
use crate::connect::secret::FileSecrets;
use crate::connect::{Environment, Fence, GUARD};
use crate::destinations::{Destinations, Parts};
use crate::metrics::Metrics;

/// Delivery of a mesh
#[derive(Debug, Parser)]
#[command(name = "barid-delivery", version)]
pub struct Line {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    log: LogOptions,
    /// Directory of the secrets: `secrets/<namespace>/<secret>/<key>` in it
    #[arg(long, env = "BARID_SECRETS", value_name = "DIR", default_value = ".")]
    secrets: PathBuf,
}

/// Runs the process.
#[must_use]
pub fn main() -> Exit {
    let line = Line::parse();
    barid_replica::block_on(async {
        let replica = Replica::begin(Stage::Delivery, line.options)?;
        let log: Arc<dyn Log> = Arc::new(line.log.open().await?);
        start(&replica, &log, line.secrets).await?;
        Ok(replica.run().await)
    })
}

/// Starts the replica's tasks.
///
/// # Errors
/// [`Failure`] where it cannot start.
pub async fn start(replica: &Replica, log: &Arc<dyn Log>, secrets: PathBuf) -> Result<(), Failure> {
    let mut registry = admin::registry();
    let metrics = Metrics::new(&mut registry);
    replica.admin(registry).await?;
    let stop = replica.stopped();
    let failed = |error: LogError| Failure::new(Exit::Storage, error.to_string());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let channels = Arc::new(Channels::new(Arc::clone(log)));
    let pauses = Arc::new(Pauses::open(Arc::clone(log)).await.map_err(failed)?);
    let partitions = Partitions::new(u16::try_from(log.identity().partitions).unwrap_or(u16::MAX));
    let destinations = Arc::new(Destinations::new(Parts {
        log: Arc::clone(log),
        partitions,
        environment: Environment {
            secrets: Arc::new(FileSecrets::new(secrets.clone(), environment::all())),
            data: replica.data().to_owned(),
            guard: GUARD,
        },
        pauses: Arc::clone(&pauses),
        clock: Arc::clone(&clock),
        ended: metrics.ended(),
        all: None,
    }));
    let mesh = Mesh { log: Arc::clone(log), channels, pauses, destinations, partitions, clock, metrics };
    configure(replica, &mesh).await?;
    let names = mesh.destinations.names();
    let owns = Arc::new(Owned(Arc::clone(&mesh.destinations)));
    let ownership =
        Ownership { log: Arc::clone(log), role: "delivery", replica: replica.name(), terms: Terms::default() };
    let (items, owned) = watch::channel(BTreeSet::new());
    replica.process.tasks.spawn(Kind::Background, "names", follow_names(names, items));
    // Who owns something says where it can be told about it.
    let control = control::Control {
        log: Arc::clone(log),
        partitions,
        destinations: Arc::clone(&mesh.destinations),
        channels: Arc::clone(&mesh.channels),
        pauses: Arc::clone(&mesh.pauses),
        clock: Arc::clone(&mesh.clock),
        reporter: replica.reporter(),
        secrets,
    };
    let bound = replica.serve(Services::new().control(Arc::new(control))).await?;
    let address = replica.contact(bound);
    let run = async move { ownership.run_at(&address, owned, owns, stop).await };
    replica.process.tasks.spawn(Kind::Critical(Exit::Storage), "destinations", run);
    replica.process.tasks.spawn(Kind::Service, "backlog", mesh.tell_full(replica.stopped()));
    Ok(())
}

/// What the tasks of this process share.
struct Mesh {
    log: Arc<dyn Log>,
    channels: Arc<Channels>,
    pauses: Arc<Pauses>,
    destinations: Arc<Destinations>,
    partitions: Partitions,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

/// Follows snapshots and pauses.
async fn configure(replica: &Replica, mesh: &Mesh) -> Result<(), Failure> {
    let (follower, last) = replica.configuration()?;
    let (channels, pauses) = (Arc::clone(&mesh.channels), Arc::clone(&mesh.pauses));
    let destinations = Arc::clone(&mesh.destinations);
    let apply = async move |snapshot: Arc<Snapshot>| {
        channels.publish(Arc::clone(&snapshot)).await.map_err(NotApplied::from)?;
        let undeclared = channels.undeclared().await.map_err(NotApplied::from)?;
        destinations.apply(&snapshot, pauses.channels(&snapshot));
        destinations.drain(undeclared);
        Ok(())
    };
    follower.start(last, &apply).await;
    let follow = async move {
        follower.follow(apply).await;
        Ok::<(), std::convert::Infallible>(())
    };
    replica.process.tasks.spawn(Kind::Background, "configuration", follow);
    let pauses = Arc::clone(&mesh.pauses);
    let following = async move {
        pauses.follow().await;
        Ok::<(), std::convert::Infallible>(())
    };
    replica.process.tasks.spawn(Kind::Background, "pauses", following);
    let (channels, pauses) = (Arc::clone(&mesh.channels), Arc::clone(&mesh.pauses));
    let destinations = Arc::clone(&mesh.destinations);
    let spread = async move {
        let mut changed = pauses.changed();
        while changed.changed().await.is_ok() {
            let snapshot = channels.snapshot();
            destinations.apply(&snapshot, pauses.channels(&snapshot));
        }
        Ok::<(), std::convert::Infallible>(())
    };
    replica.process.tasks.spawn(Kind::Background, "paused", spread);
    Ok(())
}

/// All destinations, as they are claimed.
async fn follow_names(
    mut names: watch::Receiver<BTreeSet<Name>>,
    items: watch::Sender<BTreeSet<String>>,
) -> Result<(), std::convert::Infallible> {
    loop {
        let all = names.borrow_and_update().iter().map(Name::subject_part).collect();
        items.send_replace(all);
        if names.changed().await.is_err() {
            return Ok(());
        }
    }
}

impl Mesh {
    /// Tells listeners through the log which destinations have too much waiting.
    async fn tell_full(self, mut stop: watch::Receiver<bool>) -> Result<(), LogError> {
        let mut told: BTreeMap<Name, bool> = BTreeMap::new();
        while !*stop.borrow() {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.changed() => {}
            }
            match self.look(&mut told).await {
                Err(error @ LogError::Failed(_)) => return Err(error),
                Err(error) => tracing::warn!(%error, "what waits for destinations cannot be told to listeners"),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    async fn look(&self, told: &mut BTreeMap<Name, bool>) -> Result<(), LogError> {
        let (snapshot, views) = (self.channels.snapshot(), self.destinations.views());
        let full = full(&self.log, &snapshot, &views, self.partitions, &*self.clock).await?;
        self.metrics.take(&self.log, &views, &*self.clock, self.partitions).await?;
        // What another replica owns is its matter.
        told.retain(|name, _| views.contains_key(name));
        for name in views.keys() {
            let is_full = full.contains(name);
            if told.get(name) == Some(&is_full) {
                continue;
            }
            let key = subject::full(name)?;
            let there = self.log.get(&key).await?;
            let done = match (is_full, there) {
                (true, None) => self.log.put(&key, Revision::NONE, bytes::Bytes::from_static(b"1")).await.map(drop),
                (false, Some((revision, _))) => self.log.delete(&key, revision).await,
                _ => Ok(()),
            };
            match done {
                Ok(()) => drop(told.insert(name.clone(), is_full)),
                // The owner before was still telling: looked at again.
                Err(LogError::WrongRevision { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The destinations, each run while it is owned.
struct Owned(Arc<Destinations>);

impl Owns for Owned {
    fn run(&self, item: String, tenure: Tenure, stop: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        let destinations = Arc::clone(&self.0);
        Box::pin(async move {
            let Some((namespace, name)) = item.split_once('.') else { return };
            let name = Name::new(namespace, name);
            if let Err(error) = destinations.own(&name, Arc::new(Leased(tenure)), stop).await {
                tracing::warn!(destination = %name, %error, "this run of its owner has ended");
            }
        })
    }
}

/// A tenure, as connections see it.
struct Leased(Tenure);

impl Fence for Leased {
    fn holds(&self) -> bool {
        self.0.holds()
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.run_out())
    }

    fn regained(&self) -> BoxFuture<'_, bool> {
        Box::pin(self.0.regained())
    }
}
