//! What came of it: every message once, under what became of it.

use std::collections::BTreeMap;
use std::time::Duration;

use barid_testkit::sender::Latencies;
use bytes::Bytes;
use serde_json::{Value as Json, json};

/// Most answers kept for showing.
pub const ANSWERS_MAX: usize = 1_000;
/// Most different troubles named; a run against a dead host has one, a thousand times.
const TROUBLES_MAX: usize = 20;
/// The quantiles that are printed.
pub const QUANTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)];

/// What became of the messages.
#[derive(Debug, Default)]
pub struct Report {
    /// Messages written to a connection.
    pub sent: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Answers by code: `AA`, `AE`, `CA`; for HTTP with the status, such as `200 AA`.
    pub answers: BTreeMap<String, u64>,
    /// Positive answers.
    pub accepted: u64,
    /// Negative answers.
    pub refused: u64,
    /// Messages sent whose answer never came.
    pub unanswered: u64,
    /// Answers that named another message, or none.
    pub mismatched: u64,
    /// Messages never sent: no connection.
    pub unsent: u64,
    /// Connections opened.
    pub connections: u64,
    /// What went wrong, with how often.
    pub troubles: BTreeMap<String, u64>,
    /// From due (or sent, without a rate) to answered.
    pub latency: Latencies,
    /// How long it all took.
    pub elapsed: Duration,
    /// The first answers, where they were to be kept.
    pub kept: Vec<Bytes>,
}

impl Report {
    pub(super) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.bytes += other.bytes;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.mismatched += other.mismatched;
        self.unsent += other.unsent;
        self.connections += other.connections;
        for (code, count) in other.answers {
            *self.answers.entry(code).or_default() += count;
        }
        for (text, count) in other.troubles {
            self.troubles_of(text, count);
        }
        self.latency.add(&other.latency);
        let room = ANSWERS_MAX.saturating_sub(self.kept.len());
        self.kept.extend(other.kept.into_iter().take(room));
    }

    /// One answer.
    pub(super) fn answered(&mut self, code: &str, positive: bool, latency: Duration) {
        *self.answers.entry(code.to_owned()).or_default() += 1;
        if positive {
            self.accepted += 1;
        } else {
            self.refused += 1;
        }
        self.latency.record(latency);
    }

    /// Something that went wrong, without data of a message.
    pub(super) fn trouble(&mut self, text: String) {
        self.troubles_of(text, 1);
    }

    fn troubles_of(&mut self, text: String, count: u64) {
        let known = self.troubles.contains_key(&text) || self.troubles.len() < TROUBLES_MAX;
        let key = if known { text } else { "others".to_owned() };
        *self.troubles.entry(key).or_default() += count;
    }

    pub(super) fn count_unsent(&mut self, never_taken: u64) {
        self.unsent += never_taken;
    }

    /// Whether every message was accepted.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.refused == 0 && self.unanswered == 0 && self.mismatched == 0 && self.unsent == 0
    }

    /// Answers a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        (self.accepted + self.refused) as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// For machines.
    #[must_use]
    pub fn json(&self) -> Json {
        // Of none there is no latency, not one of nothing.
        let some = self.latency.count() > 0;
        let millis = |duration: Duration| some.then_some(duration.as_secs_f64() * 1_000.0);
        let mut latency: serde_json::Map<String, Json> = QUANTILES
            .iter()
            .map(|(name, share)| ((*name).to_owned(), json!(millis(self.latency.at(*share)))))
            .collect();
        latency.insert("mean".to_owned(), json!(millis(self.latency.mean())));
        latency.insert("max".to_owned(), json!(millis(self.latency.max())));
        json!({
            "sent": self.sent,
            "bytes": self.bytes,
            "accepted": self.accepted,
            "refused": self.refused,
            "unanswered": self.unanswered,
            "mismatched": self.mismatched,
            "unsent": self.unsent,
            "answers": self.answers,
            "connections": self.connections,
            "troubles": self.troubles,
            "elapsedMs": self.elapsed.as_secs_f64() * 1_000.0,
            "perSecond": self.per_second(),
            "latencyMs": latency,
        })
    }
}
