//! A data directory on which no engine runs, for commands that only read.
//!
//! The log is opened under its lock, so that no engine starts meanwhile; the ledger reads what it had not read, and then
//! answers as it does while the engine runs. What would change something needs the engine.

use std::path::Path;
use std::sync::Arc;

use barid_model::{Clock, MessageUid};
use barid_runtime::control::protocol::{
    Audit, AuditRequest, DiscardRequest, Done, ExplainRequest, Explanation, MessageDetail, MessageQuery, MessageRow,
    Page, ParkedQuery, ParkedRow, PauseRequest, PayloadRequest, ProbeRequest, Probed, RefusedQuery, RefusedRow,
    ReleaseRequest, ReloadRequest, Reloaded, ReplayRequest, Replayed, RerunRequest, ResendRequest, Resent,
    ResumeRequest, SnapshotView, Status,
};
use barid_runtime::control::{CommandError, CommandResult, Commands};
use barid_runtime::{Failure, SystemClock};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::commands::offline_status;
use super::configuration::{LAST_GOOD, LAST_GOOD_BYTES_MAX, restore};
use super::storage;
use barid_custody::Channels;
use barid_ledger_service::commands::history::History;
use barid_ledger_service::commands::{audit, payload, search, show, waiting};
use barid_ledger_service::feed::Feed;
use barid_ledger_service::retention::Known;

/// Opens a data directory.
pub(super) async fn open(data: &Path) -> CommandResult<Arc<dyn Commands>> {
    if !data.join("log").is_dir() {
        return Err(CommandError::unavailable(format!(
            "no engine runs on {} and none has: start one with `barid run`",
            data.display()
        )));
    }
    let storage = {
        let data = data.to_owned();
        let opened = tokio::task::spawn_blocking(move || storage::open(&data, storage::unobserved())).await;
        opened.map_err(CommandError::failed)?.map_err(|failure| unavailable(&failure))?
    };
    let kept = barid_files::read(&data.join(LAST_GOOD), LAST_GOOD_BYTES_MAX);
    let snapshot = kept.ok().and_then(|text| restore(&text).ok());
    let snapshot = snapshot.unwrap_or_default();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let known = Known::of(&storage.log, &snapshot, clock.now(), false).await.map_err(CommandError::failed)?;
    let expiry = known.payloads(clock.now());
    let channels = Arc::new(Channels::stopped(Arc::clone(&storage.log), snapshot));
    let feed = Feed::new(Arc::clone(&storage.log), Arc::clone(&storage.ledger)).map_err(CommandError::failed)?;
    // Told to stop from the beginning, it reads as far as the log goes.
    let (_stop, stopped) = watch::channel(true);
    feed.run(stopped).await.map_err(CommandError::failed)?;
    storage.ledger.expire_payloads(&expiry).map_err(CommandError::failed)?;
    Ok(Arc::new(Offline { history: storage.history(&channels, &clock, data) }))
}

fn unavailable(failure: &Failure) -> CommandError {
    CommandError::unavailable(failure.to_string())
}

/// The commands that need no engine.
struct Offline {
    history: History,
}

macro_rules! needs_engine {
    ($($name:ident($request:ty) -> $answer:ty;)*) => {
        $(fn $name(&self, _: $request) -> BoxFuture<'_, CommandResult<$answer>> {
            Box::pin(async { Err(CommandError::needs_engine()) })
        })*
    };
}

impl Commands for Offline {
    fn status(&self) -> BoxFuture<'_, CommandResult<Status>> {
        Box::pin(offline_status(&self.history))
    }
    fn messages(&self, query: MessageQuery) -> BoxFuture<'_, CommandResult<Page<MessageRow>>> {
        Box::pin(search::messages(&self.history, query))
    }
    fn refused(&self, query: RefusedQuery) -> BoxFuture<'_, CommandResult<Page<RefusedRow>>> {
        Box::pin(search::refused(&self.history, query))
    }
    fn parked(&self, query: ParkedQuery) -> BoxFuture<'_, CommandResult<Page<ParkedRow>>> {
        Box::pin(waiting::parked(&self.history, query))
    }
    fn show(&self, uid: MessageUid) -> BoxFuture<'_, CommandResult<MessageDetail>> {
        Box::pin(show::show(&self.history, uid))
    }
    fn payload(&self, request: PayloadRequest) -> BoxFuture<'_, CommandResult<Bytes>> {
        Box::pin(payload::payload(&self.history, request))
    }
    fn audit(&self, request: AuditRequest) -> BoxFuture<'_, CommandResult<Audit>> {
        Box::pin(audit::audit(&self.history, request))
    }
    fn explain(&self, request: ExplainRequest) -> BoxFuture<'_, CommandResult<Explanation>> {
        Box::pin(std::future::ready(self.history.explain(&request)))
    }
    fn snapshot(&self) -> BoxFuture<'_, CommandResult<SnapshotView>> {
        Box::pin(std::future::ready(Ok(self.history.snapshot())))
    }

    needs_engine! {
        probe(ProbeRequest) -> Probed;
        replay(ReplayRequest) -> Replayed;
        resend(ResendRequest) -> Resent;
        rerun(RerunRequest) -> Done;
        discard(DiscardRequest) -> Done;
        release(ReleaseRequest) -> Done;
        pause(PauseRequest) -> Done;
        resume(ResumeRequest) -> Done;
        reload(ReloadRequest) -> Reloaded;
    }
}
