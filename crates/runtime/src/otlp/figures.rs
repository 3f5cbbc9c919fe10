//! The registry's metrics as OTLP has them: counters as cumulative sums, histograms with their exemplars, the rest as gauges.

use crate::openmetrics::{self, Exemplar, Family, Sample, labels};

use super::wire;

/// Cumulative since the start.
const CUMULATIVE: i32 = 2;

/// When the process began and now, in nanoseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) start: u64,
    pub(super) now: u64,
}

pub(super) fn metrics(text: &str, times: Times) -> Vec<wire::Metric> {
    let families = openmetrics::read(text).into_iter().filter(|family| !family.samples.is_empty());
    families.map(|family| metric(&family, times)).collect()
}

fn metric(family: &Family<'_>, times: Times) -> wire::Metric {
    let numbers = || family.samples.iter().map(|sample| number(sample, times)).collect();
    let data = match family.kind {
        "counter" => wire::Data::Sum(wire::Sum { points: numbers(), temporality: CUMULATIVE, is_monotonic: true }),
        "histogram" => {
            wire::Data::Histogram(wire::Histogram { points: histogram(family, times), temporality: CUMULATIVE })
        }
        _ => wire::Data::Gauge(wire::Gauge { points: numbers() }),
    };
    let unit = match family.unit {
        "seconds" => "s",
        "bytes" => "By",
        other => other,
    };
    let (name, description) = (family.name.to_owned(), family.help.to_owned());
    wire::Metric { name, description, unit: unit.to_owned(), data: Some(data) }
}

fn attributes<'a>(labels: impl Iterator<Item = (&'a str, String)>) -> Vec<wire::KeyValue> {
    labels.map(|(name, value)| wire::KeyValue::text(name, value)).collect()
}

fn number(sample: &Sample<'_>, times: Times) -> wire::NumberPoint {
    wire::NumberPoint {
        attributes: attributes(labels(sample.labels).into_iter()),
        start: times.start,
        time: times.now,
        value: sample.value.parse().ok(),
    }
}

/// A point of a histogram that is put together.
struct Open<'a> {
    /// What it is of.
    labels: Vec<(&'a str, String)>,
    /// What the bucket before counted, and all below it.
    below: u64,
    point: wire::HistogramPoint,
}

impl<'a> Open<'a> {
    fn new(labels: Vec<(&'a str, String)>, times: Times) -> Self {
        let (start, time, attributes) = (times.start, times.now, attributes(labels.iter().cloned()));
        let point = wire::HistogramPoint { attributes, start, time, ..wire::HistogramPoint::default() };
        Self { labels, below: 0, point }
    }
}

/// Points of a histogram: what differs in `le` only is one.
fn histogram(family: &Family<'_>, times: Times) -> Vec<wire::HistogramPoint> {
    let mut points: Vec<Open<'_>> = Vec::new();
    for sample in &family.samples {
        let (bound, own): (Vec<_>, Vec<_>) = labels(sample.labels).into_iter().partition(|(name, _)| *name == "le");
        if points.last().is_none_or(|open| open.labels != own) {
            points.push(Open::new(own, times));
        }
        let Some(Open { below, point, .. }) = points.last_mut() else { continue };
        let value: f64 = sample.value.parse().unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let count = value as u64;
        if sample.name.ends_with("_sum") {
            point.sum = Some(value);
        } else if sample.name.ends_with("_count") {
            point.count = count;
        } else if let Some((_, bound)) = bound.first() {
            // Prometheus counts all below a bound, OTLP what lies between two.
            point.buckets.push(count.saturating_sub(*below));
            *below = count;
            point.bounds.extend(bound.parse().ok().filter(|bound: &f64| bound.is_finite()));
            point.exemplars.extend(sample.exemplar.as_ref().and_then(|exemplar| self::exemplar(exemplar, times)));
        }
    }
    points.into_iter().map(|open| open.point).collect()
}

fn exemplar(exemplar: &Exemplar<'_>, times: Times) -> Option<wire::Exemplar> {
    let (_, trace) = labels(exemplar.labels).into_iter().find(|(name, _)| *name == "trace_id")?;
    let digits = |at: usize| trace.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let trace_id: Vec<u8> = (0..trace.len()).step_by(2).map(digits).collect::<Option<_>>()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time of this century")]
    let time = exemplar.at.map_or(times.now, |seconds| (seconds * 1e9) as u64);
    Some(wire::Exemplar { time, value: Some(exemplar.value), trace_id })
}
