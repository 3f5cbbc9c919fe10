//! The process of listeners in a mesh: any of several may take any message.

mod control;
mod redis;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use barid_config::Snapshot;
use barid_custody::{Channels, Full, Pauses};
use barid_log::{Log, LogError};
use barid_model::stage::{Call, Local};
use barid_model::{LaneHasher, Partitions};
use barid_pipeline::Intake;
use barid_replica::{LogOptions, NatsLog, NotApplied, Options, Ownership, Replica, Terms};
use barid_rpc::config::Stage;
use barid_rpc::{ParseContract, Remote, Services, Target};
use barid_runtime::{Exit, Failure, Kind, SystemClock, admin, environment};
use barid_validate::{Parse, ParseInput, Verdict};
use clap::Parser;
use tokio::sync::watch;

pub use self::redis::RedisOptions;
use crate::custody::{Custody, Refusals, Traffic};
use crate::{Accept, Bounds, Listeners, Metrics, Parts, SecretFiles};

/// How often it is looked at whether the log takes messages.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Listeners of a mesh
#[derive(Debug, Parser)]
#[command(name = "barid-ingress", version)]
pub struct Line {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    log: LogOptions,
    #[command(flatten)]
    listening: Listening,
}

/// How this replica listens.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Listening {
    /// Parser-validators: `host:port`, each address of the name is one; without it the stage runs in this process
    #[arg(long, env = "BARID_PARSERS", value_name = "HOST:PORT", value_delimiter = ',')]
    pub parsers: Vec<String>,
    /// Directory of the secrets: `secrets/<namespace>/<secret>/<key>` in it
    #[arg(long, env = "BARID_SECRETS", value_name = "DIR", default_value = ".")]
    pub secrets: PathBuf,
    /// Address that listeners are bound to in place of the documents': several replicas on one machine
    #[arg(long, env = "BARID_BIND", value_name = "IP")]
    pub bind: Option<IpAddr>,
    /// Redis
    #[command(flatten)]
    pub redis: RedisOptions,
}

/// Runs the process.
#[must_use]
pub fn main() -> Exit {
    let line = Line::parse();
    barid_replica::block_on(async {
        let replica = Replica::begin(Stage::Ingress, line.options)?;
        let log = Arc::new(line.log.open().await?);
        durability(&replica, &log);
        let log: Arc<dyn Log> = log;
        start(&replica, &log, line.listening).await?;
        Ok(replica.run().await)
    })
}

/// Says in the readiness whether senders can be acknowledged, as far as that depends on the log.
fn durability(replica: &Replica, log: &Arc<NatsLog>) {
    let (part, log) = (replica.process.readiness.part("log"), Arc::clone(log));
    replica.process.tasks.spawn(Kind::Background, "durability", async move {
        loop {
            let status = log.status();
            if !status.connected {
                part.not_ready("no NATS server can be reached: new messages are refused");
            } else if !status.durable {
                part.not_ready("it is not proven that servers sync before they acknowledge: new messages are refused");
            } else {
                part.ready();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        #[expect(unreachable_code, reason = "it says which error it never has")]
        Ok::<(), std::convert::Infallible>(())
    });
}

fn stage(replica: &Replica, log: &dyn Log, parsers: Vec<String>) -> Arc<dyn Call<ParseInput, Verdict>> {
    if parsers.is_empty() {
        return Arc::new(Local::new(Arc::new(Parse::new(LaneHasher::new(log.identity().lane_key)))));
    }
    let options = barid_rpc::Options { tls: replica.tls.clone(), ..barid_rpc::Options::default() };
    Arc::new(Remote::<ParseContract>::new(parsers.into_iter().map(Target::Name).collect(), &options))
}

/// Starts the replica's tasks; gives its listeners.
///
/// # Errors
/// [`Failure`] where it cannot start.
pub async fn start(replica: &Replica, log: &Arc<dyn Log>, listening: Listening) -> Result<Arc<Listeners>, Failure> {
    let failed = |error: LogError| Failure::new(Exit::Storage, error.to_string());
    let tasks = &replica.process.tasks;
    let mut registry = admin::registry();
    let partitions = Partitions::new(u16::try_from(log.identity().partitions).unwrap_or(u16::MAX));
    let channels = Arc::new(Channels::new(Arc::clone(log)));
    let pauses = Arc::new(Pauses::open(Arc::clone(log)).await.map_err(failed)?);
    let (refusals, keep) = Refusals::new(Arc::clone(log));
    tasks.spawn(Kind::Background, "refusals", keep);
    let (full, draining) = (Arc::new(Full::default()), Arc::new(AtomicBool::new(false)));
    let traffic = Arc::<Traffic>::default();
    let custody = Arc::new(Custody {
        log: Arc::clone(log),
        intake: Arc::new(Intake::joint(log, partitions).map_err(failed)?),
        channels: Arc::clone(&channels),
        pauses: Arc::clone(&pauses),
        full: Arc::clone(&full),
        refusals,
        recent: Arc::default(),
        traffic: Arc::clone(&traffic),
        draining: Arc::clone(&draining),
        waiting: parking_lot::Mutex::default(),
    });
    let Listening { parsers, secrets, bind, redis } = listening;
    let listeners = Arc::new(Listeners::new(Parts {
        parse: stage(replica, &**log, parsers),
        accept: custody as Arc<dyn Accept>,
        clock: Arc::new(SystemClock),
        secrets: Arc::new(SecretFiles::new(secrets.clone(), Arc::new(environment::variable))),
        metrics: Metrics::new(&mut registry),
        bounds: Bounds::default(),
    }));
    let live = redis.start(tasks, &**log, &listeners, &traffic, &mut registry)?;
    replica.admin(registry).await?;
    tasks.spawn(Kind::Background, "full destinations", full.follow(Arc::clone(log)));
    let following = async move {
        pauses.follow().await;
        Ok::<(), std::convert::Infallible>(())
    };
    tasks.spawn(Kind::Background, "pauses", following);
    configure(replica, Arc::clone(&channels), &listeners, bind).await?;
    let refreshed = Arc::clone(&listeners);
    tasks.spawn(Kind::Background, "listeners", async move {
        refreshed.follow().await;
        Ok::<(), std::convert::Infallible>(())
    });
    tasks.spawn(Kind::Service, "drain", drain(replica.process.drain(), draining, Arc::clone(&listeners)));
    let (asked, reporter) = (Arc::clone(&listeners), replica.reporter());
    let control = control::Control { listeners: asked, traffic, channels, live, reporter, secrets };
    let bound = replica.serve(Services::new().control(Arc::new(control))).await?;
    say_where(replica, log, replica.contact(bound));
    Ok(listeners)
}

/// Holds a lease that says where this replica can be asked how it is.
fn say_where(replica: &Replica, log: &Arc<dyn Log>, address: String) {
    let ownership =
        Ownership { log: Arc::clone(log), role: "ingress", replica: replica.name(), terms: Terms::default() };
    let (stop, (nothing, items)) = (replica.stopped(), watch::channel(BTreeSet::new()));
    replica.process.tasks.spawn(Kind::Background, "lease", async move {
        let ended = ownership.run_at(&address, items, Arc::new(control::Nothing), stop).await;
        drop(nothing);
        ended
    });
}

/// Follows snapshots: what messages can be stamped with is stored before a listener runs by it.
async fn configure(
    replica: &Replica,
    channels: Arc<Channels>,
    listeners: &Arc<Listeners>,
    bind: Option<IpAddr>,
) -> Result<(), Failure> {
    let (follower, last) = replica.configuration()?;
    let listeners = Arc::clone(listeners);
    let apply = async move |snapshot: Arc<Snapshot>| {
        channels.publish(Arc::clone(&snapshot)).await.map_err(NotApplied::from)?;
        let snapshot = bound_to(snapshot, bind);
        let table = Arc::clone(&snapshot.parse);
        // A listener that cannot run as declared is told of by itself, and tried again.
        listeners.apply(snapshot, table).await;
        Ok(())
    };
    follower.start(last, &apply).await;
    let follow = async move {
        follower.follow(apply).await;
        Ok::<(), std::convert::Infallible>(())
    };
    replica.process.tasks.spawn(Kind::Background, "configuration", follow);
    Ok(())
}

/// The same with all listeners at one address.
fn bound_to(snapshot: Arc<Snapshot>, bind: Option<IpAddr>) -> Arc<Snapshot> {
    let Some(bind) = bind else { return snapshot };
    let mut own = (*snapshot).clone();
    for listener in own.listeners.values_mut() {
        Arc::make_mut(listener).socket.set_ip(bind);
    }
    Arc::new(own)
}

/// Waits for the drain, then lets senders finish.
async fn drain(
    mut drain: barid_runtime::Drain,
    draining: Arc<AtomicBool>,
    listeners: Arc<Listeners>,
) -> Result<(), std::convert::Infallible> {
    let deadline = drain.started().await;
    draining.store(true, Ordering::SeqCst);
    let report = listeners.drain(deadline).await;
    tracing::info!(open = report.open, cut = report.cut, "listeners are closed");
    Ok(())
}
