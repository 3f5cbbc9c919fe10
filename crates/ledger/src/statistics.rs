//! Counts and latencies of a window, computed from the rows when asked.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use barid_model::{Name, Timestamp};
use serde::{Deserialize, Serialize};

use crate::State;

/// Most messages looked at for one answer: a few seconds of work. The newest of the window are taken.
pub const SAMPLE_MAX: usize = 1_000_000;

/// What happened in a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// The beginning of what was counted: later than asked where there was too much.
    pub from: Timestamp,
    /// The end of the window.
    pub to: Timestamp,
    /// Whether the whole window was counted.
    pub complete: bool,
    /// Messages not accepted, of those that are kept.
    pub refused: u64,
    /// By channel; none for messages that matched no channel.
    pub channels: Vec<ChannelCounts>,
    /// By destination; none for routes to channels.
    pub destinations: Vec<DestinationCounts>,
    /// By facility.
    pub facilities: Vec<FacilityCounts>,
}

/// The messages of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelCounts {
    /// The channel.
    pub channel: Option<Name>,
    /// Messages accepted.
    pub accepted: u64,
    /// Routed ones.
    pub routed: u64,
    /// Duplicates.
    pub duplicate: u64,
    /// Set aside before routing.
    pub quarantined: u64,
    /// Not yet routed.
    pub not_yet_routed: u64,
}

/// The deliveries to a destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DestinationCounts {
    /// The destination.
    pub destination: Option<Name>,
    /// By state.
    pub states: BTreeMap<State, u64>,
    /// Tries of all of them.
    pub attempts: u64,
    /// From the message's last byte to the record of its delivery.
    pub latency: Option<Latency>,
}

/// How long it took, in microseconds, each within 4 % (the largest is exact).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// Half of them took at most this long.
    pub p50: u64,
    /// 90 % took at most this long.
    pub p90: u64,
    /// 99 % took at most this long.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

/// The messages of a facility.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FacilityCounts {
    /// The facility.
    pub facility: String,
    /// Messages accepted.
    pub accepted: u64,
    /// The time of the last one.
    pub last: Timestamp,
}

/// When a facility last sent a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FacilitySeen {
    /// The facility.
    pub facility: String,
    /// When its last message was received. A replay, a chained or an edited message does not count.
    pub last: Timestamp,
}

/// Steps within each doubling of the time: a step is at most 4 % wide.
const STEPS: u64 = 32;
/// `log2(STEPS)`.
const STEP_BITS: u32 = 5;

/// Durations in steps that grow with them: two thousand counters hold a microsecond and a year alike.
#[derive(Debug, Default)]
pub struct Durations {
    counts: BTreeMap<u64, u64>,
    total: u64,
    max: u64,
}

impl Durations {
    /// Counts one.
    pub fn add(&mut self, micros: u64) {
        *self.counts.entry(step(micros)).or_default() += 1;
        self.total += 1;
        self.max = self.max.max(micros);
    }

    /// What they say together; nothing where there is none.
    pub fn latency(&self) -> Option<Latency> {
        (self.total > 0).then(|| Latency { p50: self.at(50), p90: self.at(90), p99: self.at(99), max: self.max })
    }

    fn at(&self, percent: u64) -> u64 {
        let wanted = (self.total * percent).div_ceil(100);
        let mut seen = 0;
        for (step, count) in &self.counts {
            seen += count;
            if seen >= wanted {
                return upper(*step).min(self.max);
            }
        }
        self.max
    }
}

fn step(micros: u64) -> u64 {
    let exponent = (micros | STEPS).ilog2() - STEP_BITS;
    u64::from(exponent) * STEPS + (micros >> exponent)
}

/// The largest duration of a step.
fn upper(step: u64) -> u64 {
    let exponent = (step / STEPS).saturating_sub(1);
    let mantissa = step - exponent * STEPS;
    ((mantissa + 1) << exponent) - 1
}
