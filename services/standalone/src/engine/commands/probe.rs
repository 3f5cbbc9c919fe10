//! A first contact with a destination by the engine itself: with its secrets, its environment and its view of the network.

use barid_model::Name;
use barid_runtime::control::protocol::{ProbeRequest, Probed};
use barid_runtime::control::{CommandError, CommandResult};

use super::Engine;
use crate::view;

/// Probes a destination that runs.
pub(super) async fn probe(engine: &Engine, request: ProbeRequest) -> CommandResult<Probed> {
    let name = &request.destination;
    let Some(running) = engine.parts.destinations.get(name) else {
        let known: Vec<Name> = engine.parts.destinations.all().into_keys().collect();
        return Err(CommandError::not_found(view::unknown("destination", name, known.iter())));
    };
    barid_delivery::probed::probe(name, &running).await
}
