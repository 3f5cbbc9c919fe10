//! Figures of several rounds, and the table.

use std::time::Duration;

/// One figure over the rounds.
#[derive(Default)]
pub(crate) struct Figure(Vec<f64>);

impl Figure {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    pub(crate) fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn least(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn most(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }
}

/// What one run of the client saw.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    /// Messages a second.
    pub(crate) rate: f64,
    /// Half of the latencies are below, in milliseconds.
    pub(crate) p50: f64,
    /// Processor time of the server for a message, in microseconds.
    pub(crate) server: f64,
    /// The same of the client, and of the receiver where there is one.
    pub(crate) client: f64,
}

/// A share of durations in nanoseconds, as milliseconds.
pub(crate) fn quantile(nanos: &mut [u64], share: f64) -> f64 {
    if nanos.is_empty() {
        return f64::NAN;
    }
    let at = ((nanos.len() as f64 * share) as usize).min(nanos.len() - 1);
    *nanos.select_nth_unstable(at).1 as f64 / 1e6
}

/// Microseconds for each of so many.
pub(crate) fn each(time: Duration, count: u64) -> f64 {
    time.as_secs_f64() * 1e6 / count.max(1) as f64
}

/// A line of the table: what, the median, the best, the aim.
pub(crate) fn line(what: &str, median: &str, best: &str, aim: &str) {
    println!("| {what} | {median} | {best} | {aim} |");
}
