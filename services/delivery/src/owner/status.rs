//! What can be seen of a destination's owner from outside, without asking it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use barid_model::record::Parked;
use barid_model::{DeliveryId, Lane, Outcome, Timestamp};
use barid_trace::TraceId;
use parking_lot::Mutex;

use super::trouble::{Trouble, Troubles, Try};
use super::{Owner, Plan};
use crate::connect::{Outgoing, Sent, Verdict};
use crate::window::Entry;

/// Held lanes that are named in the status; the rest are counted.
const HELD_LANES_SHOWN: usize = 100;

/// Called for each delivery that ended: how, how long after it was received, and its trace where that is kept.
pub type Ended = Box<dyn Fn(Outcome, Duration, Option<TraceId>) + Send + Sync>;

/// The present state of an owner, written by it and read by the status and the metrics.
#[derive(Default)]
pub struct Shared {
    /// Deliveries made since the start.
    pub delivered: AtomicU64,
    /// Attempts since the start.
    pub attempts: AtomicU64,
    /// Attempts that did not end the delivery.
    pub retries: AtomicU64,
    /// When the last delivery was made, in microseconds since the epoch; 0: none.
    pub last: AtomicI64,
    view: Mutex<View>,
    troubles: Mutex<Troubles>,
    ended: Mutex<Option<Arc<Ended>>>,
}

/// A moment of an owner.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Deliveries in the window.
    pub window: usize,
    /// Bytes of payload in the window.
    pub window_bytes: usize,
    /// Received time of the oldest in the window.
    pub oldest: Option<Timestamp>,
    /// Finished position by partition.
    pub finished: Vec<(barid_model::Partition, u64)>,
    /// What has ended above the finished positions.
    pub ended_above: u64,
    /// Whether too much is set aside for want of room: nothing more may come.
    pub exhausted: bool,
    /// Parked with their lanes.
    pub parked: u64,
    /// Set aside.
    pub quarantined: u64,
    /// Parked lanes.
    pub lanes: usize,
    /// The first held lanes, and how many there are.
    pub held: (Vec<Lane>, usize),
    /// On their way now.
    pub sending: usize,
    /// Transport failures in a row.
    pub failures: u32,
    /// Time until the next try.
    pub retry_in: Option<Duration>,
    /// What failed last, where nothing has gone well since.
    pub error: Option<String>,
    /// Whether the plan has it paused.
    pub paused: bool,
}

impl Shared {
    /// Calls `ended` for each delivery that ends from now on.
    pub fn on_end(&self, ended: Ended) {
        *self.ended.lock() = Some(Arc::new(ended));
    }

    /// The moment last shown.
    #[must_use]
    pub fn view(&self) -> View {
        self.view.lock().clone()
    }

    /// What went wrong with a delivery, where something did and it is not long ago.
    #[must_use]
    pub fn trouble(&self, id: DeliveryId) -> Option<Trouble> {
        self.troubles.lock().of(id).cloned()
    }

    pub(super) fn next_try(&self, id: DeliveryId, at: Option<Timestamp>) {
        self.troubles.lock().next(id, at);
    }

    pub(super) fn attempted(&self, out: &Outgoing, sent: &Sent, verdict: &Verdict, number: u32, at: Timestamp) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let tried = || Try { number, at, text: sent.summary() };
        if matches!(verdict, Verdict::Retry { .. }) {
            self.retries.fetch_add(1, Ordering::Relaxed);
            self.troubles.lock().failed(out.id(), tried());
        } else if number > 1 {
            self.troubles.lock().ended(out.id(), tried());
        }
        let error = match (sent, verdict) {
            (Sent::Failed(error), _) => Some(error.to_string()),
            (_, Verdict::Delivered) => None,
            (_, Verdict::Retry { .. }) => Some(sent.summary()),
            _ => return,
        };
        let mut view = self.view.lock();
        if view.error.is_some() || error.is_some() {
            view.error = error;
        }
    }

    pub(super) fn ended(&self, outcome: Outcome, entry: &Entry, now: Timestamp) {
        if outcome == Outcome::Delivered {
            self.delivered.fetch_add(1, Ordering::Relaxed);
            self.last.store(now.micros(), Ordering::Relaxed);
        }
        let ended = self.ended.lock().clone();
        if let Some(ended) = ended {
            let kept = entry.trace.as_ref().and_then(|trace| trace.kept());
            ended(outcome, now.since(entry.record.received), kept);
        }
    }
}

impl Owner {
    /// Shows the present moment; what is costly to find out only every so often.
    pub(super) fn show(&mut self) {
        let now = self.now();
        if now < self.show_at {
            return;
        }
        self.show_at = now.plus(Duration::from_millis(100));
        let held: Vec<Lane> = self.parking.held().take(HELD_LANES_SHOWN).collect();
        let partitions = self.options.partitions.all();
        let mut view = self.options.shared.view.lock();
        let error = view.error.take();
        *view = View {
            window: self.window.len(),
            window_bytes: self.window.bytes(),
            oldest: self.window.oldest(),
            finished: partitions.map(|partition| (partition, self.window.finished(partition))).collect(),
            ended_above: self.window.ended_above() + self.overflow.count(),
            exhausted: self.overflow.is_exhausted(),
            parked: self.parking.depth(),
            quarantined: self.parking.waiting(Parked::Quarantined),
            lanes: self.parking.lanes(),
            held: (held, self.parking.held().count()),
            sending: self.slots.busy(),
            failures: self.circuit.failures(),
            retry_in: self.circuit.opens_at().map(|at| at.since(now)),
            error,
            paused: self.plan.paused,
        };
    }

    /// A new plan takes effect: new connections where the way out is another, all else at once.
    pub(super) fn replan(&mut self, plan: &Arc<Plan>) {
        let other = !Arc::ptr_eq(&plan.connector, &self.plan.connector) || plan.connections != self.plan.connections;
        self.plan = Arc::clone(plan);
        if other {
            self.slots.replace(&self.plan);
        }
        self.circuit.closed();
        self.suspects.forget();
    }
}
