//! Revisions as the log keeps them: stored before any message is stamped with them, and kept while anything refers to them.

use std::sync::Arc;

use barid_log::Log;
use barid_model::Revision;
use barid_pipeline::subject;
use barid_rpc::Closures;
use bytes::Bytes;
use futures_util::future::BoxFuture;

/// The closures in a log.
pub struct LogClosures(Arc<dyn Log>);

impl LogClosures {
    /// Those of this log.
    #[must_use]
    pub fn of(log: Arc<dyn Log>) -> Self {
        Self(log)
    }
}

impl Closures for LogClosures {
    fn closure(&self, revision: Revision) -> BoxFuture<'_, Result<Option<Bytes>, String>> {
        Box::pin(async move {
            let key = subject::revision(revision).map_err(|error| error.to_string())?;
            let found = self.0.get(&key).await.map_err(|error| error.to_string())?;
            Ok(found.map(|(_, closure)| closure))
        })
    }
}
