//! The routers: one task a partition, wherever they are hosted.
//!
//! In one process all partitions are routed; in a mesh those that this process has claimed. What a router does is in
//! `barid-pipeline`.

pub mod metrics;
#[cfg(feature = "mesh")]
pub mod process;

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
}

impl Routers {
    /// None yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts, handles: Mutex::default() }
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
        Box::pin(supervise(options, handle, stop))
    }

    /// What is seen of all that run or ran here.
    #[must_use]
    pub fn handles(&self) -> Vec<(Partition, Arc<Handle>)> {
        self.handles.lock().iter().map(|(partition, handle)| (*partition, Arc::clone(handle))).collect()
    }
}
