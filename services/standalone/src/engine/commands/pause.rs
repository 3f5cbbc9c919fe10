//! Pause, resume and reload: what a person sets on channels and destinations, and the documents read again.

use barid_config::diff;
use barid_config::document::{ChannelState, DestinationState};
use barid_log::LogError;
use barid_model::Name;
use barid_runtime::control::protocol::{
    By, Done, PauseMode, PauseRequest, PauseTarget, ReloadRequest, Reloaded, ResumeRequest,
};
use barid_runtime::control::{CommandError, CommandResult};
use serde_json::json;

use super::journal::{Order, check};
use super::{Engine, log_failed};
use crate::view;
use barid_custody::{Pause, What};

/// One thing was done.
const ONE: Done = Done { matched: 1, done: 1, missed: Vec::new(), children: Vec::new() };

/// Pauses a channel or destination, beyond restarts.
pub(super) async fn pause(engine: &Engine, request: PauseRequest) -> CommandResult<Done> {
    check(&request.by)?;
    let (what, name) = exists(engine, &request.target)?;
    let closed = request.mode == PauseMode::Closed;
    if closed && what == What::Destination {
        return Err(CommandError::invalid("a destination is paused, not closed: it holds what is routed to it"));
    }
    let order = Order::new("pause", target(&request.target)).with(json!({"mode": request.mode}));
    engine.journal.write(&request.by, vec![order]).await?;
    let By { actor, reason } = request.by;
    let pause = Pause { name, actor, reason, at: engine.parts.clock.now(), closed };
    engine.parts.pauses.begin(what, pause).await.map_err(|error| changed(&error))?;
    Ok(ONE)
}

/// Ends such a pause.
pub(super) async fn resume(engine: &Engine, request: ResumeRequest) -> CommandResult<Done> {
    check(&request.by)?;
    let (what, name) = match &request.target {
        PauseTarget::Channel(name) => (What::Channel, name),
        PauseTarget::Destination(name) => (What::Destination, name),
    };
    if engine.parts.pauses.get(what, name).is_none() {
        // Says first whether it is there at all.
        exists(engine, &request.target)?;
        return Err(CommandError::conflict(not_paused(engine, what, name)));
    }
    engine.journal.write(&request.by, vec![Order::new("resume", target(&request.target))]).await?;
    engine.parts.pauses.end(what, name).await.map_err(|error| changed(&error))?;
    Ok(ONE)
}

/// Reads the documents again now.
pub(super) async fn reload(engine: &Engine, request: ReloadRequest) -> CommandResult<Reloaded> {
    check(&request.by)?;
    engine.journal.write(&request.by, vec![Order::new("reload", "documents")]).await?;
    let (before, configuration) = (engine.parts.channels.snapshot(), &engine.parts.configuration);
    let now = configuration.reload().await.map_err(log_failed)?;
    Ok(Reloaded {
        snapshot: now.number,
        changed: diff(&before, &now).iter().map(|change| format!("{} {}", change.kind, change.name)).collect(),
        problems: configuration.problems().iter().map(view::problem).collect(),
    })
}

fn target(target: &PauseTarget) -> String {
    match target {
        PauseTarget::Channel(name) => format!("channel {name}"),
        PauseTarget::Destination(name) => format!("destination {name}"),
    }
}

fn exists(engine: &Engine, target: &PauseTarget) -> CommandResult<(What, Name)> {
    let snapshot = engine.parts.channels.snapshot();
    let (what, name, there) = match target {
        PauseTarget::Channel(name) => (What::Channel, name, snapshot.channels.contains_key(name)),
        PauseTarget::Destination(name) => {
            let there = snapshot.destinations.contains_key(name) || engine.parts.destinations.get(name).is_some();
            (What::Destination, name, there)
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

fn not_paused(engine: &Engine, what: What, name: &Name) -> String {
    let snapshot = engine.parts.channels.snapshot();
    let declared = match what {
        What::Channel => {
            snapshot.channels.get(name).is_some_and(|channel| channel.settings.state != ChannelState::Running)
        }
        What::Destination => snapshot.destinations.get(name).is_some_and(|spec| spec.state == DestinationState::Paused),
    };
    let word = what.word();
    if declared {
        format!("{word} {} is paused by its document: change its `state` there", name.short())
    } else {
        format!("{word} {} is not paused", name.short())
    }
}

/// Two people changed the same thing at once.
fn changed(error: &LogError) -> CommandError {
    match error {
        LogError::WrongRevision { .. } => CommandError::conflict("somebody changed it at the same time: look again"),
        other => log_failed(other.clone()),
    }
}
