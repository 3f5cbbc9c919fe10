//! What this replica tells of itself and of the partitions that it routes.

use std::collections::BTreeSet;
use std::sync::Arc;

use barid_custody::Channels;
use barid_log::{Log, LogError};
use barid_model::Name;
use barid_replica::{Reporter, words};
use barid_rpc::control::{By, Command, CommandRefused, Commanded};
use barid_runtime::control::CommandError;
use barid_runtime::control::protocol::{ChannelCounts, ReplicaReport};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::Routers;
use crate::metrics::handed_on;
use crate::report::waiting;

/// Commands to the routers of a replica.
pub(super) struct Control {
    pub(super) log: Arc<dyn Log>,
    pub(super) routers: Arc<Routers>,
    pub(super) channels: Arc<Channels>,
    pub(super) reporter: Reporter,
}

impl Control {
    async fn report(&self) -> Result<ReplicaReport, LogError> {
        let (snapshot, handles) = (self.channels.snapshot(), self.routers.handles());
        let names: BTreeSet<&Name> = snapshot.channels.keys().collect();
        let counts = names.into_iter().map(|name| ChannelCounts {
            name: name.clone(),
            accepted: 0,
            handed_on: handed_on(&handles, name),
        });
        Ok(ReplicaReport {
            channels: counts.filter(|counts| counts.handed_on > 0).collect(),
            router: waiting(&self.log, &self.routers.running()).await?,
            ..self.reporter.report(snapshot.number)
        })
    }
}

impl Commanded for Control {
    fn run(&self, command: Command, _: Option<By>, _: Bytes) -> BoxFuture<'_, Result<Bytes, CommandRefused>> {
        Box::pin(async move {
            match command {
                Command::Replica => {
                    let report = self.report().await;
                    words::answer(report.map_err(|error| CommandError::unavailable(error.to_string())))
                }
                other => Err(words::not_here(other)),
            }
        })
    }
}
