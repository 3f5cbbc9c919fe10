//! The spans of a message at the door: `accept`, from its first byte to its acknowledgement, and in it `parse` and `append`.
//!
//! They hold ids, names of documents and reasons. Where no spans are made there is nothing; what the envelope carries on is the context of `accept`.

use std::sync::Arc;

use barid_hl7::ack::AckCode;
use barid_model::{Envelope, Finding, MessageUid, Name, Revision};
use barid_trace::{Kind, Span, Started, TraceId, Value};
use barid_validate::{Rejected, Verdict};
use bytes::Bytes;
use tokio::time::Instant;

use crate::accept::AnswerForSender;
use crate::context::Gate;
use crate::intake::Arrival;
use crate::pending::Settled;

/// A message as it was read.
pub(crate) struct Item {
    pub(crate) raw: Bytes,
    /// The identity it will have if it is accepted.
    pub(crate) uid: MessageUid,
    pub(crate) trace: Option<Box<Traced>>,
}

/// A message whose way is told.
pub(crate) struct Traced {
    accept: Started,
    parse: Option<Started>,
    append: Option<Started>,
    uid: MessageUid,
    bytes: usize,
    listener: Name,
    channel: Option<Name>,
    facility: Option<Arc<str>>,
    revision: Option<Revision>,
    finding: Option<Finding>,
    duplicate: bool,
    fault: Option<&'static str>,
    code: &'static str,
}

impl Gate {
    /// A message whose first byte was read at `began`.
    pub(crate) fn item(&self, raw: Bytes, arrival: &Arrival<'_>, began: Instant) -> Item {
        let uid = MessageUid::new(arrival.received);
        let accept = Started::of("accept", arrival.traceparent.as_deref(), uid);
        let trace = accept.map(|accept| {
            Box::new(Traced {
                accept: accept.kind(Kind::Server).begun(began.elapsed()),
                parse: None,
                append: None,
                uid,
                bytes: raw.len(),
                listener: self.name.clone(),
                channel: None,
                facility: None,
                revision: None,
                finding: None,
                duplicate: false,
                fault: None,
                code: "none",
            })
        });
        Item { raw, uid, trace }
    }
}

impl Item {
    /// It is handed to the parse stage, which is given this context.
    pub(crate) fn parsing(&mut self) -> Option<String> {
        let trace = self.trace.as_mut()?;
        trace.parse = Started::child("parse", &trace.accept.context()).map(|parse| parse.kind(Kind::Client));
        trace.parse.map(|parse| parse.context().header())
    }

    /// The parse stage has judged it, or has not.
    pub(crate) fn parsed(&mut self, verdict: Option<&Verdict>) {
        let Some(parse) = self.trace.as_mut().and_then(|trace| trace.parse.take()) else { return };
        let (verdict, fault) = match verdict {
            Some(Verdict::Accept(_)) => ("accept", None),
            Some(Verdict::Reject(_)) => ("reject", None),
            Some(Verdict::NoReply(_)) => ("no_reply", None),
            None => ("none", Some("no_verdict")),
        };
        parse.end(fault, |span| span.say("barid.verdict", verdict));
    }
}

impl Traced {
    /// It is accepted under this envelope, which carries the context on.
    pub(crate) fn accepted(&mut self, envelope: &mut Envelope) {
        self.channel.clone_from(&envelope.channel);
        self.facility = Some(Arc::clone(&envelope.facility.name));
        self.revision = Some(envelope.revision);
        envelope.traceparent = Some(self.accept.context().header());
    }

    /// It is refused for its content.
    pub(crate) fn refused(&mut self, rejected: &Rejected) {
        self.accept.keep();
        self.channel.clone_from(&rejected.channel);
        self.facility.clone_from(&rejected.facility);
        self.finding = rejected.findings.first().cloned();
    }

    /// It was recognised as a sender's resend.
    pub(crate) const fn duplicate(&mut self) {
        self.duplicate = true;
    }

    /// It is handed to the log.
    pub(crate) fn appending(&mut self) {
        self.append = Started::child("append", &self.accept.context());
    }

    /// It is durable, or is not for this reason.
    pub(crate) fn appended(&mut self, fault: Option<&'static str>) {
        let Some(append) = self.append.take() else { return };
        let bytes = self.bytes;
        append.end(fault, |span| span.say("barid.message.bytes", bytes));
    }

    /// Its acknowledgement is ready.
    pub(crate) fn answered(&mut self, settled: Option<&Settled>, code: Option<AckCode>) {
        self.fault = settled.and_then(fault);
        self.code = code.map_or("none", AckCode::as_str);
        self.appended(self.fault);
    }

    /// The trace, where it is kept.
    pub(crate) fn kept(&self) -> Option<TraceId> {
        self.accept.kept()
    }

    /// Its acknowledgement was written, or its sender is gone.
    pub(crate) fn end(&self, is_written: bool) {
        let fault = if is_written { self.fault } else { Some("unwritten") };
        self.accept.end(fault, |span| self.describe(span));
    }

    fn describe(&self, span: &mut Span) {
        span.say("barid.uid", &self.uid);
        span.say("barid.listener", &self.listener);
        span.say_if("barid.channel", self.channel.as_ref());
        span.say_if("barid.facility", self.facility.as_ref().map(|facility| Value::facility(facility)));
        span.say_if("barid.revision", self.revision.as_ref());
        span.say("barid.message.bytes", self.bytes);
        span.say("barid.acknowledgement", self.code);
        if self.duplicate {
            span.say("barid.duplicate", true);
        }
        if let Some(finding) = &self.finding {
            span.say("barid.rule", Value::rule(finding));
            span.say("barid.code", finding.code);
        }
    }
}

/// Why a sender is told no, where it is.
const fn fault(settled: &Settled) -> Option<&'static str> {
    match settled {
        Settled::Ours(error) => Some(error.word()),
        Settled::Refused { .. } => Some("refused"),
        Settled::NoAnswer => Some("no_answer"),
        Settled::Answered(AnswerForSender::Rejected(_) | AnswerForSender::Passed { accepted: false, .. }) => {
            Some("rejected")
        }
        Settled::Accepted | Settled::Silent | Settled::Answered(_) => None,
    }
}
