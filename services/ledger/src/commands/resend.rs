//! Resend: bytes that a person edited, sent as a child of the message they were made from. The original stays as it is.

use barid_ledger::view::Accepted;
use barid_model::lane::Lanes;
use barid_model::{Cause, Envelope, FacilityRef, Format, MessageType, MessageUid, Payload};
use barid_runtime::control::protocol::{ResendRequest, Resent};
use barid_runtime::control::{CommandError, CommandResult};
use bytes::Bytes;
use serde_json::json;

use super::acting::Acting;
use super::again::Again;
use super::journal::{Order, check};
use super::log_failed;

/// Sends it.
pub(super) async fn resend(acting: &Acting, request: ResendRequest) -> CommandResult<Resent> {
    check(&request.by)?;
    let view = acting.history.message(request.uid).await?;
    let Some(accepted) = view.accepted else { return Err(super::history::unknown(request.uid)) };
    let raw = Payload::new(request.raw);
    if raw.digest() == accepted.digest {
        return Err(CommandError::invalid("not a byte differs from the original: replay it instead"));
    }
    let again = Again { acting, by: &request.by, cause: Cause::Edited, answers: false };
    let record = again.edited(&parent(request.uid, accepted), raw).map_err(CommandError::conflict)?;
    let channel = record.envelope.channel.as_ref();
    (acting.admits)(channel).map_err(|error| CommandError::unavailable(error.to_string()))?;
    let order = Order::new("resend", request.uid).with(json!({"as": record.envelope.uid}));
    acting.journal.write(&request.by, vec![order]).await?;
    let submitted = acting.intake.submit(&record).await.map_err(log_failed)?;
    submitted.ticket.await.map_err(log_failed)?;
    Ok(Resent { uid: record.envelope.uid })
}

/// As much of the original's envelope as the ledger tells: its bytes may be gone by now.
fn parent(uid: MessageUid, accepted: Accepted) -> Envelope {
    Envelope {
        uid,
        listener: accepted.listener,
        facility: FacilityRef {
            name: accepted.facility.into(),
            speaks_for: accepted.speaks_for.map(Into::into),
            verified: accepted.verified,
        },
        channel: accepted.channel,
        revision: accepted.revision,
        lanes: Lanes::None,
        received: accepted.received,
        digest: accepted.digest,
        format: Format::Hl7v2,
        control_id: Bytes::from(accepted.control_id),
        message_type: MessageType::default(),
        cause: Cause::Received,
        parents: Vec::new(),
        origin: accepted.origin,
        traceparent: None,
        findings: Vec::new(),
        keys: Vec::new(),
        waits: None,
        reason: None,
        hops: accepted.hops,
    }
}
