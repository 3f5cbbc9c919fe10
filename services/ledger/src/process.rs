//! The ledger's process in a mesh: a history, fed from the log, and the socket where it is asked.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use barid_config::Snapshot;
use barid_custody::{Channels, Full, NotAdmitted, Pauses, admit};
use barid_log::{Log, LogError};
use barid_model::{LaneHasher, Partitions};
use barid_pipeline::Intake;
use barid_replica::{LogOptions, NotApplied, Options, Replica};
use barid_rpc::Services;
use barid_rpc::config::Stage;
use barid_rpc::control::Direct;
use barid_runtime::{Exit, Failure, Kind, SystemClock, admin as endpoint, control};
use clap::Parser;

use crate::commands::acting::Admits;
use crate::commands::elsewhere::Elsewhere;
use crate::commands::history::History;
use crate::commands::mesh::{Here, Mesh};
use crate::commands::routers::Routers;
use crate::feed;
use crate::retention::Keeping;
use crate::retention::mesh::Retention;
use crate::storage::StorageOptions;

/// The history of a mesh
#[derive(Debug, Parser)]
#[command(name = "barid-ledger", version)]
pub struct Line {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    log: LogOptions,
    #[command(flatten)]
    storage: StorageOptions,
    /// How often what has had its time is removed from the log, and this history says how far it has read
    #[arg(long, env = "BARID_TRIM_EVERY", value_name = "TIME", value_parser = time, default_value = "1m")]
    trim_every: Duration,
}

/// A time as a person writes it.
fn time(text: &str) -> Result<Duration, String> {
    let time = barid_runtime::time::read_duration(text).filter(|time| !time.is_zero());
    time.ok_or_else(|| "not a time such as 30s or 1m".to_owned())
}

/// Runs the process.
#[must_use]
pub fn main() -> Exit {
    let line = Line::parse();
    barid_replica::block_on(async {
        let replica = Replica::begin(Stage::Ledger, line.options)?;
        let nats = Arc::new(line.log.open().await?);
        let log: Arc<dyn Log> = Arc::clone(&nats) as Arc<dyn Log>;
        let log_bytes = Box::new(move || nats.status().streams.iter().map(|stream| stream.bytes).sum::<u64>());
        start(&replica, &log, log_bytes, line.storage, line.trim_every).await?;
        Ok(replica.run().await)
    })
}

/// What the log takes at its servers, in bytes, as far as that is known.
pub type Size = Box<dyn Fn() -> u64 + Send + Sync>;

/// Starts the replica's tasks; `log_bytes` is shown in the status.
///
/// # Errors
/// [`Failure`] where it cannot start.
pub async fn start(
    replica: &Replica,
    log: &Arc<dyn Log>,
    log_bytes: Size,
    place: StorageOptions,
    trim_every: Duration,
) -> Result<(), Failure> {
    let admin = replica.admin(endpoint::registry()).await?.to_string();
    let stop = replica.stopped();
    let (ledger, shared) = place.open(replica.data(), log.identity().incarnation).await?;
    let channels = Arc::new(Channels::new(Arc::clone(log)));
    let known = Arc::clone(&channels);
    let (follower, last) = replica.configuration()?;
    let apply = async move |snapshot: Arc<Snapshot>| channels.publish(snapshot).await.map_err(NotApplied::from);
    follower.start(last, &apply).await;
    let pauses = Arc::new(Pauses::open(Arc::clone(log)).await.map_err(|error| storage(&error))?);
    let followed = Arc::clone(&pauses);
    let following = async move {
        followed.follow().await;
        Ok::<(), std::convert::Infallible>(())
    };
    replica.process.tasks.spawn(Kind::Background, "pauses", following);
    let keeping = Keeping {
        log: Arc::clone(log),
        ledger: Arc::clone(&ledger),
        partitions: Partitions::new(u16::try_from(log.identity().partitions).unwrap_or(u16::MAX)),
        channels: Arc::clone(&known),
        clock: Arc::new(SystemClock),
    };
    // Before anything is read: from now on the log is kept for this history.
    Retention::begin(replica, keeping, trim_every, shared.as_deref()).await?.start(replica);
    let history = History {
        log: Arc::clone(log),
        ledger: Arc::clone(&ledger),
        hasher: LaneHasher::new(log.identity().lane_key),
        channels: known,
        clock: Arc::new(SystemClock),
        data: replica.data().to_owned(),
    };
    let socket = control::bind(replica.data()).map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
    let commands: Arc<dyn control::Commands> = Arc::new(mesh(replica, history, pauses, (admin, log_bytes))?);
    replica.process.tasks.spawn(Kind::Background, "control socket", socket.serve(commands, replica.process.drain()));
    let follow = async move {
        follower.follow(apply).await;
        Ok::<(), std::convert::Infallible>(())
    };
    replica.process.tasks.spawn(Kind::Background, "configuration", follow);
    replica.process.tasks.spawn(Kind::Critical(Exit::Storage), "feed", feed::keep(Arc::clone(log), ledger, stop));
    replica.serve(Services::new()).await?;
    Ok(())
}

/// What people can ask and tell here.
fn mesh(
    replica: &Replica,
    history: History,
    pauses: Arc<Pauses>,
    (admin, log_bytes): (String, Size),
) -> Result<Mesh, Failure> {
    let log = Arc::clone(&history.log);
    let partitions = Partitions::new(u16::try_from(log.identity().partitions).unwrap_or(u16::MAX));
    let intake = Arc::new(Intake::joint(&log, partitions).map_err(|error| storage(&error))?);
    let full = Arc::new(Full::default());
    replica.process.tasks.spawn(Kind::Background, "full destinations", Arc::clone(&full).follow(Arc::clone(&log)));
    let direct = Direct::new(replica.tls.clone());
    let elsewhere = Arc::new(Elsewhere::new(Arc::clone(&log), Arc::clone(&history.channels), direct));
    let (channels, known, drain) = (Arc::clone(&history.channels), Arc::clone(&pauses), replica.process.drain());
    let admits: Admits = Box::new(move |channel| {
        if drain.has_started() {
            return Err(NotAdmitted::ShuttingDown);
        }
        admit(&*log, &channels, &known, &full, channel)
    });
    let (readiness, drain) = (replica.process.readiness.clone(), replica.process.drain());
    let here = Here { readiness, drain, started: history.clock.now(), admin, log_bytes };
    let routers = Routers::new(Arc::clone(&history.log), replica.tls.clone());
    Ok(Mesh::new(history, intake, admits, elsewhere, routers, pauses, here))
}

fn storage(error: &LogError) -> Failure {
    Failure::new(Exit::Storage, error.to_string())
}
