//! The routers: one task a partition, wherever they are hosted.
//!
//! In one process all partitions are routed; in a mesh those that this process has claimed. What a router does is in
//! `barid-pipeline`.

pub mod dry_run;
pub mod metrics;
#[cfg(feature = "mesh")]
pub mod process;
pub mod report;

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_custody::Channels;
use barid_log::Log;
use barid_model::stage::Call;
use barid_model::{Clock, Partition};
use barid_pipeline::{Handle, Programs, RouterError, router, supervise};
use barid_transform::{Applied, ApplyInput};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;

/// What routers are made with.
#[derive(Clone)]
pub struct Parts {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The apply stage, wherever it runs.
    pub apply: Arc<dyn Call<ApplyInput, Applied>>,
    /// The channels.
    pub channels: Arc<Channels>,
    /// The time that records are stamped with.
    pub clock: Arc<dyn Clock>,
}

/// The routers of this process.
pub struct Routers {
    parts: Parts,
    handles: Mutex<BTreeMap<Partition, Arc<Handle>>>,
    running: Arc<Mutex<BTreeMap<Partition, usize>>>,
}

impl Routers {
    /// None yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts, handles: Mutex::default(), running: Arc::default() }
    }

    /// Routes a partition until `stop`.
    ///
    /// # Errors
    /// What the result gives, as [`supervise()`].
    pub fn route(
        &self,
        partition: Partition,
        stop: watch::Receiver<bool>,
    ) -> BoxFuture<'static, Result<(), RouterError>> {
        let handle = Arc::clone(self.handles.lock().entry(partition).or_default());
        let options = router::Options {
            log: Arc::clone(&self.parts.log),
            partition,
            apply: Arc::clone(&self.parts.apply),
            programs: Arc::clone(&self.parts.channels) as Arc<dyn Programs>,
            clock: Arc::clone(&self.parts.clock),
        };
        let running = Runs::begin(Arc::clone(&self.running), partition);
        Box::pin(async move {
            let ended = supervise(options, handle, stop).await;
            drop(running);
            ended
        })
    }

    /// What is seen of those that run here now.
    #[must_use]
    pub fn running(&self) -> Vec<(Partition, Arc<Handle>)> {
        let running = self.running.lock();
        let handles = self.handles.lock();
        let now = handles.iter().filter(|(partition, _)| running.contains_key(partition));
        now.map(|(partition, handle)| (*partition, Arc::clone(handle))).collect()
    }

    /// What is seen of all that run or ran here.
    #[must_use]
    pub fn handles(&self) -> Vec<(Partition, Arc<Handle>)> {
        self.handles.lock().iter().map(|(partition, handle)| (*partition, Arc::clone(handle))).collect()
    }
}

/// Counts a partition among those that are routed here, while it lives: one may begin again before its last run is gone.
struct Runs(Arc<Mutex<BTreeMap<Partition, usize>>>, Partition);

impl Runs {
    fn begin(running: Arc<Mutex<BTreeMap<Partition, usize>>>, partition: Partition) -> Self {
        *running.lock().entry(partition).or_default() += 1;
        Self(running, partition)
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        let mut running = self.0.lock();
        let left = running.get(&self.1).copied().unwrap_or(0).saturating_sub(1);
        if left == 0 {
            running.remove(&self.1);
        } else {
            running.insert(self.1, left);
        }
    }
}
