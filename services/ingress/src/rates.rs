//! How fast a facility may send. One that is faster waits for its acknowledgements: its messages are taken and made
//! durable at once, and a sender that waits for each answer is slowed to its rate without a refusal.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use barid_config::Snapshot;
use parking_lot::Mutex;
use tokio::time::Instant;

/// Longest that an acknowledgement is held back: shorter than what senders wait, or they would send everything twice.
const HOLD_MAX: Duration = Duration::from_secs(10);

/// One facility's rate.
struct Rate {
    /// Between two messages in the long run.
    interval: Duration,
    /// What may come at once after a pause, as time.
    burst: Duration,
}

/// The rates of a snapshot, by facility name.
#[derive(Default)]
pub(crate) struct Rates(HashMap<Arc<str>, Rate>);

/// When each facility's next message would be due if all came evenly.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<Arc<str>, Instant>>);

impl Rates {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let rates = snapshot.facilities.values().filter_map(|facility| {
            let rate = facility.rate?;
            let interval = Duration::from_secs(1) / rate.per_second.max(1);
            Some((Arc::from(facility.name.to_string()), Rate { interval, burst: interval * rate.burst.max(1) }))
        });
        Self(rates.collect())
    }

    /// When a message of this facility may be acknowledged; none: at once.
    pub(crate) fn turn(&self, turns: &Turns, facility: &Arc<str>, now: Instant) -> Option<Instant> {
        if self.0.is_empty() {
            return None;
        }
        let rate = self.0.get(facility)?;
        let mut turns = turns.0.lock();
        let due = turns.entry(Arc::clone(facility)).or_insert(now);
        let next = (*due).max(now) + rate.interval;
        *due = next.min(now + rate.burst + HOLD_MAX);
        let turn = due.checked_sub(rate.burst)?;
        (turn > now).then_some(turn)
    }
}
