//! Pause, resume and reload: what a person sets on channels and destinations, and the documents read again.

use barid_config::diff;
use barid_ledger_service::commands::pause::Pausing;
use barid_model::Name;
use barid_runtime::control::CommandResult;
use barid_runtime::control::protocol::{Done, PauseRequest, ReloadRequest, Reloaded, ResumeRequest};

use super::journal::{Order, check};
use super::{Engine, log_failed};
use crate::view;

/// Pauses a channel or destination, beyond restarts.
pub(super) async fn pause(engine: &Engine, request: PauseRequest) -> CommandResult<Done> {
    let drains = |name: &Name| engine.parts.destinations.get(name).is_some();
    pausing(engine, &drains).pause(request).await
}

/// Ends such a pause.
pub(super) async fn resume(engine: &Engine, request: ResumeRequest) -> CommandResult<Done> {
    let drains = |name: &Name| engine.parts.destinations.get(name).is_some();
    pausing(engine, &drains).resume(request).await
}

fn pausing<'a>(engine: &'a Engine, drains: &'a (dyn Fn(&Name) -> bool + Sync)) -> Pausing<'a> {
    Pausing { history: &engine.history, journal: &engine.acting.journal, pauses: &engine.parts.pauses, drains }
}

/// Reads the documents again now.
pub(super) async fn reload(engine: &Engine, request: ReloadRequest) -> CommandResult<Reloaded> {
    check(&request.by)?;
    engine.acting.journal.write(&request.by, vec![Order::new("reload", "documents")]).await?;
    let (before, configuration) = (engine.parts.channels.snapshot(), &engine.parts.configuration);
    let now = configuration.reload().await.map_err(log_failed)?;
    Ok(Reloaded {
        snapshot: now.number,
        changed: diff(&before, &now).iter().map(|change| format!("{} {}", change.kind, change.name)).collect(),
        problems: configuration.problems().iter().map(view::problem).collect(),
    })
}
