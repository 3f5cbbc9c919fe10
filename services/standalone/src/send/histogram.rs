//! Latencies in buckets: about 3 % wide, so that a run of hours has the size of a run of seconds.

use std::time::Duration;

/// Buckets per doubling: 32 make them 3 % wide.
const FINE_BITS: u32 = 5;
/// Buckets in all: enough for 2^40 microseconds, twelve days.
const BUCKETS: usize = 36 << FINE_BITS;

/// A count of durations.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum: Duration,
    max: Duration,
    min: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, sum: Duration::ZERO, max: Duration::ZERO, min: Duration::MAX }
    }
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket(micros).min(BUCKETS - 1)) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum += duration;
        self.max = self.max.max(duration);
        self.min = self.min.min(duration);
    }

    /// Adds all of another.
    pub fn add(&mut self, other: &Self) {
        for (to, from) in self.buckets.iter_mut().zip(&other.buckets) {
            *to += from;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
        self.min = self.min.min(other.min);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The duration that this share (0 to 1) of them is not above; none where nothing was counted.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        if self.count == 0 {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of messages fits"
        )]
        let rank = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        for (place, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(Duration::from_micros(upper(place)).clamp(self.min, self.max));
            }
        }
        Some(self.max)
    }

    /// The longest; none where nothing was counted.
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.max)
    }

    /// The mean; none where nothing was counted.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        (self.count > 0).then(|| Duration::from_secs_f64(self.sum.as_secs_f64() / self.count.max(1) as f64))
    }
}

/// Small values have a bucket each; above, each doubling has 32.
fn bucket(micros: u64) -> usize {
    let bits = u64::BITS - micros.leading_zeros();
    let shift = bits.saturating_sub(FINE_BITS + 1);
    ((u64::from(shift) << FINE_BITS) + (micros >> shift)) as usize
}

/// The largest value of a bucket.
fn upper(place: usize) -> u64 {
    let place = place as u64;
    let shift = (place >> FINE_BITS).saturating_sub(1);
    let base = place - (shift << FINE_BITS);
    ((base + 1) << shift) - 1
}
