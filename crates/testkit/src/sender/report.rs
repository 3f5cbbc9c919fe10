//! What a run of the sender came to.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Done, Latencies};

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Messages that ended, by the code of their last answer; the empty code: no answer.
    pub codes: BTreeMap<String, u64>,
    /// Messages whose custody the receiver took.
    pub accepted: u64,
    /// Messages that were sent more than once.
    pub resent: u64,
    /// Bytes of messages sent, repeats included.
    pub bytes: u64,
    /// Answers that no message waited for.
    pub unexpected: u64,
    /// What went wrong with connections, and how often.
    pub failures: BTreeMap<String, u64>,
    /// From due (with a rate) or first sent to accepted.
    pub latencies: Latencies,
    /// From start to end.
    pub elapsed: Duration,
}

/// Most different texts of failures that are told apart.
const FAILURES_MAX: usize = 32;

impl Report {
    /// Messages that ended, accepted or not.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.codes.values().sum()
    }

    /// Accepted messages a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.accepted as f64 / seconds } else { 0.0 }
    }

    pub(super) fn ended(&mut self, done: &Done, due: Duration) {
        *self.codes.entry(done.code.clone()).or_default() += 1;
        self.resent += u64::from(done.attempts > 1);
        if done.is_accepted {
            self.accepted += 1;
            self.latencies.record(done.answered.unwrap_or_default().saturating_sub(due));
        }
    }

    pub(super) fn failed(&mut self, text: &str) {
        if self.failures.len() < FAILURES_MAX || self.failures.contains_key(text) {
            *self.failures.entry(text.to_owned()).or_default() += 1;
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        for (code, count) in other.codes {
            *self.codes.entry(code).or_default() += count;
        }
        for (text, count) in other.failures {
            *self.failures.entry(text).or_default() += count;
        }
        self.accepted += other.accepted;
        self.resent += other.resent;
        self.bytes += other.bytes;
        self.unexpected += other.unexpected;
        self.latencies.add(&other.latencies);
    }
}
