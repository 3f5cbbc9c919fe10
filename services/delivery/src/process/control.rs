//! What this replica can be told about the destinations that it owns, by whoever a person talks to.
//!
//! What another replica owns is refused as such, with nothing done: who asked looks for the owner again.

use std::path::PathBuf;
use std::sync::Arc;

use barid_custody::act::{Acted, Ordered};
use barid_custody::tried::{Asked, Known};
use barid_custody::{Channels, Pauses};
use barid_log::{Log, LogError};
use barid_model::{Clock, Name, Partitions};
use barid_replica::{Reporter, words};
use barid_rpc::control::{By, Command, CommandRefused, Commanded, RefusalKind};
use barid_runtime::control::CommandError;
use barid_runtime::control::protocol::{ProbeRequest, ReplicaReport};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::act::{Unacted, act};
use crate::destinations::Destinations;
use crate::probed::probe;
use crate::report;

/// Commands to the destinations of a replica.
pub(super) struct Control {
    pub(super) log: Arc<dyn Log>,
    pub(super) partitions: Partitions,
    pub(super) destinations: Arc<Destinations>,
    pub(super) channels: Arc<Channels>,
    pub(super) pauses: Arc<Pauses>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reporter: Reporter,
    /// Where the secrets are.
    pub(super) secrets: PathBuf,
}

impl Control {
    async fn report(&self) -> Result<ReplicaReport, LogError> {
        let (log, destinations) = (&self.log, &self.destinations);
        let now = self.clock.now();
        let (named, folder) = (self.channels.snapshot(), self.secrets.clone());
        let files = tokio::task::spawn_blocking(move || report::files(&named, &folder)).await;
        let mut certificates = files.unwrap_or_default();
        certificates.extend(report::certificates(destinations));
        Ok(ReplicaReport {
            destinations: report::destinations(log, self.partitions, &self.pauses, destinations, now).await?,
            certificates,
            ..self.reporter.report(self.channels.snapshot().number)
        })
    }

    async fn act(&self, by: By, ordered: Ordered) -> Result<Bytes, CommandRefused> {
        let Ordered { destination, act: what } = ordered;
        match act(&self.destinations, (by.actor, by.reason), &destination, what).await {
            Ok(done) => words::answer(Ok(Acted { done })),
            Err(Unacted::NotHere) => Err(not_owner(&destination)),
            Err(Unacted::Refused(why)) => words::answer::<Acted>(Err(CommandError::conflict(why))),
        }
    }

    fn tries(&self, asked: Asked) -> Result<Bytes, CommandRefused> {
        let Asked { destination, deliveries } = asked;
        if self.destinations.get(&destination).is_none() {
            return Err(not_owner(&destination));
        }
        words::answer(Ok(Known { troubles: self.destinations.troubles(&destination, deliveries) }))
    }

    async fn probe(&self, request: ProbeRequest) -> Result<Bytes, CommandRefused> {
        let running = self.destinations.get(&request.destination);
        let running = running.ok_or_else(|| not_owner(&request.destination))?;
        words::answer(probe(&request.destination, &running).await)
    }
}

impl Commanded for Control {
    fn run(&self, command: Command, by: Option<By>, request: Bytes) -> BoxFuture<'_, Result<Bytes, CommandRefused>> {
        Box::pin(async move {
            match (command, by) {
                (Command::Act, Some(by)) => self.act(by, words::read(&request)?).await,
                (Command::Tries, None) => self.tries(words::read(&request)?),
                (Command::Probe, None) => self.probe(words::read(&request)?).await,
                (Command::Replica, None) => {
                    let report = self.report().await;
                    words::answer(report.map_err(|error| CommandError::unavailable(error.to_string())))
                }
                (other, _) => Err(words::not_here(other)),
            }
        })
    }
}

fn not_owner(destination: &Name) -> CommandRefused {
    let text = format!("destination {} is not, or no longer, delivered to from here", destination.short());
    CommandRefused { kind: RefusalKind::NotOwner, text }
}

#[cfg(test)]
mod tests;
