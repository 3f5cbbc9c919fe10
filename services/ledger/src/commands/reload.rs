//! Reading the documents again, as a mesh does it: who publishes them looks for changes by itself, every second, and what
//! changed comes to all over the stream of snapshots. So this waits for what that brings, and tells what has changed since.
//!
//! Left to the publisher: what is wrong in a document, which it says where it runs.

use std::time::Duration;

use barid_config::diff;
use barid_runtime::control::CommandResult;
use barid_runtime::control::protocol::{ReloadRequest, Reloaded};
use tokio::time::Instant;

use super::history::History;
use super::journal::check;

/// How long a change may take: the publisher's look, what it compiles, and the way here.
const COMES_WITHIN: Duration = Duration::from_secs(3);
/// How often it is looked whether it has come.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits for what changed.
pub(super) async fn reload(history: &History, request: ReloadRequest) -> CommandResult<Reloaded> {
    check(&request.by)?;
    let before = history.channels.snapshot();
    let until = Instant::now() + COMES_WITHIN;
    while history.channels.snapshot().number == before.number && Instant::now() < until {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let now = history.channels.snapshot();
    Ok(Reloaded {
        snapshot: now.number,
        changed: diff(&before, &now).iter().map(|change| format!("{} {}", change.kind, change.name)).collect(),
        problems: Vec::new(),
    })
}
