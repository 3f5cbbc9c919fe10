//! The spans of a delivery: `deliver`, from being read to its outcome being durable or to being parked, in it an `attempt` each time it is sent, and `outcome`.
//!
//! What waits in PARK ends its span there; when it comes back, another begins in the same trace, with a link to the one before, whose context PARK holds.

use barid_model::Outcome;
use barid_model::record::{OutRecord, Parked};
use barid_trace::{Context, Kind, Span, Started, TraceId, Value};

use crate::connect::{AnswerClass, Outgoing, Sent, Verdict};
use crate::window::Entry;

/// The running spans of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traced {
    deliver: Started,
    /// Where it goes on from, where it comes back from PARK.
    from: Option<Context>,
    attempt: Option<Started>,
    outcome: Option<Started>,
}

impl Traced {
    /// A delivery was read from OUT.
    #[must_use]
    pub fn taken(record: &OutRecord) -> Option<Self> {
        let deliver = Started::of("deliver", record.traceparent.as_deref(), record.uid)?.kind(Kind::Consumer);
        Some(Self { deliver, from: None, attempt: None, outcome: None })
    }

    /// A delivery came back from PARK.
    #[must_use]
    pub fn resumed(record: &OutRecord) -> Option<Self> {
        let from = record.traceparent.as_deref().and_then(Context::read);
        Self::taken(record).map(|taken| Self { from, ..taken })
    }

    /// What PARK holds of it, for who goes on with it.
    pub(crate) fn header(&self) -> String {
        self.deliver.context().header()
    }

    /// The trace, where it is kept.
    pub(crate) fn kept(&self) -> Option<TraceId> {
        self.deliver.kept()
    }

    /// It is sent; gives the context that its receiver is told, where its protocol can carry it.
    pub(crate) fn sending(&mut self) -> Option<Context> {
        self.attempt = Started::child("attempt", &self.deliver.context()).map(|attempt| attempt.kind(Kind::Client));
        self.attempt.map(|attempt| attempt.context())
    }

    /// The attempt has ended.
    pub(crate) fn sent(&mut self, out: &Outgoing, sent: &Sent, verdict: &Verdict, attempts: u32) {
        let Some(attempt) = self.attempt.take() else { return };
        let fault = fault(sent, verdict);
        if fault.is_some() {
            self.deliver.keep();
        }
        attempt.end(fault, |span| {
            span.say("barid.destination", &out.record.destination);
            span.say("barid.delivery", &out.record.id);
            span.say("barid.attempt", attempts);
            span.say("barid.verdict", word(verdict));
            span.say("barid.possible_duplicate", out.possible_duplicate);
            if let Sent::Answered(answered) = sent {
                span.say_if("barid.answer", code(&answered.answer.code));
                span.say_if("http.response.status_code", answered.status);
            }
        });
    }

    /// What became of it is written.
    pub(crate) fn recording(&mut self) {
        self.outcome = Started::child("outcome", &self.deliver.context());
    }
}

/// A delivery has ended, durably.
pub(crate) fn ended(entry: &Entry, outcome: Outcome) {
    let Some(Traced { deliver, from, outcome: writing, .. }) = entry.trace.as_deref().copied() else { return };
    if let Some(writing) = writing {
        writing.end(None, |_| {});
    }
    let fault = match outcome {
        Outcome::Delivered | Outcome::Filtered | Outcome::Merged => None,
        other => Some(other.word()),
    };
    deliver.end(fault, |span| {
        describe(entry, from, span);
        span.say("barid.outcome", outcome.word());
    });
}

/// A delivery waits in PARK.
pub(crate) fn parked(entry: &Entry, why: Parked) {
    let Some(Traced { deliver, from, .. }) = entry.trace.as_deref().copied() else { return };
    let fault = match why {
        Parked::Held | Parked::Stalled | Parked::Quarantined => Some(why.word()),
        Parked::Rerun | Parked::Paused | Parked::Follows => None,
    };
    deliver.end(fault, |span| {
        describe(entry, from, span);
        span.say("barid.parked", why.word());
    });
}

fn describe(entry: &Entry, from: Option<Context>, span: &mut Span) {
    let record = &entry.record;
    span.say("barid.uid", &record.uid);
    span.say("barid.delivery", &record.id);
    span.say("barid.channel", &record.channel);
    span.say("barid.route", Value::route(&record.route));
    span.say("barid.destination", &record.destination);
    span.say("barid.facility", Value::facility(&record.facility));
    span.say("barid.revision", &record.revision);
    span.say("barid.attempts", entry.attempts);
    span.say("barid.message.bytes", record.payload.len());
    span.links.extend(from);
}

/// Why an attempt failed, where it did.
const fn fault(sent: &Sent, verdict: &Verdict) -> Option<&'static str> {
    match (sent, verdict) {
        (Sent::Failed(error), _) => Some(error.kind.word()),
        (Sent::Unsendable(_), _) => Some("unsendable"),
        (Sent::Answered(_), Verdict::Delivered) => None,
        (Sent::Answered(answered), _) if matches!(answered.class, AnswerClass::Unavailable { .. }) => {
            Some("unavailable")
        }
        (Sent::Answered(_), _) => Some("rejected"),
    }
}

const fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Delivered => "delivered",
        Verdict::Retry { .. } => "retry",
        Verdict::Quarantine(_) => "quarantine",
        Verdict::Hold(_) => "hold",
        Verdict::Rejected(_) => "rejected",
    }
}

/// An answer's code, where it is one that is known: what a receiver puts there instead is its own text.
fn code(code: &str) -> Option<&'static str> {
    const KNOWN: [&str; 7] = ["AA", "AE", "AR", "CA", "CE", "CR", "written"];
    KNOWN.into_iter().find(|known| *known == code)
}
