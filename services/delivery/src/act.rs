//! One act at a destination that runs here, and its owner's word on it: the same whether who asks is in this process or not.

use std::time::Duration;

use barid_custody::act::{Act, Refusal};
use barid_model::Name;
use tokio::sync::oneshot;

use crate::destinations::Destinations;
use crate::owner::command::Command;

/// How long an owner may take to decide: it does so between two of its steps.
pub const DECIDE: Duration = Duration::from_secs(10);
/// How much longer one waits for the end of a try that is on its way: as long as most destinations may take.
pub const TRY_MAX: Duration = Duration::from_secs(60);

/// Why an act was not done here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unacted {
    /// This process does not own the destination.
    #[error("it does not run here")]
    NotHere,
    /// Its owner refused, or has not decided in time; in words for a person.
    #[error("{0}")]
    Refused(String),
}

/// Has a destination's owner do something; how many it did.
///
/// # Errors
/// [`Unacted`].
pub async fn act(
    destinations: &Destinations,
    by: (String, String),
    destination: &Name,
    act: Act,
) -> Result<u64, Unacted> {
    let running = destinations.get(destination).ok_or(Unacted::NotHere)?;
    let on_its_way = act.may_wait();
    let timeout = running.spec.timeout;
    let patience = DECIDE + if on_its_way { timeout.min(TRY_MAX) } else { Duration::ZERO };
    let (reply, decided) = oneshot::channel();
    let (actor, reason) = by;
    let command = Command { actor, reason, act, reply };
    let told = async {
        running.commands.send(command).await.map_err(|_| Refusal::Stopped)?;
        decided.await.map_err(|_| Refusal::Stopped)?
    };
    let refused = match tokio::time::timeout(patience, told).await {
        Ok(done) => return done.map_err(|refusal| Unacted::Refused(refusal.to_string())),
        Err(_) if on_its_way => format!(
            "it is being sent right now: it ends when this try has failed, in {} s at most, and not where it is answered",
            timeout.as_secs()
        ),
        Err(_) => format!(
            "destination {} has not decided within {} s: look whether it was done meanwhile, else try again",
            destination.short(),
            DECIDE.as_secs()
        ),
    };
    Err(Unacted::Refused(refused))
}
