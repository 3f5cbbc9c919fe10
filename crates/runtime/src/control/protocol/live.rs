//! What came in the last minutes, counted by the listeners: over all of them where they share what they count, else by each.

use std::collections::BTreeMap;

use barid_model::Name;
use serde::{Deserialize, Serialize};

/// What came in the last minutes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveStatus {
    /// So many minutes, the one that runs included.
    pub minutes: u64,
    /// Whether all listeners are counted, also those that have ended since; else those that answered.
    pub shared: bool,
    /// Why what listeners share is away, where it should be there.
    pub away: Option<String>,
    /// Messages accepted.
    pub accepted: u64,
    /// Messages refused for their content.
    pub refused: u64,
    /// Resends that were recognised by listeners.
    pub resent: u64,
    /// Who sent most, the first hundred.
    pub senders: Vec<LiveSender>,
    /// Channels that took most, the first hundred.
    pub channels: Vec<LiveChannel>,
}

/// What one facility sent in the last minutes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveSender {
    /// The facility.
    pub facility: String,
    /// Messages accepted.
    pub accepted: u64,
    /// Messages refused for their content.
    pub refused: u64,
    /// Resends that were recognised by listeners.
    pub resent: u64,
}

/// What one channel took in the last minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveChannel {
    /// The channel.
    pub name: Name,
    /// Messages accepted.
    pub accepted: u64,
}

impl LiveStatus {
    /// What several listeners tell, as one. Those that share tell the same, and the largest is the newest; those that do not
    /// are summed.
    #[must_use]
    pub fn together(told: Vec<Self>) -> Option<Self> {
        let shared = told.iter().any(|one| one.shared);
        let away = told.iter().find_map(|one| one.away.clone());
        let told: Vec<Self> = told.into_iter().filter(|one| one.shared == shared).collect();
        let join = |a: u64, b: u64| if shared { a.max(b) } else { a + b };
        let mut sum = Self { minutes: told.first()?.minutes, shared, away, ..Self::default() };
        let mut senders: BTreeMap<String, LiveSender> = BTreeMap::new();
        let mut channels: BTreeMap<Name, u64> = BTreeMap::new();
        for one in told {
            sum.accepted = join(sum.accepted, one.accepted);
            sum.refused = join(sum.refused, one.refused);
            sum.resent = join(sum.resent, one.resent);
            for LiveSender { facility, accepted, refused, resent } in one.senders {
                let sender = senders.entry(facility).or_default();
                sender.accepted = join(sender.accepted, accepted);
                sender.refused = join(sender.refused, refused);
                sender.resent = join(sender.resent, resent);
            }
            for LiveChannel { name, accepted } in one.channels {
                let channel = channels.entry(name).or_default();
                *channel = join(*channel, accepted);
            }
        }
        let named = |(facility, sender)| LiveSender { facility, ..sender };
        sum.senders = senders.into_iter().map(named).collect();
        sum.channels = channels.into_iter().map(|(name, accepted)| LiveChannel { name, accepted }).collect();
        Some(sum.most())
    }

    /// With those first that sent and took most, and no more than are told of.
    #[must_use]
    pub fn most(mut self) -> Self {
        self.senders.sort_by_key(|sender| std::cmp::Reverse(sender.accepted + sender.refused + sender.resent));
        self.senders.truncate(LIVE_MAX);
        self.channels.sort_by_key(|channel| std::cmp::Reverse(channel.accepted));
        self.channels.truncate(LIVE_MAX);
        self
    }
}

/// Senders and channels told of one by one: what a person reads.
const LIVE_MAX: usize = 100;

#[cfg(test)]
mod tests;
