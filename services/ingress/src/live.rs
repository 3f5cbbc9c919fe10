//! What came in the last minutes, by facility and channel: over all listeners of a mesh where they share it, else of this
//! process.
//!
//! Taken each second from what is counted anyway, so no message pays for it. What cannot be told to the others is lost to
//! them: figures are for people who look now, the ledger has the truth a moment later.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use barid_log::Log;
use barid_model::Name;
use barid_runtime::control::protocol::{LiveChannel, LiveSender, LiveStatus};
use barid_volatile::{FIGURES_FOR, Label, Labels, Memory, Store};
use parking_lot::Mutex;

use crate::custody::{Sent, Traffic};

/// How often what was counted is told.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Figures told at once.
const TOLD_AT_ONCE: usize = 256;

/// What is counted of each facility.
const KINDS: [&str; 3] = ["accepted", "refused", "resent"];

/// What was told of before.
#[derive(Default)]
struct Told {
    facilities: HashMap<Arc<str>, Sent>,
    channels: HashMap<Name, u64>,
}

/// What came in the last minutes.
pub struct Live {
    labels: Labels,
    traffic: Arc<Traffic>,
    own: Memory,
    shared: Option<Arc<dyn Store>>,
    told: Mutex<Told>,
}

impl Live {
    /// Of this process alone.
    #[must_use]
    pub fn alone(log: &dyn Log, traffic: &Arc<Traffic>) -> Self {
        let (labels, traffic) = (labels(log), Arc::clone(traffic));
        Self { labels, traffic, own: Memory::default(), shared: None, told: Mutex::default() }
    }

    /// Of all that share a store.
    #[must_use]
    pub fn shared(self, store: Arc<dyn Store>) -> Self {
        Self { shared: Some(store), ..self }
    }

    /// Counts, for ever.
    ///
    /// # Errors
    /// None.
    pub async fn run(self: Arc<Self>) -> Result<(), std::convert::Infallible> {
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            let counts = self.counted();
            self.own.count(&counts);
            if let Some(store) = &self.shared {
                for counts in counts.chunks(TOLD_AT_ONCE) {
                    // What the store did not hear is told by nobody: late it would stand in a wrong minute.
                    drop(store.add(counts).await);
                }
            }
        }
    }

    /// What was counted since it was asked last.
    fn counted(&self) -> Vec<(Label, u64)> {
        let (facilities, channels) = (self.traffic.facilities(), self.traffic.channels());
        let mut told = self.told.lock();
        let mut counts = Vec::new();
        let mut all = [0; 3];
        for (name, now) in &facilities {
            let before = told.facilities.get(name).copied().unwrap_or_default();
            let news = [now.accepted - before.accepted, now.refused - before.refused, now.resent - before.resent];
            for ((kind, count), sum) in KINDS.iter().zip(news).zip(&mut all) {
                if count > 0 {
                    counts.push((self.labels.of(kind, &[name.as_bytes()]), count));
                    *sum += count;
                }
            }
        }
        counts.extend(
            KINDS.iter().zip(all).filter(|(_, sum)| *sum > 0).map(|(kind, sum)| (self.labels.of(kind, &[]), sum)),
        );
        for (name, now) in &channels {
            let count = now - told.channels.get(name).copied().unwrap_or(0);
            if count > 0 {
                counts.push((self.channel(name), count));
            }
        }
        *told = Told { facilities, channels };
        counts
    }

    fn channel(&self, name: &Name) -> Label {
        self.labels.of("channel", &[name.to_string().as_bytes()])
    }

    /// The figures, of these and whoever else sent here: what is shared has no names.
    pub async fn status(
        &self,
        channels: impl Iterator<Item = &Name>,
        facilities: impl Iterator<Item = &Name>,
    ) -> LiveStatus {
        let (sums, shared, away) = match &self.shared {
            None => (self.own.sums(), false, None),
            Some(store) => match store.figures().await {
                Ok(sums) => (sums, true, None),
                Err(error) => {
                    let why = store.absence().map_or_else(|| error.to_string(), |absence| absence.why);
                    (self.own.sums(), false, Some(why))
                }
            },
        };
        let sum = |label: Label| sums.get(&label).copied().unwrap_or(0);
        let of = |parts: &[&[u8]]| KINDS.map(|kind| sum(self.labels.of(kind, parts)));
        let mut names: BTreeSet<String> = facilities.map(Name::to_string).collect();
        names.extend(self.traffic.facilities().keys().map(|name| name.to_string()));
        let senders = names.into_iter().map(|facility| {
            let [accepted, refused, resent] = of(&[facility.as_bytes()]);
            LiveSender { facility, accepted, refused, resent }
        });
        let senders = senders.filter(|sender| sender.accepted + sender.refused + sender.resent > 0).collect();
        let channels = channels.map(|name| LiveChannel { name: name.clone(), accepted: sum(self.channel(name)) });
        let channels = channels.filter(|channel| channel.accepted > 0).collect();
        let [accepted, refused, resent] = of(&[]);
        LiveStatus { minutes: FIGURES_FOR, shared, away, accepted, refused, resent, senders, channels }.most()
    }
}

/// What things are called in a store of this installation.
pub(crate) fn labels(log: &dyn Log) -> Labels {
    let identity = log.identity();
    Labels::new(identity.lane_key, identity.incarnation)
}

#[cfg(test)]
mod tests;
