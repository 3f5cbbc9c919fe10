//! The parse stage as a service: which channel takes a message, is it acceptable, which lanes has it?
//!
//! A replica holds the rule tables of the snapshots that callers may ask for: each that it was offered, and any other it is
//! asked for, from the publisher by its hash. It keeps nothing else. Of the log it needs the key that lanes are made with.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use barid_config::{Packed, Snapshot};
use barid_log::Log;
use barid_model::LaneHasher;
use barid_replica::{LogOptions, Options, Replica, packed};
use barid_rpc::config::{Published, Stage};
use barid_rpc::{Closures, Make, Revisions, Services};
use barid_runtime::{Exit, Failure, Kind};
use barid_validate::{Parse, ParseTable};
use clap::Parser;
use prometheus_client::registry::Registry;

/// Rule tables held: more snapshots than this are never in use at once, and each is some megabytes in a country.
const TABLES_MAX: usize = 8;

/// The parse stage of a mesh
#[derive(Debug, Parser)]
#[command(name = "barid-parser-validator", version)]
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
        let replica = Replica::begin(Stage::ParserValidator, line.options)?;
        let log: Arc<dyn Log> = Arc::new(line.log.open().await?);
        start(&replica, &log).await?;
        Ok(replica.run().await)
    })
}

/// Starts the replica's tasks; gives where it takes calls.
///
/// # Errors
/// [`Failure`] where it cannot start.
pub async fn start(replica: &Replica, log: &Arc<dyn Log>) -> Result<std::net::SocketAddr, Failure> {
    replica.admin(Registry::default()).await?;
    let (follower, last) = replica.configuration()?;
    let tables = Arc::new(Revisions::new(TABLES_MAX, follower.subscription() as Arc<dyn Closures>, make()));
    let held = Arc::clone(&tables);
    let apply = async move |snapshot: Arc<Snapshot>| {
        held.put(snapshot.parse.identity(), Arc::clone(&snapshot.parse));
        Ok(())
    };
    follower.start(last, &apply).await;
    let follow = async move {
        follower.follow(apply).await;
        Ok::<(), std::convert::Infallible>(())
    };
    replica.process.tasks.spawn(Kind::Background, "configuration", follow);
    let parse = Parse::new(LaneHasher::new(log.identity().lane_key));
    replica.serve(Services::new().parse(Arc::new(parse), tables)).await
}

/// A rule table from a snapshot that was fetched.
fn make() -> Make<ParseTable> {
    Arc::new(|closure| {
        let published = Published::decode(closure).map_err(|error| error.to_string())?;
        let packed: Packed = packed(&published);
        let snapshot = Snapshot::unpack(&packed).map_err(|error| error.to_string())?;
        Ok(Arc::clone(&snapshot.parse))
    })
}
