//! What waits to be sent: bounded, and never waited for. What finds no room is counted and gone.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use tokio::sync::mpsc;

use super::options::Signal;

/// Spans or lines that wait at most: a second of 8,000 messages a tenth of which is kept, with ten spans each. About 400 bytes an entry.
const QUEUED_MAX: usize = 8_192;

/// What became of a signal's items since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: AtomicU64,
    pub(super) dropped: AtomicU64,
}

static COUNTS: [Counts; 3] = [const { Counts { sent: AtomicU64::new(0), dropped: AtomicU64::new(0) } }; 3];

pub(super) fn counts(signal: Signal) -> &'static Counts {
    let [traces, metrics, logs] = &COUNTS;
    match signal {
        Signal::Traces => traces,
        Signal::Metrics => metrics,
        Signal::Logs => logs,
    }
}

/// The near end of a queue.
pub(super) struct Queue<T> {
    sender: mpsc::Sender<T>,
    counts: &'static Counts,
}

impl<T> Queue<T> {
    pub(super) fn new(signal: Signal) -> (Self, mpsc::Receiver<T>) {
        let (sender, receiver) = mpsc::channel(QUEUED_MAX);
        (Self { sender, counts: counts(signal) }, receiver)
    }

    pub(super) fn put(&self, item: T) {
        if self.sender.try_send(item).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

type Figure = fn(&Counts) -> &AtomicU64;

/// Shows what was sent and what was dropped.
#[derive(Debug)]
pub(crate) struct Sendings;

impl Collector for Sendings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let figures: [(&str, &str, Figure); 2] = [
            ("telemetry_sent", "Spans, metrics and log lines taken by the collector", |counts| &counts.sent),
            ("telemetry_dropped", "Spans, metrics and log lines that could not be sent", |counts| &counts.dropped),
        ];
        for (name, help, figure) in figures {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for signal in Signal::ALL {
                let labels = [("signal", signal.word())];
                let count = ConstCounter::new(figure(counts(signal)).load(Ordering::Relaxed));
                count.encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
