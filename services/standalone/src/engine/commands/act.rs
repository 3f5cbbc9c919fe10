//! One command to a destination's owner, and its word on it.

use std::time::Duration;

use barid_delivery::owner::command::{Act, Command, Refusal};
use barid_model::Name;
use barid_runtime::control::protocol::By;
use tokio::sync::oneshot;

use super::Engine;

/// How long an owner may take to decide: it does so between two of its steps.
const DECIDE: Duration = Duration::from_secs(10);
/// How much longer one waits for the end of a try that is on its way: as long as most destinations may take.
const TRY_MAX: Duration = Duration::from_secs(60);

/// Has a destination's owner do something; how many it did, or why not.
pub(super) async fn act(engine: &Engine, by: &By, destination: &Name, act: Act) -> Result<u64, String> {
    let Some(running) = engine.parts.destinations.get(destination) else {
        return Err(format!(
            "destination {} does not run: declare it, so that it can be acted on",
            destination.short()
        ));
    };
    let on_its_way = matches!(act, Act::EndWaiting { .. } | Act::Discard(_) | Act::SetAside(_));
    let (patience, timeout) =
        (DECIDE + if on_its_way { running.spec.timeout.min(TRY_MAX) } else { Duration::ZERO }, running.spec.timeout);
    let (reply, decided) = oneshot::channel();
    let command = Command { actor: by.actor.clone(), reason: by.reason.clone(), act, reply };
    let told = async {
        running.commands.send(command).await.map_err(|_| Refusal::Stopped)?;
        decided.await.map_err(|_| Refusal::Stopped)?
    };
    match tokio::time::timeout(patience, told).await {
        Ok(done) => done.map_err(|refusal| refusal.to_string()),
        Err(_) if on_its_way => Err(format!(
            "it is being sent right now: it ends when this try has failed, in {} s at most, and not where it is answered",
            timeout.as_secs()
        )),
        Err(_) => Err(format!("destination {} has not decided within {} s", destination.short(), DECIDE.as_secs())),
    }
}
