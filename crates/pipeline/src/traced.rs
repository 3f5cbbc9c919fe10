//! The spans of a message at the router: `route`, from reading it to its outputs being durable, and in it `apply`.
//!
//! The outputs carry the context of `route` on, in their records: so the trace goes through the log, to whoever delivers them.

use std::sync::Arc;

use barid_model::outcome::Disposition;
use barid_model::{Envelope, Finding, MessageUid, Name, Revision};
use barid_trace::{Kind, Started, Value};
use barid_transform::{Applied, ApplyInput};

use crate::fanout::Fanout;

/// The span of a message that is routed.
pub(crate) fn begin(envelope: &Envelope) -> Option<Started> {
    Started::of("route", envelope.traceparent.as_deref(), envelope.uid).map(|route| route.kind(Kind::Consumer))
}

/// The span of a call of the apply stage, which is given its context.
pub(crate) fn applying(route: Option<&Started>, input: &mut ApplyInput) -> Option<Started> {
    let apply = Started::child("apply", &route?.context())?.kind(Kind::Client);
    Arc::make_mut(&mut input.envelope).traceparent = Some(apply.context().header());
    Some(apply)
}

/// The call has ended; none: it gave nothing.
pub(crate) fn applied(apply: Option<Started>, applied: Option<&Applied>) {
    let Some(apply) = apply else { return };
    let fault = match applied {
        Some(Applied::Failed(_)) => Some("failed"),
        Some(_) => None,
        None => Some("no_result"),
    };
    apply.end(fault, |_| {});
}

/// A routed message whose outputs are not durable yet.
pub(crate) struct Routed {
    route: Started,
    fault: Option<&'static str>,
    uid: MessageUid,
    channel: Option<Name>,
    facility: Arc<str>,
    revision: Revision,
    cause: &'static str,
    /// What it was made from: the trace of that one has this name.
    parent: Option<MessageUid>,
    disposition: &'static str,
    deliveries: usize,
    finding: Option<Finding>,
}

/// Has the outputs carry the span's context on; gives what is to be told when they are durable, where it is to be told.
pub(crate) fn carry(route: Option<Started>, envelope: &Envelope, fanout: &mut Fanout) -> Option<Routed> {
    let mut route = route?;
    let routed = &fanout.routed;
    let aside = fanout.outs.iter().find_map(|out| out.set_aside.as_ref());
    let fault = match routed.disposition {
        Disposition::Quarantined => Some("quarantined"),
        Disposition::Routed if aside.is_some() => Some("failed"),
        Disposition::Routed | Disposition::Duplicate => None,
    };
    if fault.is_some() {
        route.keep();
    }
    let told = route.is_kept().then(|| Routed {
        route,
        fault,
        uid: envelope.uid,
        channel: envelope.channel.clone(),
        facility: Arc::clone(&envelope.facility.name),
        revision: envelope.revision,
        cause: envelope.cause.word(),
        parent: envelope.parents.first().copied(),
        disposition: match routed.disposition {
            Disposition::Routed => "routed",
            Disposition::Duplicate => "duplicate",
            Disposition::Quarantined => "quarantined",
        },
        deliveries: routed.deliveries.len(),
        finding: routed.findings.first().or_else(|| aside?.first()).cloned(),
    });
    let outs = fanout.outs.iter_mut().map(|out| &mut out.traceparent);
    let chained = fanout.chained.iter_mut().map(|chained| &mut chained.envelope.traceparent);
    outs.chain(chained).for_each(|traceparent| *traceparent = Some(route.context().header()));
    told
}

impl Routed {
    /// The outputs are durable.
    pub(crate) fn durable(self) {
        self.route.end(self.fault, |span| {
            span.say("barid.uid", &self.uid);
            span.say_if("barid.channel", self.channel.as_ref());
            span.say("barid.facility", Value::facility(&self.facility));
            span.say("barid.revision", &self.revision);
            span.say("barid.cause", self.cause);
            span.say_if("barid.parent", self.parent.as_ref());
            span.say("barid.disposition", self.disposition);
            span.say("barid.deliveries", self.deliveries);
            if let Some(finding) = &self.finding {
                span.say("barid.rule", Value::rule(finding));
                span.say("barid.code", finding.code);
            }
        });
    }
}
