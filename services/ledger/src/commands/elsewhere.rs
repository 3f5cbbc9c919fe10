//! The owners of destinations, as acts find them in a mesh: by their claims, over the network.
//!
//! An owner that could not be told, or says that it is none, was told nothing: its successor is looked for, as long as a
//! takeover takes. One that was told and did not answer may have done it, and is not asked again; that is for a person.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use barid_custody::Channels;
use barid_custody::act::{Act, Acted, Ordered};
use barid_custody::tried::{Asked, Known, Trouble};
use barid_log::Log;
use barid_model::{DeliveryId, Name};
use barid_replica::{Contact, owner, words};
use barid_rpc::control::{self, Command, Direct, NotTold, RefusalKind};
use barid_runtime::control::protocol::{By, ProbeRequest, Probed};
use barid_runtime::control::{CommandError, CommandResult};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::acting::{Owners, Why};
use super::log_failed;
use super::trying::Tries;

/// Under which role destinations are claimed.
pub const DELIVERY: &str = "delivery";
/// How long an owner is looked for: what a takeover may take, and somewhat more.
const OWNER_WAIT: Duration = Duration::from_secs(12);
/// How often.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a destination that nobody was found for is not waited for again: hundreds may be acted on in one command.
const NOT_AGAIN: Duration = Duration::from_secs(30);
/// How long an owner may take for what it decides between two steps.
const DECIDE: Duration = Duration::from_secs(15);
/// How long for what may have to wait for the end of a try: as long as it gives itself, and somewhat more.
const DECIDE_LATER: Duration = Duration::from_secs(75);
/// How long for a probe, likewise.
const PROBE: Duration = Duration::from_secs(125);

/// How long the last tries are waited for: a list is shown without them rather than late.
const TRIES: Duration = Duration::from_secs(2);

/// The owners of destinations, wherever they are.
pub struct Elsewhere {
    log: Arc<dyn Log>,
    channels: Arc<Channels>,
    direct: Direct,
    /// Since when nobody was found for these.
    missing: Mutex<HashMap<Name, Instant>>,
}

impl Elsewhere {
    /// As the claims in a log say, reached by `direct`.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, channels: Arc<Channels>, direct: Direct) -> Self {
        Self { log, channels, direct, missing: Mutex::default() }
    }

    /// Who can be reached directly.
    #[must_use]
    pub fn direct(&self) -> &Direct {
        &self.direct
    }

    /// Has a destination probed by its owner, with its secrets and from where it is.
    ///
    /// # Errors
    /// Where there is no such destination, or nobody owns it now.
    pub async fn probe(&self, request: ProbeRequest) -> CommandResult<Probed> {
        let name = &request.destination;
        if !self.knows(name).await? {
            let snapshot = self.channels.snapshot();
            let known: Vec<String> = snapshot.destinations.keys().map(Name::short).collect();
            let known =
                if known.is_empty() { "there is none".to_owned() } else { format!("there are: {}", known.join(", ")) };
            return Err(CommandError::not_found(format!("no such destination {}; {known}", name.short())));
        }
        let answer = self.tell(name, Command::Probe, None, words::request(&request)?, PROBE).await?;
        words::answered(&answer)
    }

    /// Tells a destination's owner something.
    async fn tell(
        &self,
        name: &Name,
        command: Command,
        by: Option<control::By>,
        request: Bytes,
        within: Duration,
    ) -> CommandResult<Bytes> {
        let deadline = Instant::now() + self.patience(name);
        loop {
            let why = match owner(&self.log, DELIVERY, &name.subject_part()).await.map_err(log_failed)? {
                None => "no delivery process owns it now".to_owned(),
                Some(Contact { member, address: None }) => {
                    return Err(CommandError::unavailable(format!(
                        "{member}, which delivers to {}, does not say where it can be told anything: it is of an \
                         earlier release",
                        name.short()
                    )));
                }
                Some(contact @ Contact { address: Some(_), .. }) => {
                    let address = contact.address.as_deref().unwrap_or_default();
                    let told = self.direct.run(address, command, by.clone(), request.clone(), within).await;
                    match told {
                        Ok(answer) => {
                            self.missing.lock().remove(name);
                            return Ok(answer);
                        }
                        Err(NotTold::Unreached(why)) => format!("{} at {address}: {why}", contact.replica()),
                        Err(NotTold::Refused(refused)) if refused.kind == RefusalKind::NotOwner => refused.text,
                        Err(NotTold::Refused(refused)) => return Err(unanswered(&contact, command, refused)),
                    }
                }
            };
            if Instant::now() >= deadline {
                self.missing.lock().insert(name.clone(), Instant::now());
                return Err(CommandError::unavailable(format!(
                    "nobody who delivers to {} could be told, nothing was done: {why}; try again when a delivery \
                     process has taken it over",
                    name.short()
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn patience(&self, name: &Name) -> Duration {
        let mut missing = self.missing.lock();
        missing.retain(|_, since| since.elapsed() < NOT_AGAIN);
        if missing.contains_key(name) { Duration::ZERO } else { OWNER_WAIT }
    }
}

/// What a refusal means to a person; where no answer came, it may have been done.
fn unanswered(contact: &Contact, command: Command, refused: control::CommandRefused) -> CommandError {
    let lost = matches!(refused.kind, RefusalKind::Unavailable | RefusalKind::Failed);
    let mut error = words::error(refused);
    if lost {
        error.text = format!("{}: {}", contact.replica(), error.text);
        if command.changes() {
            error.text.push_str("; it may have been done: look again");
        }
    }
    error
}

impl Tries for Elsewhere {
    fn of<'a>(&'a self, destination: &'a Name, which: Vec<DeliveryId>) -> BoxFuture<'a, Vec<(DeliveryId, Trouble)>> {
        Box::pin(async move {
            let asked = async {
                let contact = owner(&self.log, DELIVERY, &destination.subject_part()).await.ok()??;
                let request = words::request(&Asked { destination: destination.clone(), deliveries: which }).ok()?;
                let told = self.direct.run(contact.address.as_deref()?, Command::Tries, None, request, TRIES).await;
                words::answered::<Known>(&told.ok()?).ok()
            };
            let known = tokio::time::timeout(TRIES, asked).await.ok().flatten();
            known.unwrap_or_default().troubles
        })
    }
}

impl Owners for Elsewhere {
    fn knows<'a>(&'a self, destination: &'a Name) -> BoxFuture<'a, CommandResult<bool>> {
        Box::pin(async move {
            if self.channels.snapshot().destinations.contains_key(destination) {
                return Ok(true);
            }
            Ok(self.channels.undeclared().await.map_err(log_failed)?.contains_key(destination))
        })
    }

    fn act<'a>(&'a self, by: &'a By, destination: &'a Name, act: Act) -> BoxFuture<'a, Result<u64, Why>> {
        Box::pin(async move {
            let within = if act.may_wait() { DECIDE_LATER } else { DECIDE };
            let by = Some(control::By { actor: by.actor.clone(), reason: by.reason.clone() });
            let ordered = words::request(&Ordered { destination: destination.clone(), act });
            let told = async {
                let answer = self.tell(destination, Command::Act, by, ordered?, within).await?;
                words::answered::<Acted>(&answer)
            };
            told.await.map(|acted| acted.done).map_err(|error: CommandError| error.text)
        })
    }
}

#[cfg(test)]
mod tests;
