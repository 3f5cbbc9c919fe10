//! How much memory each process has over a run, and how fast it grows.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// Below this a growth is not told: what a process takes at its start is no growth.
const SHORTEST: Duration = Duration::from_secs(60);

#[derive(Default)]
struct One {
    first: u64,
    peak: u64,
    /// Since it was started last.
    samples: Vec<(Instant, u64)>,
}

/// What was seen of all of them.
#[derive(Default)]
pub(super) struct Memory(BTreeMap<String, One>);

impl Memory {
    /// What each has now.
    pub(super) fn seen(&mut self, resident: Vec<(String, u64)>) {
        let now = Instant::now();
        for (name, bytes) in resident {
            let one = self.0.entry(name).or_insert_with(|| One { first: bytes, ..One::default() });
            one.peak = one.peak.max(bytes);
            // Less by half is another process by the same name.
            if one.samples.last().is_some_and(|(_, before)| bytes < before / 2) {
                one.samples.clear();
            }
            one.samples.push((now, bytes));
        }
    }
}

impl One {
    /// Bytes a minute, by the line through the later half of what was seen since its last start.
    fn growth(&self) -> Option<f64> {
        let later = self.samples.get(self.samples.len() / 2..)?;
        let (begun, ended) = (later.first()?.0, later.last()?.0);
        if ended.duration_since(begun) < SHORTEST / 2 {
            return None;
        }
        let points: Vec<(f64, f64)> =
            later.iter().map(|(at, bytes)| (at.duration_since(begun).as_secs_f64() / 60.0, *bytes as f64)).collect();
        let count = points.len() as f64;
        let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
        let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), point| {
            (above + (point.0 - x) * (point.1 - y), below + (point.0 - x).powi(2))
        });
        Some(above / below)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes >> 20;
        writeln!(f, "{:<22} {:>8} {:>8} {:>8} {:>14}", "memory, MiB", "first", "peak", "last", "growth a minute")?;
        for (name, one) in &self.0 {
            let last = one.samples.last().map_or(0, |(_, bytes)| *bytes);
            let growth = one.growth().map_or("-".to_owned(), |bytes| format!("{:+.1}", bytes / f64::from(1 << 20)));
            writeln!(f, "{name:<22} {:>8} {:>8} {:>8} {growth:>14}", mib(one.first), mib(one.peak), mib(last))?;
        }
        Ok(())
    }
}
