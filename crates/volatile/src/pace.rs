//! How fast facilities send, and whose turn it is.
//!
//! A bucket a facility (GCRA): `due` is when its next message would be due if all came evenly. A message is decided on at
//! once from what this process knows; what was spent is told to the store every few milliseconds, and its answer says what
//! all replicas have spent together. So no message waits for the store, the rate over all replicas is right in the long
//! run, and beyond it goes only what comes to several replicas within the same few milliseconds, which is paid back. While
//! the store is away each replica gives the whole rate by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::store::{SPENDS_MAX, Spend, Store};
use crate::{Label, Labels};

/// Longest that a message is held back for its turn: shorter than what senders wait, or they would send everything twice.
pub const HOLD_MAX: Duration = Duration::from_secs(10);
/// Pause between two calls of the store: what several replicas let through together beyond the rate comes in this time.
const SHARE_EVERY: Duration = Duration::from_millis(5);
/// Buckets kept before those are forgotten whose backlog is due: more than a country has facilities.
const BUCKETS_MAX: usize = 20_000;

/// A facility's rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Between two messages in the long run.
    pub interval: Duration,
    /// What may come at once after a pause, as time.
    pub burst: Duration,
}

impl Rate {
    /// So many messages a second in the long run, and so many at once after a pause; at least one.
    #[must_use]
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, burst: interval * burst.max(1) }
    }

    /// Longest backlog of its bucket.
    fn most(&self) -> Duration {
        self.burst + HOLD_MAX
    }
}

/// When a message may be taken and answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Now.
    Now,
    /// It is taken now and answered then, at most [`HOLD_MAX`] from now.
    At(Instant),
    /// Its turn would come too late: it is not taken, and the rate has not counted it.
    Refused,
}

struct Bucket {
    due: Instant,
    /// What the store does not know of.
    untold: Duration,
    most: Duration,
}

#[derive(Default)]
struct Buckets {
    all: HashMap<Arc<str>, Bucket>,
    /// Those that have something untold.
    spenders: Vec<Arc<str>>,
}

/// The buckets of all facilities that have a rate.
#[derive(Default)]
pub struct Pace {
    buckets: Mutex<Buckets>,
    spent: Notify,
}

impl Pace {
    /// A facility wants to send a message.
    pub fn ask(&self, facility: &Arc<str>, rate: &Rate, now: Instant) -> Turn {
        let mut buckets = self.buckets.lock();
        let Buckets { all, spenders } = &mut *buckets;
        if all.len() >= BUCKETS_MAX && !all.contains_key(facility) {
            all.retain(|_, bucket| bucket.due > now || !bucket.untold.is_zero());
        }
        let most = rate.most();
        let bucket =
            all.entry(Arc::clone(facility)).or_insert_with(|| Bucket { due: now, untold: Duration::ZERO, most });
        let due = bucket.due.max(now) + rate.interval;
        let turn = due.checked_sub(rate.burst).unwrap_or(now);
        if turn > now + HOLD_MAX {
            return Turn::Refused;
        }
        (bucket.due, bucket.most) = (due, most);
        if bucket.untold.is_zero() {
            spenders.push(Arc::clone(facility));
        }
        bucket.untold = (bucket.untold + rate.interval).min(most);
        let first = spenders.len() == 1;
        drop(buckets);
        if first {
            self.spent.notify_one();
        }
        if turn > now { Turn::At(turn) } else { Turn::Now }
    }

    /// Tells the store what is spent, and hears what others have, for ever.
    pub async fn share(&self, store: &dyn Store, labels: &Labels) {
        loop {
            self.spent.notified().await;
            while self.share_once(store, labels).await {
                tokio::time::sleep(SHARE_EVERY).await;
            }
        }
    }

    /// Tells the store what is spent; gives whether there was something.
    pub async fn share_once(&self, store: &dyn Store, labels: &Labels) -> bool {
        let (facilities, spends) = self.untold(labels);
        if spends.is_empty() {
            return false;
        }
        // What was not told is forgotten: this replica counts it all the same.
        if let Ok(backlogs) = store.spend(&spends).await {
            self.hear(&facilities, &backlogs, Instant::now());
        }
        true
    }

    fn untold(&self, labels: &Labels) -> (Vec<Arc<str>>, Vec<Spend>) {
        let mut buckets = self.buckets.lock();
        let Buckets { all, spenders } = &mut *buckets;
        let facilities: Vec<Arc<str>> = spenders.drain(..spenders.len().min(SPENDS_MAX)).collect();
        let spends = facilities.iter().map(|facility| {
            let label: Label = labels.of("rate", &[facility.as_bytes()]);
            match all.get_mut(facility) {
                Some(bucket) => Spend { label, cost: std::mem::take(&mut bucket.untold), most: bucket.most },
                None => Spend { label, cost: Duration::ZERO, most: HOLD_MAX },
            }
        });
        let spends = spends.collect();
        (facilities, spends)
    }

    /// What is due never comes earlier than this process knows by itself: a store that has lost its data changes nothing,
    /// and one that tells nonsense slows a facility for as long as its bucket is deep.
    fn hear(&self, facilities: &[Arc<str>], backlogs: &[Duration], now: Instant) {
        let mut buckets = self.buckets.lock();
        for (facility, backlog) in facilities.iter().zip(backlogs) {
            if let Some(bucket) = buckets.all.get_mut(facility) {
                bucket.due = bucket.due.max(now + (*backlog).min(bucket.most) + bucket.untold);
            }
        }
    }
}

#[cfg(test)]
mod tests;
