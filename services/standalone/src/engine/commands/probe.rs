//! A first contact with a destination by the engine itself: with its secrets, its environment and its view of the network.

use std::time::Duration;

use barid_model::Name;
use barid_runtime::control::protocol::{ProbeRequest, Probed};
use barid_runtime::control::{CommandError, CommandResult};

use super::Engine;
use crate::view;

/// How long all endpoints together may take: a dozen of them that all time out.
const PROBE: Duration = Duration::from_secs(120);

/// Probes a destination that runs.
pub(super) async fn probe(engine: &Engine, request: ProbeRequest) -> CommandResult<Probed> {
    let name = &request.destination;
    let Some(running) = engine.parts.destinations.get(name) else {
        let known: Vec<Name> = engine.parts.destinations.all().into_keys().collect();
        return Err(CommandError::not_found(view::unknown("destination", name, known.iter())));
    };
    match tokio::time::timeout(PROBE, running.connector.probe()).await {
        Ok(met) => Ok(Probed { met: met.iter().map(view::met).collect() }),
        Err(_) => Err(CommandError::unavailable(format!(
            "destination {} could not be probed within {} s",
            name.short(),
            PROBE.as_secs()
        ))),
    }
}
