//! The ledger's process in a mesh: a history of its own, fed from the log, and the socket where it is asked.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use barid_config::Snapshot;
use barid_custody::{Channels, Pauses};
use barid_ledger::{Bound, Ledger, SqliteLedger};
use barid_log::{Log, LogError};
use barid_model::LaneHasher;
use barid_replica::{LogOptions, Options, Replica};
use barid_rpc::Services;
use barid_rpc::config::Stage;
use barid_runtime::{Exit, Failure, Kind, SystemClock, control};
use clap::Parser;
use prometheus_client::registry::Registry;

use crate::commands::history::History;
use crate::commands::mesh::Mesh;
use crate::feed;

/// The history of a mesh
#[derive(Debug, Parser)]
#[command(name = "barid-ledger", version)]
pub struct Line {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    log: LogOptions,
}

/// Runs the process.
#[must_use]
pub fn main() -> Exit {
    let line = Line::parse();
    barid_replica::block_on(async {
        let replica = Replica::begin(Stage::Ledger, line.options)?;
        let log: Arc<dyn Log> = Arc::new(line.log.open().await?);
        start(&replica, &log).await?;
        Ok(replica.run().await)
    })
}

/// Starts the replica's tasks.
///
/// # Errors
/// [`Failure`] where it cannot start.
pub async fn start(replica: &Replica, log: &Arc<dyn Log>) -> Result<(), Failure> {
    replica.admin(Registry::default()).await?;
    let stop = replica.stopped();
    let failed = |error: barid_ledger::LedgerError| Failure::new(Exit::Storage, error.to_string());
    let ledger = SqliteLedger::open(&replica.data().join("ledger.sqlite")).map_err(failed)?;
    if ledger.bind(log.identity().incarnation).map_err(failed)? == Bound::Reset {
        tracing::warn!("the ledger belonged to another log: it is rebuilt from this one");
    }
    let ledger: Arc<dyn Ledger> = Arc::new(ledger);
    let channels = Arc::new(Channels::new(Arc::clone(log)));
    let known = Arc::clone(&channels);
    let (follower, last) = replica.configuration()?;
    let apply =
        async move |snapshot: Arc<Snapshot>| channels.publish(snapshot).await.map_err(|error| error.to_string());
    follower.start(last, &apply).await;
    let pauses = Arc::new(Pauses::open(Arc::clone(log)).await.map_err(|error| storage(&error))?);
    let followed = Arc::clone(&pauses);
    let following = async move {
        followed.follow().await;
        Ok::<(), std::convert::Infallible>(())
    };
    replica.process.tasks.spawn(Kind::Background, "pauses", following);
    let history = History {
        log: Arc::clone(log),
        ledger: Arc::clone(&ledger),
        hasher: LaneHasher::new(log.identity().lane_key),
        channels: known,
        clock: Arc::new(SystemClock),
        data: replica.data().to_owned(),
    };
    let socket = control::bind(replica.data()).map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
    let commands: Arc<dyn control::Commands> = Arc::new(Mesh::new(history, pauses));
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

fn storage(error: &LogError) -> Failure {
    Failure::new(Exit::Storage, error.to_string())
}
