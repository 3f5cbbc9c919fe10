//! How an engine or a mesh is, as far as it is the same for both: what the history knows, what the documents say, and what
//! those that run have told of themselves.

pub mod destinations;
pub mod senders;
pub mod storage;

use barid_config::Snapshot;
use barid_config::document::ChannelState;
use barid_custody::{Pause, Pauses, What};
use barid_ledger::Waiting;
use barid_model::Name;
use barid_runtime::control::protocol::{ChannelStatus, PauseStatus, RouterStatus};

/// The channels of a snapshot; `counted` gives messages accepted from senders and handed on by routes, since the start.
#[must_use]
pub fn channels(snapshot: &Snapshot, pauses: &Pauses, counted: impl Fn(&Name) -> (u64, u64)) -> Vec<ChannelStatus> {
    let status = |channel: &std::sync::Arc<barid_config::Channel>| {
        let paused = pauses.get(What::Channel, &channel.name);
        let state = match (&paused, channel.settings.state) {
            (Some(pause), _) if pause.closed => "closed",
            (_, ChannelState::Closed) => "closed",
            (Some(_), _) | (None, ChannelState::Paused) => "paused",
            (None, ChannelState::Running) => "running",
        };
        let (accepted, handed_on) = counted(&channel.name);
        ChannelStatus {
            name: channel.name.clone(),
            revision: channel.revision,
            state: state.to_owned(),
            pause: paused.map(pause),
            accepted,
            handed_on,
        }
    };
    snapshot.channels.values().map(status).collect()
}

fn pause(pause: Pause) -> PauseStatus {
    PauseStatus { actor: pause.actor, reason: pause.reason, at: pause.at }
}

/// With what is set aside and stands at no destination: by the ledger, whose definition all lists and sums share.
#[must_use]
pub fn set_aside(router: RouterStatus, waiting: &Waiting) -> RouterStatus {
    RouterStatus { quarantined: waiting.messages, not_handed_on: waiting.at(None).quarantined, ..router }
}
