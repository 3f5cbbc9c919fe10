//! What the engine counts besides its listeners: its log, and what destinations and routers count of themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_delivery::destinations::Ended;
use barid_delivery::metrics::Metrics as DeliveryMetrics;
use barid_delivery::owner::status::View;
use barid_log::disk::{GroupStats, Observer};
use barid_log::{Log, LogError};
use barid_model::{Clock, Name, Partition, Partitions};
use barid_pipeline::Handle;
use barid_router::metrics::{Metrics as RouterMetrics, handed_on};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Seconds of a group commit: from a fast disk to one that is in trouble.
const SYNCS: [f64; 12] = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0];

/// The engine's metrics.
pub(super) struct Metrics {
    sync: Histogram,
    synced: Counter,
    delivery: DeliveryMetrics,
    router: RouterMetrics,
    routers: Mutex<Vec<(Partition, Arc<Handle>)>>,
}

impl Metrics {
    /// Registers them.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let (sync, synced) = (Histogram::new(SYNCS), Counter::default());
        registry.register_with_unit("log_sync", "Time of a group commit, write and sync", Unit::Seconds, sync.clone());
        registry.register("log_appends", "Appends made durable", synced.clone());
        let (delivery, router) = (DeliveryMetrics::new(registry), RouterMetrics::new(registry));
        Self { sync, synced, delivery, router, routers: Mutex::default() }
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
        self.delivery.ended()
    }

    /// The routers to count from.
    pub(super) fn routers(&self, handles: Vec<(Partition, Arc<Handle>)>) {
        *self.routers.lock() = handles;
    }

    /// Messages that routes handed on to a channel since the start.
    pub(super) fn handed_on(&self, channel: &Name) -> u64 {
        handed_on(&self.routers.lock(), channel)
    }

    /// The routers, as seen from outside.
    pub(super) fn handles(&self) -> Vec<(Partition, Arc<Handle>)> {
        self.routers.lock().clone()
    }

    /// Takes the present figures of destinations and routers.
    pub(super) async fn destinations(
        &self,
        log: &Arc<dyn Log>,
        views: &BTreeMap<Name, View>,
        clock: &dyn Clock,
        partitions: Partitions,
    ) -> Result<(), LogError> {
        self.delivery.take(log, views, clock, partitions).await?;
        self.router.take(&self.routers.lock());
        Ok(())
    }
}
