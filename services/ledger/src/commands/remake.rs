//! What a route makes of a message today, where its mapping failed when the message was routed: then there is nothing in
//! the log to send again, and a re-run has to make it.

use std::sync::Arc;

use barid_ledger::{DeliveryView, MessageView};
use barid_model::record::{InRecord, OutRecord};
use barid_model::stage::Stage as _;
use barid_model::{Cause, Envelope, FacilityRef, Format, Name, Payload, Revision};
use barid_transform::{Applied, Apply, RouteOutput};
use bytes::Bytes;

use super::acting::{Acting, Why};
use barid_custody::program;

/// What the delivery's route makes of its message under the channel's newest revision.
pub(super) fn remake(acting: &Acting, parent: &InRecord, delivery: &DeliveryView) -> Result<(Payload, Revision), Why> {
    let channel = parent.envelope.channel.as_ref().ok_or("no channel took its message")?;
    let snapshot = acting.history.channels.snapshot();
    let channel = snapshot.channels.get(channel).ok_or_else(|| format!("channel {} does not run", channel.short()))?;
    let revision = channel.revision;
    let input = (program(Arc::clone(channel)).input)(parent);
    let routes = match Apply.apply(&input) {
        Ok(Applied::Routed(routes)) => routes,
        Ok(Applied::Filtered { .. }) => return Err("its channel filters the message now: discard it".to_owned()),
        Ok(Applied::Failed(findings)) => return Err(failed(&findings)),
        Err(error) => return Err(error.to_string()),
    };
    let route = routes.into_iter().find(|route| *route.route == *delivery.route);
    match route.map(|route| route.output) {
        None => Err("its channel has no such route any more: replay the message, and discard this".to_owned()),
        Some(RouteOutput::Filtered) => Err("its route does not want the message now: discard it".to_owned()),
        Some(RouteOutput::Failed(findings)) => Err(failed(&findings)),
        Some(RouteOutput::Sent(parts)) => match <[Payload; 1]>::try_from(parts) {
            Ok([payload]) => Ok((payload, revision)),
            Err(parts) => {
                Err(format!("its route makes {} messages of it now: replay the message, and discard this", parts.len()))
            }
        },
    }
}

/// The message as it was received, from a delivery that nothing was made for and what the ledger knows.
pub(super) fn standing_in(message: &MessageView, delivery: OutRecord) -> InRecord {
    let accepted = message.accepted.as_ref();
    let envelope = Envelope {
        uid: delivery.uid,
        listener: accepted.map_or_else(|| Name::local("unknown"), |accepted| accepted.listener.clone()),
        facility: FacilityRef {
            name: delivery.facility,
            speaks_for: accepted.and_then(|accepted| accepted.speaks_for.as_deref().map(Arc::from)),
            verified: accepted.is_some_and(|accepted| accepted.verified),
        },
        channel: Some(delivery.channel),
        revision: delivery.revision,
        lanes: delivery.lanes,
        received: delivery.received,
        digest: delivery.payload.digest(),
        format: Format::Hl7v2,
        control_id: accepted.map(|accepted| Bytes::from(accepted.control_id.clone())).unwrap_or_default(),
        message_type: delivery.message_type,
        cause: Cause::Received,
        parents: accepted.map(|accepted| accepted.parents.clone()).unwrap_or_default(),
        origin: accepted.map(|accepted| accepted.origin.clone()).unwrap_or_default(),
        traceparent: delivery.traceparent,
        findings: Vec::new(),
        keys: Vec::new(),
        waits: None,
        reason: None,
        hops: accepted.map_or(0, |accepted| accepted.hops),
    };
    InRecord { envelope, source: None, raw: delivery.payload }
}

fn failed(findings: &[barid_model::Finding]) -> Why {
    findings.first().map_or_else(
        || "its mapping still fails".to_owned(),
        |finding| format!("its mapping still fails: {} ({})", finding.text, finding.rule),
    )
}
