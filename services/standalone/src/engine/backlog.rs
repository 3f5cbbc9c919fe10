//! How much waits for each destination, looked at a few times a second: what makes listeners refuse (G8).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use barid_config::Snapshot;
use barid_config::document::OnFull;
use barid_delivery::owner::commit::DeliveryCommit;
use barid_delivery::owner::status::View;
use barid_log::{Log, LogError};
use barid_model::{Clock, Name, Partitions};
use barid_pipeline::subject;
use barid_transform::RouteTarget;

/// How often it is looked at: what comes in between can exceed the bound, by a quarter of a second of intake.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What waits for the destinations, and which channels are refused for it.
#[derive(Default)]
pub(super) struct Backlog {
    full: ArcSwap<Vec<Name>>,
}

impl Backlog {
    /// Whether a destination of this channel has too much waiting.
    pub(super) fn refuses(&self, snapshot: &Snapshot, channel: &Name) -> bool {
        let full = self.full.load();
        if full.is_empty() {
            return false;
        }
        let Some(channel) = snapshot.channels.get(channel) else { return false };
        channel.settings.routes.iter().any(|route| match &route.to {
            RouteTarget::Destination(name) => full.contains(name),
            RouteTarget::Channel(_) => false,
        })
    }

    /// Looks at every destination.
    pub(super) async fn look(
        &self,
        log: &Arc<dyn Log>,
        snapshot: &Snapshot,
        views: &BTreeMap<Name, View>,
        partitions: Partitions,
        clock: &dyn Clock,
    ) -> Result<(), LogError> {
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
        let before = self.full.load();
        for name in full.iter().filter(|name| !before.contains(name)) {
            tracing::warn!(destination = %name, "backlog is full: channels that lead there refuse messages");
        }
        for name in before.iter().filter(|name| !full.contains(name)) {
            tracing::info!(destination = %name, "backlog has room again");
        }
        self.full.store(Arc::new(full));
        Ok(())
    }
}

/// Deliveries that wait for a destination: in OUT behind its finished prefix, and parked.
pub(super) async fn waiting(
    log: &Arc<dyn Log>,
    name: &Name,
    view: &View,
    partitions: Partitions,
) -> Result<u64, LogError> {
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
