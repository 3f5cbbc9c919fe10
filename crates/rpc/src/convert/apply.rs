//! The apply stage's input and result.
//!
//! A program does not travel: an item's envelope names it by channel and revision. Neither do bytes that the other end has
//! already: a route that changes nothing sends back no payload, and routes that write alike share one.

use std::sync::Arc;

use barid_model::{Envelope, Payload, Revision};
use barid_transform::{Applied, ApplyInput, RouteOutput, RouteResult, RouteTarget};
use bytes::Bytes;

use super::envelope::{envelope, envelope_wire};
use super::{Strict, findings, findings_wire, invalid, name, needed};
use crate::proto::transform::v1 as wire;

/// What leaves a message out, as the stage names it.
const FILTER: &str = "filter";

pub(crate) fn apply_item(input: &ApplyInput) -> wire::ApplyItem {
    wire::ApplyItem {
        envelope: Some(envelope_wire(&input.envelope)),
        raw: input.raw.bytes(),
        context: input.context.clone(),
    }
}

/// An item that was read, but for the program that it names.
pub(crate) struct ApplyParts {
    pub(crate) revision: Revision,
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) raw: Payload,
    pub(crate) context: Bytes,
}

pub(crate) fn apply_parts(request: wire::ApplyRequest) -> Vec<Strict<ApplyParts>> {
    let parts = |item: wire::ApplyItem| {
        let envelope = envelope(needed(item.envelope, "item.envelope")?)?;
        needed(envelope.channel.as_ref(), "item.envelope.channel")?;
        Ok(ApplyParts {
            revision: envelope.revision,
            envelope: Arc::new(envelope),
            raw: Payload::new(item.raw),
            context: item.context,
        })
    };
    request.items.into_iter().map(parts).collect()
}

/// Payloads of one message, each once.
struct Payloads<'a> {
    raw: &'a Bytes,
    kept: Vec<Bytes>,
}

impl Payloads<'_> {
    fn piece(&mut self, payload: &Payload) -> wire::Piece {
        let same = |one: &Bytes| one.len() == payload.len() && (one.as_ptr() == payload.as_ptr() || one == &**payload);
        let bytes = if same(self.raw) {
            wire::piece::Bytes::AsReceived(true)
        } else {
            let place = self.kept.iter().position(same).unwrap_or_else(|| {
                self.kept.push(payload.bytes());
                self.kept.len() - 1
            });
            wire::piece::Bytes::Payload(u32::try_from(place).unwrap_or(u32::MAX))
        };
        wire::Piece { bytes: Some(bytes) }
    }
}

pub(crate) fn applied_wire(raw: &Bytes, applied: &Applied) -> wire::apply_result::Result {
    use wire::apply_result::Result;
    match applied {
        Applied::Filtered { by } => Result::Filtered(wire::Filtered { by: (*by).to_owned() }),
        Applied::Failed(findings) => Result::Failed(wire::Failed { findings: findings_wire(findings) }),
        Applied::Routed(routes) => {
            let mut payloads = Payloads { raw, kept: Vec::new() };
            let routes = routes.iter().map(|route| route_wire(route, &mut payloads)).collect();
            Result::Routed(wire::Routed { routes, payloads: payloads.kept })
        }
    }
}

fn route_wire(route: &RouteResult, payloads: &mut Payloads<'_>) -> wire::Route {
    use wire::route::{Output, Target};
    wire::Route {
        name: route.route.to_string(),
        target: Some(match &route.target {
            RouteTarget::Destination(name) => Target::Destination(name.to_string()),
            RouteTarget::Channel(name) => Target::Channel(name.to_string()),
        }),
        output: Some(match &route.output {
            RouteOutput::Filtered => Output::Filtered(wire::Filtered { by: "when".to_owned() }),
            RouteOutput::Failed(findings) => Output::Failed(wire::Failed { findings: findings_wire(findings) }),
            RouteOutput::Sent(pieces) => {
                Output::Sent(wire::Sent { pieces: pieces.iter().map(|piece| payloads.piece(piece)).collect() })
            }
        }),
    }
}

pub(crate) fn applied(wire: wire::apply_result::Result, raw: &Payload) -> Strict<Applied> {
    use wire::apply_result::Result;
    match wire {
        Result::Filtered(wire) if wire.by == FILTER => Ok(Applied::Filtered { by: FILTER }),
        Result::Filtered(_) => Err(invalid("filtered.by")),
        Result::Failed(wire) => findings(wire.findings).map(Applied::Failed),
        Result::Routed(wire) => {
            let payloads: Vec<Payload> = wire.payloads.into_iter().map(Payload::new).collect();
            let routes = wire.routes.into_iter().map(|wire| route(wire, raw, &payloads));
            Ok(Applied::Routed(routes.collect::<Strict<_>>()?))
        }
        Result::Failure(_) => Err(invalid("result")),
    }
}

fn route(wire: wire::Route, raw: &Payload, payloads: &[Payload]) -> Strict<RouteResult> {
    use wire::route::{Output, Target};
    let piece = |wire: wire::Piece| match wire.bytes {
        Some(wire::piece::Bytes::AsReceived(true)) => Ok(raw.clone()),
        Some(wire::piece::Bytes::Payload(place)) => {
            let place = usize::try_from(place).map_err(|_| invalid("route.sent.payload"))?;
            needed(payloads.get(place).cloned(), "route.sent.payload")
        }
        Some(wire::piece::Bytes::AsReceived(false)) | None => Err(invalid("route.sent.pieces")),
    };
    if wire.name.is_empty() {
        return Err(invalid("route.name"));
    }
    Ok(RouteResult {
        route: wire.name.into(),
        target: match needed(wire.target, "route.target")? {
            Target::Destination(text) => RouteTarget::Destination(name(&text, "route.destination")?),
            Target::Channel(text) => RouteTarget::Channel(name(&text, "route.channel")?),
        },
        output: match needed(wire.output, "route.output")? {
            Output::Filtered(_) => RouteOutput::Filtered,
            Output::Failed(wire) => RouteOutput::Failed(findings(wire.findings)?),
            Output::Sent(wire) => RouteOutput::Sent(wire.pieces.into_iter().map(piece).collect::<Strict<_>>()?),
        },
    })
}
