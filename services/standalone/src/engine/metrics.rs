//! What the engine counts besides its listeners. Labels are names of documents and closed lists of words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use barid_delivery::owner::status::View;
use barid_log::disk::{GroupStats, Observer};
use barid_log::{Log, LogError};
use barid_model::{Clock, Name, Outcome, Partition, Partitions};
use barid_pipeline::Handle;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use barid_delivery::backlog::waiting;
use barid_delivery::destinations::Ended;

/// Seconds of a group commit: from a fast disk to one that is in trouble.
const SYNCS: [f64; 12] = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0];
/// Seconds from the last byte received to the end of a delivery.
const WAYS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0, 3600.0, 86_400.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DestinationLabel {
    destination: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    destination: String,
    outcome: &'static str,
}

type Way = Family<DestinationLabel, Histogram, fn() -> Histogram>;

/// The engine's metrics.
pub(super) struct Metrics {
    sync: Histogram,
    synced: Counter,
    outcomes: Family<OutcomeLabels, Counter>,
    way: Way,
    depth: Family<DestinationLabel, Gauge>,
    age: Family<DestinationLabel, Gauge>,
    parked: Family<DestinationLabel, Gauge>,
    quarantined: Family<DestinationLabel, Gauge>,
    routed: Counter,
    duplicates: Counter,
    set_aside: Counter,
    unreadable: Counter,
    routers: Mutex<Vec<(Partition, Arc<Handle>)>>,
}

impl Metrics {
    /// Registers them.
    pub(super) fn new(registry: &mut Registry) -> Self {
        fn way() -> Histogram {
            Histogram::new(WAYS)
        }
        let metrics = Self {
            sync: Histogram::new(SYNCS),
            synced: Counter::default(),
            outcomes: Family::default(),
            way: Way::new_with_constructor(way),
            depth: Family::default(),
            age: Family::default(),
            parked: Family::default(),
            quarantined: Family::default(),
            routed: Counter::default(),
            duplicates: Counter::default(),
            set_aside: Counter::default(),
            unreadable: Counter::default(),
            routers: Mutex::default(),
        };
        let r = registry;
        r.register_with_unit("log_sync", "Time of a group commit, write and sync", Unit::Seconds, metrics.sync.clone());
        r.register("log_appends", "Appends made durable", metrics.synced.clone());
        r.register("deliveries", "Deliveries that ended, by outcome", metrics.outcomes.clone());
        r.register_with_unit(
            "end_to_end",
            "From receiving to the end of a delivery",
            Unit::Seconds,
            metrics.way.clone(),
        );
        r.register("destination_depth", "Deliveries that wait", metrics.depth.clone());
        r.register_with_unit("destination_head_age", "Age of the oldest delivery", Unit::Seconds, metrics.age.clone());
        r.register("destination_parked", "Deliveries parked with their lanes", metrics.parked.clone());
        r.register("destination_quarantined", "Deliveries set aside", metrics.quarantined.clone());
        r.register("routed", "Messages routed", metrics.routed.clone());
        r.register("duplicates", "Resends dropped", metrics.duplicates.clone());
        r.register("quarantined", "Messages set aside before routing", metrics.set_aside.clone());
        r.register("unreadable", "Records of the log that could not be read", metrics.unreadable.clone());
        metrics
    }

    /// Who the log tells of group commits.
    pub(super) fn observer(&self) -> Observer {
        let (sync, synced) = (self.sync.clone(), self.synced.clone());
        Observer(Arc::new(move |group: GroupStats| {
            sync.observe(group.took.as_secs_f64());
            synced.inc_by(group.appends as u64);
        }))
    }

    /// Who owners tell of deliveries that end.
    pub(super) fn ended(&self) -> Ended {
        let (outcomes, way) = (self.outcomes.clone(), self.way.clone());
        Arc::new(move |destination: &Name, outcome: Outcome, took: Duration| {
            let destination = destination.to_string();
            if outcome == Outcome::Delivered {
                let label = DestinationLabel { destination: destination.clone() };
                way.get_or_create(&label).observe(took.as_secs_f64());
            }
            outcomes.get_or_create(&OutcomeLabels { destination, outcome: outcome.word() }).inc();
        })
    }

    /// The routers to count from.
    pub(super) fn routers(&self, handles: Vec<(Partition, Arc<Handle>)>) {
        *self.routers.lock() = handles;
    }

    /// Messages that routes handed on to a channel since the start.
    pub(super) fn handed_on(&self, channel: &Name) -> u64 {
        let routers = self.routers.lock();
        routers.iter().filter_map(|(_, handle)| handle.handed_on.lock().get(channel).copied()).sum()
    }

    /// The routers, as seen from outside.
    pub(super) fn handles(&self) -> Vec<(Partition, Arc<Handle>)> {
        self.routers.lock().clone()
    }

    fn sum(&self, count: impl Fn(&Handle) -> &std::sync::atomic::AtomicU64) -> u64 {
        let routers = self.routers.lock();
        routers.iter().map(|(_, handle)| count(handle).load(Ordering::Relaxed)).sum()
    }

    /// Takes the present figures of destinations and routers.
    pub(super) async fn destinations(
        &self,
        log: &Arc<dyn Log>,
        views: &BTreeMap<Name, View>,
        clock: &dyn Clock,
        partitions: Partitions,
    ) -> Result<(), LogError> {
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for (name, view) in views {
            let label = DestinationLabel { destination: name.to_string() };
            let depth = waiting(log, name, view, partitions).await?;
            self.depth.get_or_create(&label).set(gauge(depth));
            let age = view.oldest.map(|oldest| clock.now().since(oldest).as_secs()).unwrap_or(0);
            self.age.get_or_create(&label).set(gauge(age));
            self.parked.get_or_create(&label).set(gauge(view.parked));
            self.quarantined.get_or_create(&label).set(gauge(view.quarantined));
        }
        // The routers count; a counter is brought to where theirs is.
        let bring = |counter: &Counter, now: u64| counter.inner().store(now, Ordering::Relaxed);
        bring(&self.routed, self.sum(|handle| &handle.routed));
        bring(&self.duplicates, self.sum(|handle| &handle.duplicates));
        bring(&self.set_aside, self.sum(|handle| &handle.quarantined));
        bring(&self.unreadable, self.sum(|handle| &handle.damaged));
        Ok(())
    }
}
