//! What this replica does for others beside the log (`barid.route.v1`). Any replica can be asked: what is needed is in the
//! snapshot and in the log, whoever owns a partition.

use std::sync::Arc;

use barid_log::Log;
use barid_model::record::AnswerRecord;
use barid_model::{DryRun, DryRunResult};
use barid_pipeline::answer::await_answer;
use barid_rpc::route::{Awaited, RouteError, Routing};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::Parts;
use crate::dry_run::{NotTried, dry_run};

/// The routers of a replica, asked.
pub(super) struct Asked {
    pub(super) parts: Parts,
}

impl Routing for Asked {
    fn dry_run(&self, request: DryRun) -> BoxFuture<'_, Result<DryRunResult, RouteError>> {
        Box::pin(async move {
            dry_run(&self.parts, request).await.map_err(|error| match error {
                NotTried::NotFound(text) => RouteError::NotFound(text),
                NotTried::Unavailable(text) => RouteError::Unavailable(text),
            })
        })
    }

    fn wait(&self, awaited: Awaited, deadline: Instant) -> BoxFuture<'_, Result<Option<AnswerRecord>, RouteError>> {
        let log: Arc<dyn Log> = Arc::clone(&self.parts.log);
        Box::pin(async move { Ok(await_answer(&log, awaited.key, awaited.since, deadline).await) })
    }
}
