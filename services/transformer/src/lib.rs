//! The apply stage as a service: what a channel's revision makes of a message, for each of its routes.
//!
//! A replica holds the revisions that messages were accepted under: those of the snapshots it was offered, and any other it
//! is asked for, from the log, where each is stored before a message is stamped with it. It keeps nothing else.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use barid_config::{Channel, Snapshot};
use barid_log::Log;
use barid_model::{Envelope, Payload};
use barid_replica::{LogClosures, LogOptions, Options, Replica};
use barid_rpc::config::Stage;
use barid_rpc::serve::Applies;
use barid_rpc::{Make, Revisions, Services};
use barid_runtime::{Exit, Failure, Kind};
use barid_transform::{Apply, ApplyInput};
use bytes::Bytes;
use clap::Parser;
use prometheus_client::registry::Registry;

/// Revisions held: a country's channels, and some that are draining; each is some ten kilobytes.
const PROGRAMS_MAX: usize = 2_048;

/// The apply stage of a mesh
#[derive(Debug, Parser)]
#[command(name = "barid-transformer", version)]
struct Line {
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
        let replica = Replica::begin(Stage::Transformer, line.options)?;
        let log: Arc<dyn Log> = Arc::new(line.log.open().await?);
        start(&replica, &log).await?;
        Ok(replica.run().await)
    })
}

/// One revision of a channel, as the stage uses it.
struct Program(Arc<Channel>);

impl Applies for Program {
    fn input(&self, envelope: Arc<Envelope>, raw: Payload, context: Bytes) -> ApplyInput {
        let sender = self.0.sender(&envelope.facility);
        let program = Arc::clone(&self.0.program);
        ApplyInput { envelope, raw, program, facility: sender.facts, limits: sender.limits, context }
    }
}

/// Starts the replica's tasks; gives where it takes calls.
///
/// # Errors
/// [`Failure`] where it cannot start.
pub async fn start(replica: &Replica, log: &Arc<dyn Log>) -> Result<std::net::SocketAddr, Failure> {
    replica.admin(Registry::default()).await?;
    let (follower, last) = replica.configuration()?;
    let closures = Arc::new(LogClosures::of(Arc::clone(log)));
    let programs = Arc::new(Revisions::new(PROGRAMS_MAX, closures, make()));
    let held = Arc::clone(&programs);
    let apply = async move |snapshot: Arc<Snapshot>| {
        for channel in snapshot.channels.values() {
            held.put(channel.revision, Arc::new(Program(Arc::clone(channel))));
        }
        Ok(())
    };
    follower.start(last, &apply).await;
    let follow = async move {
        follower.follow(apply).await;
        Ok::<(), std::convert::Infallible>(())
    };
    replica.process.tasks.spawn(Kind::Background, "configuration", follow);
    replica.serve(Services::new().apply(Arc::new(Apply), programs)).await
}

/// A channel from its stored closure.
fn make() -> Make<Program> {
    Arc::new(|closure| {
        let channel = Channel::from_closure(closure).map_err(|error| error.to_string())?;
        Ok(Arc::new(Program(Arc::new(channel))))
    })
}
