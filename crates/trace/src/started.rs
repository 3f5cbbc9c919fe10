//! Spans that run, and where they go when they have ended.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use barid_model::MessageUid;

use crate::context::{Context, SpanId, TraceId};
use crate::span::{Kind, Span};

/// Takes ended spans.
pub trait Sink: Send + Sync + 'static {
    /// Takes one; never waits, drops what it has no room for.
    fn take(&self, span: Span);
}

/// Which part of all traces is kept, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(u64);

/// Bits that the ratio is compared with.
const RANDOM_BITS: u32 = 56;

impl Ratio {
    /// From a number; what is outside 0 to 1 is the nearer of the two.
    #[must_use]
    pub fn new(ratio: f64) -> Self {
        let all = 2_f64.powi(56);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^56")]
        Self((ratio.clamp(0.0, 1.0) * all) as u64)
    }

    /// Whether a trace is kept: every process says the same of it.
    pub(crate) fn keeps(self, trace: TraceId) -> bool {
        trace.random_bits() < self.0.min(1 << RANDOM_BITS)
    }
}

struct Tracer {
    sink: Box<dyn Sink>,
    ratio: Ratio,
}

static TRACER: OnceLock<Tracer> = OnceLock::new();

/// Has spans made from now on, for the whole process; whether it is the first to ask for that.
pub fn install(sink: Box<dyn Sink>, ratio: Ratio) -> bool {
    TRACER.set(Tracer { sink, ratio }).is_ok()
}

/// Whether spans are made.
#[must_use]
pub fn is_on() -> bool {
    TRACER.get().is_some()
}

/// A span that runs. One that is dropped without an end was never there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    name: &'static str,
    kind: Kind,
    context: Context,
    parent: Option<SpanId>,
    began: u64,
}

impl Started {
    /// Begins a span of a message: under what `traceparent` names, else as the first of a trace whose id is the message's, which holds a time and random
    /// bits and nothing of its content. None where no spans are made.
    #[must_use]
    pub fn of(name: &'static str, traceparent: Option<&str>, uid: MessageUid) -> Option<Self> {
        let tracer = TRACER.get()?;
        if let Some(parent) = traceparent.and_then(Context::read) {
            return Some(Self::under(name, &parent));
        }
        let trace = TraceId::new(*uid.as_bytes())?;
        let context = Context { trace, span: SpanId::random(), sampled: tracer.ratio.keeps(trace) };
        Some(Self { name, kind: Kind::Internal, context, parent: None, began: now() })
    }

    /// Begins a span under another. None where no spans are made.
    #[must_use]
    pub fn child(name: &'static str, parent: &Context) -> Option<Self> {
        is_on().then(|| Self::under(name, parent))
    }

    fn under(name: &'static str, parent: &Context) -> Self {
        let context = Context { span: SpanId::random(), ..*parent };
        Self { name, kind: Kind::Internal, context, parent: Some(parent.span), began: now() }
    }

    /// The same, as another kind.
    #[must_use]
    pub fn kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The same, begun so long ago.
    #[must_use]
    pub fn begun(self, ago: Duration) -> Self {
        Self { began: self.began.saturating_sub(u64::try_from(ago.as_nanos()).unwrap_or(u64::MAX)), ..self }
    }

    /// What those that follow it are given.
    #[must_use]
    pub const fn context(&self) -> Context {
        self.context
    }

    /// Whether it will be kept even if nothing fails.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.context.sampled
    }

    /// The trace, where it is kept: what an exemplar may name.
    #[must_use]
    pub fn kept(&self) -> Option<TraceId> {
        self.context.sampled.then_some(self.context.trace)
    }

    /// Has it kept, and what follows it: something on its way failed.
    pub const fn keep(&mut self) {
        self.context.sampled = true;
    }

    /// Ends it. It is kept where its trace is or it failed; only then `describe` is asked what it says.
    pub fn end(self, fault: Option<&'static str>, describe: impl FnOnce(&mut Span)) {
        let Some(tracer) = TRACER.get() else { return };
        if !self.context.sampled && fault.is_none() {
            return;
        }
        let Self { name, kind, context, parent, began } = self;
        let ended = now().max(began);
        let (attributes, links) = (Vec::with_capacity(12), Vec::new());
        let mut span = Span { name, kind, context, parent, began, ended, fault, attributes, links };
        describe(&mut span);
        tracer.sink.take(span);
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
