//! What a running engine can be asked and told.

use std::net::SocketAddr;
use std::sync::Arc;

use barid_model::MessageUid;
use barid_runtime::control::protocol::{
    Audit, AuditRequest, DiscardRequest, Done, ExplainRequest, Explanation, MessageDetail, MessageQuery, MessageRow,
    Page, ParkedQuery, ParkedRow, PauseRequest, PayloadRequest, RefusedQuery, RefusedRow, ReleaseRequest,
    ReloadRequest, Reloaded, ReplayRequest, Replayed, RerunRequest, ResendRequest, Resent, ResumeRequest, SnapshotView,
    Status,
};
use barid_runtime::control::{CommandError, CommandResult, Commands};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::parts::Parts;

/// Commands on a running engine.
struct Engine {
    #[expect(dead_code, reason = "filled in next")]
    parts: Arc<Parts>,
    #[expect(dead_code, reason = "filled in next")]
    admin: SocketAddr,
}

/// The commands of a running engine.
pub(super) fn engine(parts: Arc<Parts>, admin: SocketAddr) -> Arc<dyn Commands> {
    Arc::new(Engine { parts, admin })
}

macro_rules! later {
    ($($name:ident($($request:ty)?) -> $answer:ty;)*) => {
        $(fn $name(&self $(, _: $request)?) -> BoxFuture<'_, CommandResult<$answer>> {
            Box::pin(async { Err(CommandError::unavailable("not built yet")) })
        })*
    };
}

impl Commands for Engine {
    later! {
        status() -> Status;
        messages(MessageQuery) -> Page<MessageRow>;
        refused(RefusedQuery) -> Page<RefusedRow>;
        parked(ParkedQuery) -> Page<ParkedRow>;
        show(MessageUid) -> MessageDetail;
        payload(PayloadRequest) -> Bytes;
        audit(AuditRequest) -> Audit;
        explain(ExplainRequest) -> Explanation;
        snapshot() -> SnapshotView;
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
