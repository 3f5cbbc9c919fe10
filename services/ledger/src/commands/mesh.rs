//! What the ledger of a mesh can be asked and told, over the socket in its data directory: the tool is given that directory
//! and works as beside an engine.
//!
//! Questions are answered by this ledger. Pauses are keys of the log, which all services follow. What needs the owner of a
//! destination, or a new message, cannot be ordered here yet.

use std::sync::Arc;

use barid_custody::Pauses;
use barid_model::MessageUid;
use barid_runtime::control::protocol::{
    Audit, AuditRequest, DiscardRequest, Done, ExplainRequest, Explanation, MessageDetail, MessageQuery, MessageRow,
    Page, ParkedQuery, ParkedRow, PauseRequest, PayloadRequest, ProbeRequest, Probed, RefusedQuery, RefusedRow,
    ReleaseRequest, ReloadRequest, Reloaded, ReplayRequest, Replayed, RerunRequest, ResendRequest, Resent,
    ResumeRequest, SnapshotView, Status,
};
use barid_runtime::control::{CommandError, CommandResult, Commands};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::history::History;
use super::journal::Journal;
use super::pause::Pausing;
use super::{audit, payload, search, show, waiting};

/// The commands of a mesh.
pub struct Mesh {
    history: History,
    journal: Journal,
    pauses: Arc<Pauses>,
}

impl Mesh {
    /// Over this history.
    #[must_use]
    pub fn new(history: History, pauses: Arc<Pauses>) -> Self {
        let journal = Journal::new(&history.log, &history.clock);
        Self { history, journal, pauses }
    }

    fn pausing(&self) -> Pausing<'_> {
        Pausing { history: &self.history, journal: &self.journal, pauses: &self.pauses, drains: &|_| false }
    }
}

macro_rules! not_here {
    ($($name:ident($($request:ty)?) -> $answer:ty, $instead:literal;)*) => {
        $(fn $name(&self $(, _: $request)?) -> BoxFuture<'_, CommandResult<$answer>> {
            Box::pin(async { Err(CommandError::unavailable(concat!("a mesh has no such command yet: ", $instead))) })
        })*
    };
}

impl Commands for Mesh {
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
    fn pause(&self, request: PauseRequest) -> BoxFuture<'_, CommandResult<Done>> {
        Box::pin(async move { self.pausing().pause(request).await })
    }
    fn resume(&self, request: ResumeRequest) -> BoxFuture<'_, CommandResult<Done>> {
        Box::pin(async move { self.pausing().resume(request).await })
    }

    not_here! {
        status() -> Status, "ask the admin endpoints of its services";
        replay(ReplayRequest) -> Replayed, "have the sender send again";
        resend(ResendRequest) -> Resent, "have the sender send again";
        rerun(RerunRequest) -> Done, "what is set aside stays where it is";
        discard(DiscardRequest) -> Done, "what is set aside stays where it is";
        release(ReleaseRequest) -> Done, "what is held stays where it is";
        probe(ProbeRequest) -> Probed, "probe from where its deliveries run";
        reload(ReloadRequest) -> Reloaded, "documents are read again by who publishes them";
    }
}
