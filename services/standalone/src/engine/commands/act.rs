//! One command to a destination's owner, and its word on it.

use std::time::Duration;

use barid_delivery::owner::command::{Act, Command, Refusal};
use barid_model::Name;
use barid_runtime::control::protocol::By;
use tokio::sync::oneshot;

use super::Engine;

/// How long an owner may take to decide: it does so between two of its steps.
const DECIDE: Duration = Duration::from_secs(10);

/// Has a destination's owner do something; how many it did, or why not.
pub(super) async fn act(engine: &Engine, by: &By, destination: &Name, act: Act) -> Result<u64, String> {
    let Some(running) = engine.parts.destinations.get(destination) else {
        return Err(format!(
            "destination {} does not run: declare it, so that it can be acted on",
            destination.short()
        ));
    };
    let (reply, decided) = oneshot::channel();
    let command = Command { actor: by.actor.clone(), reason: by.reason.clone(), act, reply };
    let told = async {
        running.commands.send(command).await.map_err(|_| Refusal::Stopped)?;
        decided.await.map_err(|_| Refusal::Stopped)?
    };
    match tokio::time::timeout(DECIDE, told).await {
        Ok(done) => done.map_err(|refusal| refusal.to_string()),
        Err(_) => Err(format!("destination {} has not decided within {} s", destination.short(), DECIDE.as_secs())),
    }
}
