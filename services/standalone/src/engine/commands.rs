//! What a running engine can be asked and told, each in a file of its own.
//!
//! Questions go to [`History`], which needs no engine; what changes something is first written to the log by the
//! [`Journal`], with who and why, and then done by the part that owns it: a destination's owner, the intake, the pauses.

mod dry_run;
mod owners;
mod pause;
mod probe;
mod status;
mod trying;

use std::net::SocketAddr;
use std::sync::Arc;

use barid_ledger_service::commands::acting::Acting;
use barid_ledger_service::commands::{audit, history, journal, log_failed, payload, search, trying as tries};
use barid_model::{MessageUid, Timestamp};
use barid_runtime::control::protocol::{
    Audit, AuditRequest, DiscardRequest, Done, DryRunRequest, DryRunView, ExplainRequest, Explanation, MessageDetail,
    MessageQuery, MessageRow, Page, ParkedQuery, ParkedRow, PauseRequest, PayloadRequest, ProbeRequest, Probed,
    RefusedQuery, RefusedRow, ReleaseRequest, ReloadRequest, Reloaded, ReplayRequest, Replayed, RerunRequest,
    ResendRequest, Resent, ResumeRequest, SnapshotView, Status,
};
use barid_runtime::control::{CommandResult, Commands};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::parts::Parts;
use history::History;
use journal::Journal;
pub(super) use status::offline as offline_status;

/// Commands on a running engine.
struct Engine {
    parts: Arc<Parts>,
    history: History,
    acting: Acting,
    admin: SocketAddr,
    started: Timestamp,
}

/// The commands of a running engine.
pub(super) fn engine(parts: Arc<Parts>, admin: SocketAddr) -> Arc<dyn Commands> {
    let history = parts.storage.history(&parts.channels, &parts.clock, &parts.data);
    let started = parts.clock.now();
    let custody = Arc::clone(&parts.custody);
    let acting = Acting {
        history: history.clone(),
        journal: Journal::new(&parts.storage.log, &parts.clock),
        intake: Arc::clone(&parts.intake),
        admits: Box::new(move |channel| custody.admits(channel)),
        owners: Arc::new(owners::Here(Arc::clone(&parts.destinations))),
    };
    Arc::new(Engine { parts, history, acting, admin, started })
}

impl Commands for Engine {
    fn status(&self) -> BoxFuture<'_, CommandResult<Status>> {
        Box::pin(status::status(self))
    }
    fn messages(&self, query: MessageQuery) -> BoxFuture<'_, CommandResult<Page<MessageRow>>> {
        Box::pin(search::messages(&self.history, query))
    }
    fn refused(&self, query: RefusedQuery) -> BoxFuture<'_, CommandResult<Page<RefusedRow>>> {
        Box::pin(search::refused(&self.history, query))
    }
    fn parked(&self, query: ParkedQuery) -> BoxFuture<'_, CommandResult<Page<ParkedRow>>> {
        Box::pin(async move { tries::parked(&self.history, &trying::Here(&self.parts.destinations), query).await })
    }
    fn show(&self, uid: MessageUid) -> BoxFuture<'_, CommandResult<MessageDetail>> {
        Box::pin(async move { tries::show(&self.history, &trying::Here(&self.parts.destinations), uid).await })
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
    fn probe(&self, request: ProbeRequest) -> BoxFuture<'_, CommandResult<Probed>> {
        Box::pin(probe::probe(self, request))
    }
    fn dry_run(&self, request: DryRunRequest) -> BoxFuture<'_, CommandResult<DryRunView>> {
        Box::pin(dry_run::dry_run(self, request))
    }
    fn replay(&self, request: ReplayRequest) -> BoxFuture<'_, CommandResult<Replayed>> {
        Box::pin(self.acting.replay(request))
    }
    fn resend(&self, request: ResendRequest) -> BoxFuture<'_, CommandResult<Resent>> {
        Box::pin(self.acting.resend(request))
    }
    fn rerun(&self, request: RerunRequest) -> BoxFuture<'_, CommandResult<Done>> {
        Box::pin(self.acting.rerun(request))
    }
    fn discard(&self, request: DiscardRequest) -> BoxFuture<'_, CommandResult<Done>> {
        Box::pin(self.acting.discard(request))
    }
    fn release(&self, request: ReleaseRequest) -> BoxFuture<'_, CommandResult<Done>> {
        Box::pin(self.acting.release(request))
    }
    fn pause(&self, request: PauseRequest) -> BoxFuture<'_, CommandResult<Done>> {
        Box::pin(pause::pause(self, request))
    }
    fn resume(&self, request: ResumeRequest) -> BoxFuture<'_, CommandResult<Done>> {
        Box::pin(pause::resume(self, request))
    }
    fn reload(&self, request: ReloadRequest) -> BoxFuture<'_, CommandResult<Reloaded>> {
        Box::pin(pause::reload(self, request))
    }
}
