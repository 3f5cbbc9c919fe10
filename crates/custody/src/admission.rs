//! Whether messages of a channel are taken now, whoever brings them: a sender, a replay, an edit.
//!
//! Destinations that have too much waiting are among the reasons: what leads there is refused while its sender still has
//! it (G8). Left to others: a process that ends takes nothing either, which it knows itself.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use barid_config::Snapshot;
use barid_config::document::ChannelState;
use barid_log::{Log, Purpose};
use barid_model::Name;
use barid_pipeline::subject;
use barid_transform::RouteTarget;

use crate::{Channels, Pauses, What};

/// How often the list of full destinations is read though nobody told of a change.
const FULL_EVERY: Duration = Duration::from_secs(10);

/// Why messages of a channel are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// Too little space is left for the log.
    #[error("there is no space left to store messages")]
    NoSpace,
    /// A destination of the channel has too much waiting.
    #[error("too many messages wait for a destination of this channel")]
    Backlog,
    /// The channel takes nothing now.
    #[error("the channel is closed")]
    Closed,
    /// The process ends, which it knows itself.
    #[error("the exchange is shutting down")]
    ShuttingDown,
}

/// Whether messages of this channel are taken now; none: of no channel. Cheap: asked for every message.
///
/// # Errors
/// [`NotAdmitted`].
pub fn admit(
    log: &dyn Log,
    channels: &Channels,
    pauses: &Pauses,
    full: &Full,
    channel: Option<&Name>,
) -> Result<(), NotAdmitted> {
    if !log.space().borrow().allows(Purpose::Intake) {
        return Err(NotAdmitted::NoSpace);
    }
    let Some(channel) = channel else { return Ok(()) };
    let snapshot = channels.snapshot();
    let declared = snapshot.channels.get(channel).map(|channel| channel.settings.state);
    let closed = pauses.get(What::Channel, channel).is_some_and(|pause| pause.closed);
    if closed || declared == Some(ChannelState::Closed) {
        return Err(NotAdmitted::Closed);
    }
    if full.refuses(&snapshot, channel) { Err(NotAdmitted::Backlog) } else { Ok(()) }
}

/// The destinations that have too much waiting, as told last.
#[derive(Default)]
pub struct Full(ArcSwap<Vec<Name>>);

impl Full {
    /// These.
    #[must_use]
    pub fn of(full: Vec<Name>) -> Self {
        Self(ArcSwap::new(Arc::new(full)))
    }

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

    /// Follows what owners in other processes tell through the log, for ever.
    ///
    /// # Errors
    /// None: a log that cannot be read now is asked again.
    pub async fn follow(self: Arc<Self>, log: Arc<dyn Log>) -> Result<(), Infallible> {
        let mut changed = log.watch_keys(subject::FULL);
        loop {
            match log.keys(subject::FULL).await {
                Ok(keys) => {
                    let names = keys.iter().filter_map(|key| key.as_str().strip_prefix(subject::FULL)?.split_once('.'));
                    self.tell(names.map(|(namespace, name)| Name::new(namespace, name)).collect());
                }
                Err(error) => tracing::warn!(%error, "it cannot be read which destinations are full"),
            }
            drop(tokio::time::timeout(FULL_EVERY, changed.changed()).await);
        }
    }
}
