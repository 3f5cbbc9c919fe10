//! The circuit of a destination: after a transport failure nothing is sent until the back-off ends, then one message
//! tries; when it gets through, all may.

use std::time::Duration;

use barid_model::Timestamp;

/// Doublings after which the pause grows no more, whatever its bound.
const DOUBLINGS_MAX: u32 = 20;

/// Whether and when the destination may be tried.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    opens_at: Option<Timestamp>,
}

impl Circuit {
    /// How many may be on their way now.
    pub(super) fn allows(&self, connections: usize, now: Timestamp) -> usize {
        match self.opens_at {
            Some(at) if now < at => 0,
            _ if self.failures > 0 => 1,
            _ => connections,
        }
    }

    /// When it may be tried again.
    pub(super) const fn opens_at(&self) -> Option<Timestamp> {
        self.opens_at
    }

    /// Failures in a row.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// The destination answered.
    pub(super) const fn closed(&mut self) {
        self.failures = 0;
        self.opens_at = None;
    }

    /// It could not be reached; `pause` is for the number of failures before this one.
    pub(super) fn failed(&mut self, now: Timestamp, pause: impl FnOnce(u32) -> Duration) {
        self.opens_at = Some(now.plus(pause(self.failures)));
        self.failures = self.failures.saturating_add(1);
    }

    /// The wait is over: one may try.
    pub(super) fn elapse(&mut self, now: Timestamp) {
        if self.opens_at.is_some_and(|at| at <= now) {
            self.opens_at = None;
        }
    }
}

/// Exponential back-off with up to a quarter of jitter, which follows from `seed` so that a simulation repeats itself.
pub(super) fn pause(initial: Duration, max: Duration, tries: u32, seed: u64) -> Duration {
    let doubled = initial.saturating_mul(1 << tries.min(DOUBLINGS_MAX)).min(max);
    let spread = u64::try_from(doubled.as_millis() / 4).unwrap_or(u64::MAX);
    let jitter = if spread == 0 { 0 } else { seed % spread };
    doubled.saturating_sub(Duration::from_millis(jitter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_bound_and_jitter_only_shortens_it() {
        let (initial, max) = (Duration::from_secs(1), Duration::from_secs(60));
        for tries in 0..40 {
            let full = initial.saturating_mul(1 << tries.min(20)).min(max);
            for seed in [0, 7, u64::MAX] {
                let pause = pause(initial, max, tries, seed);
                assert!(pause <= full && pause >= full * 3 / 4, "{tries} {seed} {pause:?}");
            }
        }
    }

    #[test]
    fn after_a_failure_one_message_tries_and_success_lets_all_go() {
        let mut circuit = Circuit::default();
        let at = Timestamp::from_millis;
        assert_eq!(circuit.allows(16, at(0)), 16);
        circuit.failed(at(0), |_| Duration::from_secs(1));
        assert_eq!(circuit.allows(16, at(999)), 0);
        circuit.elapse(at(1_000));
        assert_eq!(circuit.allows(16, at(1_000)), 1);
        circuit.closed();
        assert_eq!(circuit.allows(16, at(1_000)), 16);
    }
}
