//! The routers: one task a partition, kept running.

use std::sync::Arc;

use barid_model::stage::{Call, Local};
use barid_model::{Clock, Partition};
use barid_pipeline::{Handle, Programs, router, supervise};
use barid_runtime::{Exit, Kind, Process};
use barid_transform::{Applied, Apply, ApplyInput};
use tokio::sync::watch;

use super::storage::Storage;
use barid_custody::Channels;

/// The routers of all partitions, as seen from outside.
pub(super) struct Routers {
    pub(super) handles: Vec<(Partition, Arc<Handle>)>,
}

impl Routers {
    /// Starts the router of every partition; they end when `stop` says so.
    pub(super) fn start(
        process: &Process,
        storage: &Storage,
        channels: &Arc<Channels>,
        clock: &Arc<dyn Clock>,
        stop: &watch::Receiver<bool>,
    ) -> Self {
        let apply: Arc<dyn Call<ApplyInput, Applied>> = Arc::new(Local::new(Arc::new(Apply)));
        let mut handles = Vec::new();
        for partition in storage.partitions.all() {
            let handle = Arc::new(Handle::default());
            let options = router::Options {
                log: Arc::clone(&storage.log),
                partition,
                apply: Arc::clone(&apply),
                programs: Arc::clone(channels) as Arc<dyn Programs>,
                clock: Arc::clone(clock),
            };
            let run = supervise(options, Arc::clone(&handle), stop.clone());
            process.tasks.spawn(Kind::Critical(Exit::Storage), "router", run);
            handles.push((partition, handle));
        }
        Self { handles }
    }
}
