//! How much waits for each destination, looked at a few times a second: what makes listeners refuse (G8).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use barid_config::Snapshot;
use barid_config::document::OnFull;
use barid_log::{Log, LogError};
use barid_model::{Clock, Name, Partitions};
use barid_pipeline::commit::DeliveryCommit;
use barid_pipeline::subject;

use crate::owner::status::View;

/// How often it is looked at: what comes in between can exceed the bound, by a quarter of a second of intake.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The destinations of these that have too much waiting.
///
/// # Errors
/// As the log.
pub async fn full(
    log: &Arc<dyn Log>,
    snapshot: &Snapshot,
    views: &BTreeMap<Name, View>,
    partitions: Partitions,
    clock: &dyn Clock,
) -> Result<Vec<Name>, LogError> {
    let mut full = Vec::new();
    for (name, spec) in &snapshot.destinations {
        let Some(view) = views.get(name) else { continue };
        let is_full = match spec.backlog.on_full {
            OnFull::Refuse => {
                let waiting = waiting(log, name, view, partitions).await?;
                let age = view.oldest.map(|oldest| clock.now().since(oldest)).unwrap_or_default();
                waiting >= spec.backlog.messages || spec.backlog.age.is_some_and(|max| age >= max)
            }
            // Its owner sets aside what comes, as far as that is bounded.
            OnFull::Quarantine => view.exhausted,
        };
        if is_full {
            full.push(name.clone());
        }
    }
    Ok(full)
}

/// Deliveries that wait for a destination: in OUT behind its finished prefix, and parked.
///
/// # Errors
/// As the log.
pub async fn waiting(log: &Arc<dyn Log>, name: &Name, view: &View, partitions: Partitions) -> Result<u64, LogError> {
    let mut waiting = view.parked;
    for (partition, finished) in &view.finished {
        let last = *log.changed(&subject::out(name, *partition)?).borrow();
        waiting += last.0.saturating_sub(*finished);
    }
    waiting = waiting.saturating_sub(view.ended_above);
    if view.finished.is_empty() {
        let commit = DeliveryCommit::read(log, name).await?;
        for partition in partitions.all() {
            let last = *log.changed(&subject::out(name, partition)?).borrow();
            waiting += last.0.saturating_sub(commit.position(partition));
        }
    }
    Ok(waiting)
}
