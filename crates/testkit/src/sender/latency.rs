//! Latencies in buckets that are 3 % wide at most, from a microsecond to an hour: 18 kB, whatever the count.

use std::time::Duration;

/// Buckets in each doubling.
const STEPS: u64 = 32;
/// Doublings above the first [`STEPS`] microseconds.
const DOUBLINGS: u64 = 32;

/// A distribution of latencies.
#[derive(Debug, Clone)]
pub struct Latencies {
    buckets: Vec<u64>,
    count: u64,
    sum: u128,
    max: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        let size = usize::try_from(STEPS * (DOUBLINGS + 1)).unwrap_or(usize::MAX);
        Self { buckets: vec![0; size], count: 0, sum: 0, max: 0 }
    }
}

impl Latencies {
    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bucket = bucket(micros).min(self.buckets.len().saturating_sub(1));
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
        self.count += 1;
        self.sum += u128::from(micros);
        self.max = self.max.max(micros);
    }

    /// Takes in another distribution.
    pub fn add(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(ours, theirs)| *ours += theirs);
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The latency that this share of all did not exceed, 0 to 1; zero where nothing was counted.
    #[must_use]
    pub fn at(&self, share: f64) -> Duration {
        let wanted = ((self.count as f64) * share.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            // The last bucket is open to above.
            if seen >= wanted && bucket + 1 < self.buckets.len() {
                return Duration::from_micros(upper(bucket as u64).min(self.max));
            }
        }
        self.max()
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.max)
    }

    /// The mean; zero where nothing was counted.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let mean = self.sum.checked_div(u128::from(self.count)).unwrap_or(0);
        Duration::from_micros(u64::try_from(mean).unwrap_or(u64::MAX))
    }
}

/// Exact below [`STEPS`] microseconds, then [`STEPS`] buckets for each doubling.
fn bucket(micros: u64) -> usize {
    if micros < STEPS {
        return usize::try_from(micros).unwrap_or(usize::MAX);
    }
    let doubling = u64::from(micros.ilog2() - STEPS.ilog2());
    let step = (micros >> doubling) - STEPS;
    usize::try_from(STEPS * (doubling + 1) + step).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn upper(bucket: u64) -> u64 {
    if bucket < STEPS {
        return bucket;
    }
    let (doubling, step) = (bucket / STEPS - 1, bucket % STEPS);
    ((STEPS + step + 1) << doubling) - 1
}
