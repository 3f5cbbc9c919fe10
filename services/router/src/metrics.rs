//! What the routers of this process count, over all partitions that they have routed since the start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use barid_model::{Name, Partition};
use barid_pipeline::Handle;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// The metrics of routers.
pub struct Metrics {
    routed: Counter,
    duplicates: Counter,
    set_aside: Counter,
    unreadable: Counter,
}

impl Metrics {
    /// Registers them.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            routed: Counter::default(),
            duplicates: Counter::default(),
            set_aside: Counter::default(),
            unreadable: Counter::default(),
        };
        registry.register("routed", "Messages routed", metrics.routed.clone());
        registry.register("duplicates", "Resends dropped", metrics.duplicates.clone());
        registry.register("quarantined", "Messages set aside before routing", metrics.set_aside.clone());
        registry.register("unreadable", "Records of the log that could not be read", metrics.unreadable.clone());
        metrics
    }

    /// Brings the counters to where the routers' are.
    pub fn take(&self, handles: &[(Partition, Arc<Handle>)]) {
        let bring = |counter: &Counter, count: fn(&Handle) -> &AtomicU64| {
            let sum = handles.iter().map(|(_, handle)| count(handle).load(Ordering::Relaxed)).sum();
            counter.inner().store(sum, Ordering::Relaxed);
        };
        bring(&self.routed, |handle| &handle.routed);
        bring(&self.duplicates, |handle| &handle.duplicates);
        bring(&self.set_aside, |handle| &handle.quarantined);
        bring(&self.unreadable, |handle| &handle.damaged);
    }
}

/// Messages that routes handed on to a channel since the start.
#[must_use]
pub fn handed_on(handles: &[(Partition, Arc<Handle>)], channel: &Name) -> u64 {
    handles.iter().filter_map(|(_, handle)| handle.handed_on.lock().get(channel).copied()).sum()
}
