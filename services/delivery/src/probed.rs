//! A first contact with a destination that runs here: with the secrets, environment and network of this process.

use std::time::Duration;

use barid_model::Name;
use barid_runtime::control::protocol::{MetView, Probed};
use barid_runtime::control::{CommandError, CommandResult};

use crate::connect::Met;
use crate::destinations::Running;

/// How long all endpoints together may take: a dozen of them that all time out.
pub const PROBE: Duration = Duration::from_secs(120);

/// Goes to a destination as far as one can without sending a message.
///
/// # Errors
/// Where that takes too long.
pub async fn probe(name: &Name, running: &Running) -> CommandResult<Probed> {
    match tokio::time::timeout(PROBE, running.connector.probe()).await {
        Ok(met) => Ok(Probed { met: met.iter().map(view).collect() }),
        Err(_) => Err(CommandError::unavailable(format!(
            "destination {} could not be probed within {} s",
            name.short(),
            PROBE.as_secs()
        ))),
    }
}

/// What was met, in the words of the control protocol.
#[must_use]
pub fn view(met: &Met) -> MetView {
    MetView {
        target: met.target.clone(),
        usable: met.problem.is_none(),
        problem: met.problem.clone(),
        took_ms: met.took.as_secs_f64() * 1_000.0,
        facts: met.facts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    }
}
