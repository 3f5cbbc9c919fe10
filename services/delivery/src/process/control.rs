//! What this replica can be told about the destinations that it owns, by whoever a person talks to.
//!
//! What another replica owns is refused as such, with nothing done: who asked looks for the owner again.

use std::sync::Arc;

use barid_custody::act::{Acted, Ordered};
use barid_model::Name;
use barid_replica::words;
use barid_rpc::control::{By, Command, CommandRefused, Commanded, RefusalKind};
use barid_runtime::control::CommandError;
use barid_runtime::control::protocol::ProbeRequest;
use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::act::{Unacted, act};
use crate::destinations::Destinations;
use crate::probed::probe;

/// Commands to the destinations of a replica.
pub(super) struct Control {
    destinations: Arc<Destinations>,
}

impl Control {
    /// To these.
    #[must_use]
    pub(super) fn new(destinations: Arc<Destinations>) -> Self {
        Self { destinations }
    }

    async fn act(&self, by: By, ordered: Ordered) -> Result<Bytes, CommandRefused> {
        let Ordered { destination, act: what } = ordered;
        match act(&self.destinations, (by.actor, by.reason), &destination, what).await {
            Ok(done) => words::answer(Ok(Acted { done })),
            Err(Unacted::NotHere) => Err(not_owner(&destination)),
            Err(Unacted::Refused(why)) => words::answer::<Acted>(Err(CommandError::conflict(why))),
        }
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
                (Command::Probe, None) => self.probe(words::read(&request)?).await,
                (other, _) => Err(words::not_here(other)),
            }
        })
    }
}

fn not_owner(destination: &Name) -> CommandRefused {
    let text = format!("destination {} is not, or no longer, delivered to from here", destination.short());
    CommandRefused { kind: RefusalKind::NotOwner, text }
}
