//! Pause and resume: what a person sets on channels and destinations, beyond restarts.
//!
//! Both are keys of the log, which whoever is concerned follows.

use barid_config::document::{ChannelState, DestinationState};
use barid_custody::{Pause, Pauses, What};
use barid_log::LogError;
use barid_model::Name;
use barid_runtime::control::protocol::{By, Done, PauseMode, PauseRequest, PauseTarget, ResumeRequest};
use barid_runtime::control::{CommandError, CommandResult};
use serde_json::json;

use super::history::History;
use super::journal::{Journal, Order, check};
use super::log_failed;

/// One thing was done.
const ONE: Done = Done { matched: 1, done: 1, missed: Vec::new(), children: Vec::new() };

/// What a pause works on.
pub struct Pausing<'a> {
    /// The documents that run.
    pub history: &'a History,
    /// Where it is recorded.
    pub journal: &'a Journal,
    /// What is paused.
    pub pauses: &'a Pauses,
    /// Whether a destination that is not declared any more still has something.
    pub drains: &'a (dyn Fn(&Name) -> bool + Sync),
}

impl Pausing<'_> {
    /// Pauses a channel or destination, beyond restarts.
    ///
    /// # Errors
    /// Where there is none, or it cannot be recorded.
    pub async fn pause(&self, request: PauseRequest) -> CommandResult<Done> {
        check(&request.by)?;
        let (what, name) = self.exists(&request.target)?;
        let closed = request.mode == PauseMode::Closed;
        if closed && what == What::Destination {
            return Err(CommandError::invalid("a destination is paused, not closed: it holds what is routed to it"));
        }
        let order = Order::new("pause", target(&request.target)).with(json!({"mode": request.mode}));
        self.journal.write(&request.by, vec![order]).await?;
        let By { actor, reason } = request.by;
        let pause = Pause { name, actor, reason, at: self.history.clock.now(), closed };
        self.pauses.begin(what, pause).await.map_err(|error| changed(&error))?;
        Ok(ONE)
    }

    /// Ends such a pause.
    ///
    /// # Errors
    /// Where there is none, or it cannot be recorded.
    pub async fn resume(&self, request: ResumeRequest) -> CommandResult<Done> {
        check(&request.by)?;
        let (what, name) = match &request.target {
            PauseTarget::Channel(name) => (What::Channel, name),
            PauseTarget::Destination(name) => (What::Destination, name),
        };
        if self.pauses.get(what, name).is_none() {
            // Says first whether it is there at all.
            self.exists(&request.target)?;
            return Err(CommandError::conflict(self.not_paused(what, name)));
        }
        self.journal.write(&request.by, vec![Order::new("resume", target(&request.target))]).await?;
        self.pauses.end(what, name).await.map_err(|error| changed(&error))?;
        Ok(ONE)
    }

    fn exists(&self, target: &PauseTarget) -> CommandResult<(What, Name)> {
        let snapshot = self.history.channels.snapshot();
        let (what, name, there) = match target {
            PauseTarget::Channel(name) => (What::Channel, name, snapshot.channels.contains_key(name)),
            PauseTarget::Destination(name) => {
                (What::Destination, name, snapshot.destinations.contains_key(name) || (self.drains)(name))
            }
        };
        if there {
            return Ok((what, name.clone()));
        }
        let names: Vec<String> = match what {
            What::Channel => snapshot.channels.keys().map(Name::short).collect(),
            What::Destination => snapshot.destinations.keys().map(Name::short).collect(),
        };
        let known = if names.is_empty() { "there is none".to_owned() } else { names.join(", ") };
        Err(CommandError::not_found(format!("no {} {} runs: {known}", what.word(), name.short())))
    }

    fn not_paused(&self, what: What, name: &Name) -> String {
        let snapshot = self.history.channels.snapshot();
        let declared = match what {
            What::Channel => {
                snapshot.channels.get(name).is_some_and(|channel| channel.settings.state != ChannelState::Running)
            }
            What::Destination => {
                snapshot.destinations.get(name).is_some_and(|spec| spec.state == DestinationState::Paused)
            }
        };
        let word = what.word();
        if declared {
            format!("{word} {} is paused by its document: change its `state` there", name.short())
        } else {
            format!("{word} {} is not paused", name.short())
        }
    }
}

fn target(target: &PauseTarget) -> String {
    match target {
        PauseTarget::Channel(name) => format!("channel {name}"),
        PauseTarget::Destination(name) => format!("destination {name}"),
    }
}

/// Two people changed the same thing at once.
fn changed(error: &LogError) -> CommandError {
    match error {
        LogError::WrongRevision { .. } => CommandError::conflict("somebody changed it at the same time: look again"),
        other => log_failed(other.clone()),
    }
}
