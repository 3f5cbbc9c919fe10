//! From what the apply stage answered to what is written: OUT records, chained messages and the one ROUTED record.
//!
//! Pure: the same message and answer give the same outputs in the same order, with the same identities, so that a
//! rerun after a crash completes what was written in part.

use std::sync::Arc;

use barid_model::outcome::{Disposition, Outcome};
use barid_model::record::{AnswerRecord, InRecord, OutRecord, RoutedDelivery, RoutedRecord, Source, WaitingCaller};
use barid_model::{Cause, DeliveryId, Digest, Envelope, Finding, MessageUid, Name, Payload, Revision, Timestamp};
use barid_transform::{Applied, RouteOutput, RouteResult, RouteTarget};
use bytes::Bytes;

/// Most channel-to-channel hops of a message: as deep as mappings may nest; the compiler refuses loops, this bounds
/// what two revisions together could still make of one.
pub const HOPS_MAX: u8 = 8;

/// All that one message becomes.
#[derive(Debug)]
pub struct Fanout {
    /// To destinations, in the order of their sources.
    pub outs: Vec<OutRecord>,
    /// To other channels.
    pub chained: Vec<InRecord>,
    /// What became of it.
    pub routed: RoutedRecord,
    /// The answer for a sender that waits, where no delivery will give one.
    pub answer: Option<(Digest, AnswerRecord)>,
}

/// The key under which a waiting sender finds its answer: the same for a resend.
#[must_use]
pub fn answer_key(facility: &str, control_id: &[u8], digest: Digest) -> Digest {
    let mut bytes = Vec::with_capacity(facility.len() + control_id.len() + 48);
    for part in [facility.as_bytes(), control_id, digest.as_bytes()] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    Digest::of(&bytes)
}

/// A message that ends at the router: a resend, or one that is set aside before it was routed.
#[must_use]
pub fn ended(
    envelope: &Envelope,
    source: Source,
    at: Timestamp,
    disposition: Disposition,
    duplicate_of: Option<MessageUid>,
    findings: Vec<Finding>,
) -> Fanout {
    let waits = envelope.waits.is_some() && disposition == Disposition::Quarantined;
    let answer = waits.then(|| own_answer(envelope, Outcome::Quarantined, at, findings.clone()));
    let deliveries = Vec::new();
    let routed = RoutedRecord { uid: envelope.uid, source, at, disposition, duplicate_of, findings, deliveries };
    Fanout { outs: Vec::new(), chained: Vec::new(), routed, answer }
}

/// What the stage's answer becomes. `revision_of` gives the present revision of a channel that a route leads to.
#[must_use]
pub fn fan_out(
    record: &InRecord,
    source: Source,
    at: Timestamp,
    applied: Applied,
    revision_of: &dyn Fn(&Name) -> Option<Revision>,
) -> Fanout {
    let envelope = &record.envelope;
    let routes = match applied {
        Applied::Failed(findings) => {
            return ended(envelope, source, at, Disposition::Quarantined, None, findings);
        }
        Applied::Filtered { .. } => Vec::new(),
        Applied::Routed(routes) => routes,
    };
    let mut building = Building { record, source, revision_of, outs: vec![], chained: vec![], deliveries: vec![] };
    for route in routes {
        building.route(route);
    }
    let Building { outs, chained, deliveries, .. } = building;
    let unanswered = envelope.waits.is_some() && outs.iter().all(|out| out.waits.is_none());
    let answer = unanswered.then(|| own_answer(envelope, Outcome::Filtered, at, Vec::new()));
    let routed = RoutedRecord {
        uid: envelope.uid,
        source: Source { output: u32::MAX, ..source },
        at,
        disposition: Disposition::Routed,
        duplicate_of: None,
        findings: Vec::new(),
        deliveries,
    };
    Fanout { outs, chained, routed, answer }
}

fn own_answer(envelope: &Envelope, outcome: Outcome, at: Timestamp, findings: Vec<Finding>) -> (Digest, AnswerRecord) {
    let key = answer_key(&envelope.facility.name, &envelope.control_id, envelope.digest);
    (key, AnswerRecord { outcome, at, answer: barid_model::record::Answer::default(), findings })
}

struct Building<'a> {
    record: &'a InRecord,
    source: Source,
    revision_of: &'a dyn Fn(&Name) -> Option<Revision>,
    outs: Vec<OutRecord>,
    chained: Vec<InRecord>,
    deliveries: Vec<RoutedDelivery>,
}

impl Building<'_> {
    fn route(&mut self, route: RouteResult) {
        let RouteResult { route, target, output } = route;
        match output {
            RouteOutput::Filtered => self.delivery(&route, 0, &target, Some(Outcome::Filtered), Vec::new()),
            RouteOutput::Failed(findings) => self.piece(&route, 0, &target, self.record.raw.clone(), Some(findings)),
            RouteOutput::Sent(parts) if parts.is_empty() => {
                self.delivery(&route, 0, &target, Some(Outcome::Filtered), Vec::new());
            }
            RouteOutput::Sent(parts) => {
                for (part, payload) in (0_u32..).zip(parts) {
                    self.piece(&route, part, &target, payload, None);
                }
            }
        }
    }

    fn piece(
        &mut self,
        route: &Arc<str>,
        part: u32,
        target: &RouteTarget,
        payload: Payload,
        set_aside: Option<Vec<Finding>>,
    ) {
        match target {
            RouteTarget::Destination(destination) => {
                let out = self.out(route, part, destination, payload, set_aside);
                self.delivery(route, part, target, None, out.set_aside.clone().unwrap_or_default());
                self.outs.push(out);
            }
            RouteTarget::Channel(channel) => self.chain(route, part, target, channel, payload, set_aside),
        }
    }

    fn out(
        &self,
        route: &Arc<str>,
        part: u32,
        destination: &Name,
        payload: Payload,
        set_aside: Option<Vec<Finding>>,
    ) -> OutRecord {
        let envelope = &self.record.envelope;
        OutRecord {
            id: DeliveryId::of(envelope.uid, route, part, 0),
            uid: envelope.uid,
            source: self.next_source(),
            channel: envelope.channel.clone().unwrap_or_else(|| Name::local("none")),
            revision: envelope.revision,
            route: Arc::clone(route),
            part,
            run: 0,
            destination: destination.clone(),
            facility: Arc::clone(&envelope.facility.name),
            lanes: envelope.lanes.clone(),
            received: envelope.received,
            message_type: envelope.message_type.clone(),
            set_aside,
            waits: self.waiting(route, part),
            traceparent: envelope.traceparent.clone(),
            payload,
        }
    }

    /// The caller waits for the first piece of its route; of the only route where none is named.
    fn waiting(&self, route: &Arc<str>, part: u32) -> Option<WaitingCaller> {
        let envelope = &self.record.envelope;
        let waits = envelope.waits.as_ref()?;
        let wanted = part == 0 && waits.route.as_ref().is_none_or(|name| name == route);
        wanted.then(|| WaitingCaller {
            key: answer_key(&envelope.facility.name, &envelope.control_id, envelope.digest),
            waits: waits.clone(),
        })
    }

    fn chain(
        &mut self,
        route: &Arc<str>,
        part: u32,
        target: &RouteTarget,
        channel: &Name,
        payload: Payload,
        set_aside: Option<Vec<Finding>>,
    ) {
        let envelope = &self.record.envelope;
        let refused = match (set_aside, (self.revision_of)(channel)) {
            (Some(findings), _) => Some(findings),
            (None, None) => Some(vec![Finding::error(
                207,
                "",
                "route.channel",
                "the channel this route leads to is not running: replay the message when it is",
            )]),
            (None, Some(_)) if envelope.hops >= HOPS_MAX => Some(vec![Finding::error(
                207,
                "",
                "route.hops",
                "more channel-to-channel hops than allowed: the channels' routes make a loop",
            )]),
            (None, Some(revision)) => {
                let uid = MessageUid::derived(envelope.uid, route, part);
                let digest = payload.digest();
                let chained = Envelope {
                    uid,
                    channel: Some(channel.clone()),
                    revision,
                    digest,
                    cause: Cause::Chained,
                    parents: vec![envelope.uid],
                    waits: None,
                    findings: Vec::new(),
                    hops: envelope.hops + 1,
                    ..envelope.clone()
                };
                self.chained.push(InRecord { envelope: chained, source: Some(self.next_source()), raw: payload });
                self.delivery(route, part, target, Some(Outcome::Delivered), Vec::new());
                if let Some(delivery) = self.deliveries.last_mut() {
                    delivery.chained = Some(uid);
                }
                None
            }
        };
        if let Some(findings) = refused {
            self.delivery(route, part, target, Some(Outcome::Quarantined), findings);
        }
    }

    fn delivery(
        &mut self,
        route: &Arc<str>,
        part: u32,
        target: &RouteTarget,
        outcome: Option<Outcome>,
        findings: Vec<Finding>,
    ) {
        self.deliveries.push(RoutedDelivery {
            id: DeliveryId::of(self.record.envelope.uid, route, part, 0),
            route: Arc::clone(route),
            part,
            destination: match target {
                RouteTarget::Destination(name) => Some(name.clone()),
                RouteTarget::Channel(_) => None,
            },
            out: None,
            outcome,
            chained: None,
            findings,
        });
    }

    /// Every piece counts, also one that goes nowhere now: a channel that runs at the next try must not move the others' numbers.
    fn next_source(&self) -> Source {
        let output = u32::try_from(self.deliveries.len()).unwrap_or(u32::MAX - 1);
        Source { output, ..self.source }
    }
}

/// An answer as the log's value.
#[must_use]
pub fn answer_bytes(answer: &AnswerRecord) -> Bytes {
    barid_model::record::Record::encode(answer)
}

#[cfg(test)]
mod tests;
