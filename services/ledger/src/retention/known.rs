//! How long each channel wants things kept, remembered beyond its document: what a channel took is kept as long as it said,
//! also when the channel is gone, or when an engine is by mistake started with other documents.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use barid_config::Snapshot;
use barid_config::settings::{ChannelSettings, defaults};
use barid_ledger::Retention;
use barid_log::{Key, Log, LogError, Revision};
use barid_model::{Name, Timestamp};
use serde::{Deserialize, Serialize};

/// The key it stands under in the log.
const KEY: &str = "retention";

/// What one channel wants kept, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Times {
    payload: u64,
    metadata: u64,
    /// In which a resend is recognised and its answer given again.
    window: u64,
    /// Since when the channel is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone: Option<Timestamp>,
}

impl Times {
    fn of(settings: &ChannelSettings) -> Self {
        let window = settings.duplicate_window.max(settings.ack.timeout);
        Self {
            payload: settings.payload_retention.as_secs(),
            metadata: settings.metadata_retention.as_secs(),
            window: window.as_secs(),
            gone: None,
        }
    }

    /// How long anything of it stays.
    fn longest(&self) -> Duration {
        Duration::from_secs(self.payload.max(self.metadata).max(self.window))
    }
}

/// What all channels want kept, those that are gone included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    channels: BTreeMap<Name, Times>,
}

impl Known {
    /// What is remembered, brought up to date; stored where that changed it and `store` asks for it.
    pub async fn of(log: &Arc<dyn Log>, snapshot: &Snapshot, now: Timestamp, store: bool) -> Result<Self, LogError> {
        let key = Key::new(KEY)?;
        let stored = log.get(&key).await?;
        let revision = stored.as_ref().map_or(Revision::NONE, |(revision, _)| *revision);
        // What cannot be read is as good as none.
        let before: BTreeMap<Name, Times> =
            stored.and_then(|(_, bytes)| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let known = Self { channels: brought_up(before.clone(), snapshot, now) };
        if store && known.channels != before {
            let value =
                serde_json::to_vec(&known.channels).map_err(|error| LogError::Storage(error.to_string().into()))?;
            log.put(&key, revision, value.into()).await?;
        }
        Ok(known)
    }

    /// Up to when payloads are past their retention.
    pub fn payloads(&self, now: Timestamp) -> Retention {
        self.retention(now, |times| times.payload)
    }

    /// Up to when what is known about messages is past its retention.
    pub(super) fn metadata(&self, now: Timestamp) -> Retention {
        self.retention(now, |times| times.metadata)
    }

    fn retention(&self, now: Timestamp, of: fn(&Times) -> u64) -> Retention {
        let channel = |(name, times): (&Name, &Times)| (name.clone(), now.minus(Duration::from_secs(of(times))));
        Retention { before: now.minus(self.longest(of)), channels: self.channels.iter().map(channel).collect() }
    }

    /// How long the log keeps messages: as long as any channel wants their payloads, or may be asked for a resend.
    pub(super) fn storage(&self) -> Duration {
        self.longest(|times| times.payload.max(times.window))
    }

    /// How long anything is known of a message.
    pub(super) fn longest_known(&self) -> Duration {
        self.longest(|times| times.metadata.max(times.payload).max(times.window))
    }

    /// How long answers for senders that waited are kept.
    pub(super) fn window(&self) -> Duration {
        self.longest(|times| times.window)
    }

    /// The longest time of any channel: it also holds for what no channel took.
    fn longest(&self, of: fn(&Times) -> u64) -> Duration {
        // Without any channel nothing is known of what people want kept: as long as anything is by default.
        self.channels.values().map(of).max().map_or(defaults::METADATA_RETENTION, Duration::from_secs)
    }
}

fn brought_up(mut known: BTreeMap<Name, Times>, snapshot: &Snapshot, now: Timestamp) -> BTreeMap<Name, Times> {
    for times in known.values_mut() {
        times.gone = times.gone.or(Some(now));
    }
    known.extend(snapshot.channels.values().map(|channel| (channel.name.clone(), Times::of(&channel.settings))));
    known.retain(|_, times| times.gone.is_none_or(|gone| gone.plus(times.longest()) > now));
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn known(payload: u64) -> BTreeMap<Name, Times> {
        BTreeMap::from([(Name::local("old"), Times { payload, metadata: 0, window: 0, gone: None })])
    }

    #[test]
    fn a_channel_that_is_gone_keeps_its_time_until_that_has_passed() {
        let now = Timestamp::from_millis(1_795_341_600_000);
        let gone = brought_up(known(30 * 86_400), &Snapshot::default(), now);
        assert_eq!(gone.values().next().and_then(|times| times.gone), Some(now));
        let later = brought_up(gone.clone(), &Snapshot::default(), now.plus(DAY * 29));
        assert_eq!(later, gone, "since it went, not since it was looked at");
        assert!(brought_up(later, &Snapshot::default(), now.plus(DAY * 30)).is_empty());
    }

    #[test]
    fn without_any_channel_nothing_goes_early() {
        assert_eq!(Known::default().storage(), defaults::METADATA_RETENTION);
        assert_eq!(Known { channels: known(60) }.storage(), Duration::from_secs(60));
    }
}
