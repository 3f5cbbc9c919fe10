//! Destinations that have too much waiting: what leads there is refused while its sender still has it (G8).

use std::sync::Arc;

use arc_swap::ArcSwap;
use barid_config::Snapshot;
use barid_model::Name;
use barid_transform::RouteTarget;

/// The destinations that have too much waiting, as told last.
#[derive(Default)]
pub struct Full(ArcSwap<Vec<Name>>);

impl Full {
    /// Whether a destination of this channel has too much waiting.
    #[must_use]
    pub fn refuses(&self, snapshot: &Snapshot, channel: &Name) -> bool {
        let full = self.0.load();
        if full.is_empty() {
            return false;
        }
        let Some(channel) = snapshot.channels.get(channel) else { return false };
        channel.settings.routes.iter().any(|route| match &route.to {
            RouteTarget::Destination(name) => full.contains(name),
            RouteTarget::Channel(_) => false,
        })
    }

    /// Takes what is so now.
    pub fn tell(&self, full: Vec<Name>) {
        let before = self.0.load();
        for name in full.iter().filter(|name| !before.contains(name)) {
            tracing::warn!(destination = %name, "backlog is full: channels that lead there refuse messages");
        }
        for name in before.iter().filter(|name| !full.contains(name)) {
            tracing::info!(destination = %name, "backlog has room again");
        }
        self.0.store(Arc::new(full));
    }
}
