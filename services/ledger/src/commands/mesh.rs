//! What the ledger of a mesh can be asked and told, over the socket in its data directory: the tool is given that directory
//! and works as beside an engine.
//!
//! Questions are answered by this ledger. Pauses are keys of the log, which all services follow. What needs the owner of a
//! destination is told to it, wherever it is; messages made by command enter IN from here.

use std::sync::Arc;

use barid_custody::Pauses;
use barid_model::{MessageUid, Timestamp};
use barid_pipeline::Intake;
use barid_runtime::Drain;
use barid_runtime::admin::Readiness;
use barid_runtime::control::protocol::{
    Audit, AuditRequest, DiscardRequest, Done, DryRunRequest, DryRunView, ExplainRequest, Explanation, MessageDetail,
    MessageQuery, MessageRow, Page, ParkedQuery, ParkedRow, PauseRequest, PayloadRequest, ProbeRequest, Probed,
    RefusedQuery, RefusedRow, ReleaseRequest, ReloadRequest, Reloaded, ReplayRequest, Replayed, RerunRequest,
    ResendRequest, Resent, ResumeRequest, SnapshotView, Status,
};
use barid_runtime::control::{CommandResult, Commands};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::acting::{Acting, Admits, Owners};
use super::elsewhere::Elsewhere;
use super::gather::Gathering;
use super::history::History;
use super::journal::Journal;
use super::pause::Pausing;
use super::routers::Routers;
use super::{audit, payload, reload, search, trying};

/// The commands of a mesh.
pub struct Mesh {
    history: History,
    acting: Acting,
    elsewhere: Arc<Elsewhere>,
    routers: Routers,
    pauses: Arc<Pauses>,
    here: Here,
}

/// What is shown of the process that answers.
pub struct Here {
    /// What is ready.
    pub readiness: Readiness,
    /// Whether it ends.
    pub drain: Drain,
    /// When it started.
    pub started: Timestamp,
    /// Where its admin endpoint listens.
    pub admin: String,
    /// What the log takes at its servers, in bytes, as far as that is known.
    pub log_bytes: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl Mesh {
    /// Over this history, which messages made by command are put into IN from, and what is taken now.
    #[must_use]
    pub fn new(
        history: History,
        intake: Arc<Intake>,
        admits: Admits,
        elsewhere: Arc<Elsewhere>,
        routers: Routers,
        pauses: Arc<Pauses>,
        here: Here,
    ) -> Self {
        let acting = Acting {
            history: history.clone(),
            journal: Journal::new(&history.log, &history.clock),
            intake,
            admits,
            owners: Arc::clone(&elsewhere) as Arc<dyn Owners>,
        };
        Self { history, acting, elsewhere, routers, pauses, here }
    }

    fn gathering(&self) -> Gathering<'_> {
        Gathering {
            history: &self.history,
            pauses: &self.pauses,
            direct: self.elsewhere.direct(),
            readiness: &self.here.readiness,
            draining: self.here.drain.has_started(),
            started: self.here.started,
            admin: &self.here.admin,
            log_bytes: (self.here.log_bytes)(),
        }
    }

    fn pausing(&self) -> Pausing<'_> {
        Pausing { history: &self.history, journal: &self.acting.journal, pauses: &self.pauses, drains: &|_| false }
    }
}

impl Commands for Mesh {
    fn status(&self) -> BoxFuture<'_, CommandResult<Status>> {
        Box::pin(async move { self.gathering().status().await })
    }
    fn messages(&self, query: MessageQuery) -> BoxFuture<'_, CommandResult<Page<MessageRow>>> {
        Box::pin(search::messages(&self.history, query))
    }
    fn refused(&self, query: RefusedQuery) -> BoxFuture<'_, CommandResult<Page<RefusedRow>>> {
        Box::pin(search::refused(&self.history, query))
    }
    fn parked(&self, query: ParkedQuery) -> BoxFuture<'_, CommandResult<Page<ParkedRow>>> {
        Box::pin(trying::parked(&self.history, &*self.elsewhere, query))
    }
    fn show(&self, uid: MessageUid) -> BoxFuture<'_, CommandResult<MessageDetail>> {
        Box::pin(trying::show(&self.history, &*self.elsewhere, uid))
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
    fn pause(&self, request: PauseRequest) -> BoxFuture<'_, CommandResult<Done>> {
        Box::pin(async move { self.pausing().pause(request).await })
    }
    fn resume(&self, request: ResumeRequest) -> BoxFuture<'_, CommandResult<Done>> {
        Box::pin(async move { self.pausing().resume(request).await })
    }

    fn dry_run(&self, request: DryRunRequest) -> BoxFuture<'_, CommandResult<DryRunView>> {
        Box::pin(self.routers.dry_run(request))
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
    fn probe(&self, request: ProbeRequest) -> BoxFuture<'_, CommandResult<Probed>> {
        Box::pin(self.elsewhere.probe(request))
    }

    fn reload(&self, request: ReloadRequest) -> BoxFuture<'_, CommandResult<Reloaded>> {
        Box::pin(reload::reload(&self.history, request))
    }
}
