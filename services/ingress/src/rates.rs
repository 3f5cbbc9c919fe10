//! How fast each facility may send, as its document says. One that is faster waits for its acknowledgements: its messages
//! are taken and made durable at once, and a sender that waits for each answer is slowed to its rate without a refusal. A
//! message whose turn would come later than senders wait is refused as retryable.

use std::collections::HashMap;
use std::sync::Arc;

use barid_config::Snapshot;
use barid_volatile::{Pace, Rate, Turn};
use tokio::time::Instant;

/// The rates of a snapshot, by facility name.
#[derive(Default)]
pub(crate) struct Rates(HashMap<Arc<str>, Rate>);

impl Rates {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let rates = snapshot.facilities.values().filter_map(|facility| {
            let rate = facility.rate?;
            Some((Arc::from(facility.name.to_string()), Rate::new(rate.per_second, rate.burst)))
        });
        Self(rates.collect())
    }

    /// Whether and when a message of this facility may be taken and acknowledged.
    pub(crate) fn turn(&self, pace: &Pace, facility: &Arc<str>) -> Turn {
        if self.0.is_empty() {
            return Turn::Now;
        }
        self.0.get(facility).map_or(Turn::Now, |rate| pace.ask(facility, rate, Instant::now()))
    }
}
