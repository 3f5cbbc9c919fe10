//! What would become of a message, as the engine's own routers would have it.

use std::sync::Arc;

use barid_model::stage::Local;
use barid_router::dry_run::{NotTried, dry_run as tried};
use barid_runtime::control::protocol::{DryRunRequest, DryRunView};
use barid_runtime::control::{CommandError, CommandResult};
use barid_transform::Apply;

use super::Engine;

/// Tries a message.
pub(super) async fn dry_run(engine: &Engine, request: DryRunRequest) -> CommandResult<DryRunView> {
    let parts = barid_router::Parts {
        log: Arc::clone(&engine.parts.storage.log),
        apply: Arc::new(Local::new(Arc::new(Apply))),
        channels: Arc::clone(&engine.parts.channels),
        clock: Arc::clone(&engine.parts.clock),
    };
    match tried(&parts, request.into()).await {
        Ok(result) => Ok(result.into()),
        Err(NotTried::NotFound(text)) => Err(CommandError::not_found(text)),
        Err(NotTried::Unavailable(text)) => Err(CommandError::unavailable(text)),
    }
}
