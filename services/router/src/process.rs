//! The router's process in a mesh: the partitions that this replica has claimed.

mod control;
mod routing;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use barid_config::Snapshot;
use barid_custody::Channels;
use barid_log::Log;
use barid_model::Partition;
use barid_model::stage::{Call, Local};
use barid_replica::{LogOptions, NotApplied, Options, Ownership, Owns, Replica, Tenure};
use barid_rpc::config::Stage;
use barid_rpc::{ApplyContract, Remote, Services, Target};
use barid_runtime::{Exit, Failure, Kind, SystemClock, admin};
use barid_transform::{Applied, Apply, ApplyInput};
use clap::Parser;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::{Parts, Routers};

/// How often the figures of the routers are taken.
const TAKE_EVERY: Duration = Duration::from_millis(250);

/// The routers of a mesh
#[derive(Debug, Parser)]
#[command(name = "barid-router", version)]
pub struct Line {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    log: LogOptions,
    /// Transformers: `host:port`, each address of the name is one; without it the stage runs in this process
    #[arg(long, env = "BARID_TRANSFORMERS", value_name = "HOST:PORT", value_delimiter = ',')]
    transformers: Vec<String>,
}

/// Runs the process.
#[must_use]
pub fn main() -> Exit {
    let line = Line::parse();
    barid_replica::block_on(async {
        let replica = Replica::begin(Stage::Router, line.options)?;
        let log: Arc<dyn Log> = Arc::new(line.log.open().await?);
        let targets = line.transformers.into_iter().map(Target::Name).collect();
        start(&replica, &log, targets).await?;
        Ok(replica.run().await)
    })
}

fn stage(replica: &Replica, targets: Vec<Target>) -> Arc<dyn Call<ApplyInput, Applied>> {
    if targets.is_empty() {
        return Arc::new(Local::new(Arc::new(Apply)));
    }
    let options = barid_rpc::Options { tls: replica.tls.clone(), ..barid_rpc::Options::default() };
    Arc::new(Remote::<ApplyContract>::new(targets, &options))
}

/// Starts the replica's tasks.
///
/// # Errors
/// [`Failure`] where it cannot start.
pub async fn start(replica: &Replica, log: &Arc<dyn Log>, transformers: Vec<Target>) -> Result<(), Failure> {
    let mut registry = admin::registry();
    let metrics = Metrics::new(&mut registry);
    replica.admin(registry).await?;
    let stop = replica.stopped();
    let channels = Arc::new(Channels::new(Arc::clone(log)));
    let parts = Parts {
        log: Arc::clone(log),
        apply: stage(replica, transformers),
        channels: Arc::clone(&channels),
        clock: Arc::new(SystemClock),
    };
    let routers = Arc::new(Routers::new(parts.clone()));
    let counted = Arc::clone(&routers);
    replica.process.tasks.spawn(Kind::Background, "metrics", async move {
        loop {
            tokio::time::sleep(TAKE_EVERY).await;
            metrics.take(&counted.handles());
        }
        #[expect(unreachable_code, reason = "it says which error it never has")]
        Ok::<(), std::convert::Infallible>(())
    });
    let known = Arc::clone(&channels);
    let (follower, last) = replica.configuration()?;
    let partitions: BTreeSet<String> = (0..log.identity().partitions).map(|n| format!("{n:02}")).collect();
    // What a route leads to is looked up in the snapshot: nothing is routed before there is one.
    let (items, owned) = watch::channel(BTreeSet::new());
    let apply = async move |snapshot: Arc<Snapshot>| {
        channels.publish(snapshot).await.map_err(NotApplied::from)?;
        items.send_if_modified(|now| {
            let first = now.is_empty();
            now.clone_from(&partitions);
            first
        });
        Ok(())
    };
    follower.start(last, &apply).await;
    let follow = async move {
        follower.follow(apply).await;
        Ok::<(), std::convert::Infallible>(())
    };
    replica.process.tasks.spawn(Kind::Background, "configuration", follow);
    let ownership = Ownership {
        log: Arc::clone(log),
        role: "router",
        replica: replica.name(),
        terms: barid_replica::Terms::default(),
    };
    // Who owns something says where it can be asked about it.
    let control = control::Control {
        log: Arc::clone(log),
        routers: Arc::clone(&routers),
        channels: known,
        reporter: replica.reporter(),
    };
    let services = Services::new().control(Arc::new(control)).routing(Arc::new(routing::Asked { parts }));
    let bound = replica.serve(services).await?;
    let address = replica.contact(bound);
    let run = async move { ownership.run_at(&address, owned, Arc::new(Partitions(routers)), stop).await };
    replica.process.tasks.spawn(Kind::Critical(Exit::Storage), "partitions", run);
    Ok(())
}

struct Partitions(Arc<Routers>);

impl Owns for Partitions {
    fn run(&self, item: String, _: Tenure, stop: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        let Ok(partition) = item.parse() else { return Box::pin(std::future::ready(())) };
        // The log refuses what a stale owner writes, so nothing has to be asked of the lease.
        let run = self.0.route(Partition(partition), stop);
        Box::pin(async move {
            if let Err(error) = run.await {
                tracing::warn!(partition = item, %error, "this run of the router has ended");
            }
        })
    }
}
