//! What listeners count. Labels are names of documents and closed lists of words: bounded, and never data of a message.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use barid_hl7::ack::AckCode;
use barid_model::Name;
use barid_runtime::admin::{Timed, observe};
use barid_trace::TraceId;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Seconds from the last byte read to the acknowledgement: from one fast sync to the bounded wait.
const LATENCIES: [f64; 14] = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabel {
    listener: NameLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabels {
    listener: NameLabel,
    channel: NameLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    listener: NameLabel,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    listener: NameLabel,
    reason: &'static str,
}

/// A document's name; empty for none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct NameLabel(Option<Name>);

impl EncodeLabelValue for NameLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        use std::fmt::Write as _;
        match &self.0 {
            Some(name) => write!(encoder, "{name}"),
            None => Ok(()),
        }
    }
}

type Latency = Family<ListenerLabel, Timed, fn() -> Timed>;

/// The metrics of all listeners of a process.
#[derive(Clone)]
pub struct Metrics {
    received: Family<ListenerLabel, Counter>,
    bytes: Family<ListenerLabel, Counter>,
    accepted: Family<ChannelLabels, Counter>,
    acknowledged: Family<CodeLabels, Counter>,
    refused: Family<ReasonLabels, Counter>,
    duplicates: Family<ListenerLabel, Counter>,
    held: Family<ListenerLabel, Counter>,
    discarded: Family<ReasonLabels, Counter>,
    noise: Family<ListenerLabel, Counter>,
    unwritten: Family<ListenerLabel, Counter>,
    connections: Family<ListenerLabel, Gauge>,
    closed: Family<ReasonLabels, Counter>,
    latency: Latency,
}

impl Metrics {
    /// Registers them, in a registry whose prefix is the program's.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Self {
        fn histogram() -> Timed {
            Timed::new(LATENCIES.into_iter())
        }
        let latency: Latency = Family::new_with_constructor(histogram);
        let metrics = Self {
            received: Family::default(),
            bytes: Family::default(),
            accepted: Family::default(),
            acknowledged: Family::default(),
            refused: Family::default(),
            duplicates: Family::default(),
            held: Family::default(),
            discarded: Family::default(),
            noise: Family::default(),
            unwritten: Family::default(),
            connections: Family::default(),
            closed: Family::default(),
            latency,
        };
        let registry = registry.sub_registry_with_prefix("ingress");
        registry.register("received", "Messages received, whatever became of them", metrics.received.clone());
        let (bytes, noise) = (metrics.bytes.clone(), metrics.noise.clone());
        registry.register_with_unit("received", "Bytes of messages received", Unit::Bytes, bytes);
        registry.register("accepted", "Messages made durable, by channel", metrics.accepted.clone());
        registry.register(
            "acknowledged",
            "Acknowledgements by code; none: no answer was due",
            metrics.acknowledged.clone(),
        );
        registry.register("refused", "Messages refused, by reason", metrics.refused.clone());
        registry.register("duplicates", "Resends recognised and answered again", metrics.duplicates.clone());
        registry.register("held", "Messages answered later since their facility was too fast", metrics.held.clone());
        registry.register("discarded_frames", "Frames that held no message, by reason", metrics.discarded.clone());
        registry.register_with_unit("noise", "Bytes between frames, skipped", Unit::Bytes, noise);
        registry.register("unwritten_acknowledgements", "Answers whose sender had gone", metrics.unwritten.clone());
        registry.register("connections", "Connections that have sent something", metrics.connections.clone());
        registry.register("connections_closed", "Connections closed by us, by reason", metrics.closed.clone());
        registry.register_with_unit(
            "acknowledgement",
            "Time from a message's last byte to its acknowledgement",
            Unit::Seconds,
            metrics.latency.clone(),
        );
        metrics
    }

    /// The handles of one listener, looked up once.
    pub(crate) fn of(&self, listener: &Name) -> ListenerMetrics {
        let name = NameLabel(Some(listener.clone()));
        let label = ListenerLabel { listener: name.clone() };
        let code =
            |code: &'static str| self.acknowledged.get_or_create_owned(&CodeLabels { listener: name.clone(), code });
        ListenerMetrics {
            received: self.received.get_or_create_owned(&label),
            bytes: self.bytes.get_or_create_owned(&label),
            duplicates: self.duplicates.get_or_create_owned(&label),
            held: self.held.get_or_create_owned(&label),
            noise: self.noise.get_or_create_owned(&label),
            unwritten: self.unwritten.get_or_create_owned(&label),
            connections: self.connections.get_or_create_owned(&label),
            latency: self.latency.get_or_create_owned(&label),
            unanswered: code("none"),
            codes: CODES.map(|known| code(known.as_str())),
            totals: Totals::default(),
            all: self.clone(),
            listener: name,
        }
    }
}

const CODES: [AckCode; 6] = [AckCode::AA, AckCode::AE, AckCode::AR, AckCode::CA, AckCode::CE, AckCode::CR];

/// What a listener took and refused since it was opened, for its status.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// The metrics of one listener.
pub(crate) struct ListenerMetrics {
    pub(crate) totals: Totals,
    pub(crate) received: Counter,
    pub(crate) bytes: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) held: Counter,
    pub(crate) noise: Counter,
    pub(crate) unwritten: Counter,
    pub(crate) connections: Gauge,
    latency: Timed,
    unanswered: Counter,
    codes: [Counter; 6],
    all: Metrics,
    listener: NameLabel,
}

impl ListenerMetrics {
    /// A message was made durable.
    pub(crate) fn accepted(&self, channel: Option<&Name>) {
        let labels = ChannelLabels { listener: self.listener.clone(), channel: NameLabel(channel.cloned()) };
        self.all.accepted.get_or_create(&labels).inc();
        self.totals.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// A message was answered (or no answer was due); the trace is its example.
    pub(crate) fn acknowledged(&self, code: Option<AckCode>, after: Duration, trace: Option<TraceId>) {
        observe(&self.latency, after.as_secs_f64(), trace);
        let known = CODES.iter().position(|known| Some(*known) == code).and_then(|at| self.codes.get(at));
        known.unwrap_or(&self.unanswered).inc();
    }

    /// A message was refused.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.all.refused.get_or_create(&self.reason(reason)).inc();
        self.totals.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A frame held no message.
    pub(crate) fn discarded(&self, reason: &'static str) {
        self.all.discarded.get_or_create(&self.reason(reason)).inc();
    }

    /// A connection was closed by us.
    pub(crate) fn closed(&self, reason: &'static str) {
        self.all.closed.get_or_create(&self.reason(reason)).inc();
    }

    fn reason(&self, reason: &'static str) -> ReasonLabels {
        ReasonLabels { listener: self.listener.clone(), reason }
    }
}

/// Metrics of one listener, shared by its connections.
pub(crate) type Meters = Arc<ListenerMetrics>;
