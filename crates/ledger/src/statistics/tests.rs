//! Percentiles are close enough to be told to people.

use super::*;

#[test]
fn percentiles_are_within_four_percent_of_the_truth() {
    let mut durations = Durations::default();
    for micros in 1..=100_000_u64 {
        durations.add(micros);
    }
    let latency = durations.latency().unwrap();
    for (got, want) in [(latency.p50, 50_000), (latency.p90, 90_000), (latency.p99, 99_000)] {
        assert!(got >= want && got <= want + want / 25, "{got} for {want}");
    }
    assert_eq!(latency.max, 100_000);
}

#[test]
fn every_duration_lies_in_its_own_step() {
    for micros in (0..2_000).chain([1 << 20, (1 << 20) + 1, u64::MAX >> 8]) {
        let step = step(micros);
        assert!(upper(step) >= micros);
        assert!(step == 0 || upper(step - 1) < micros, "{micros}");
    }
}

#[test]
fn no_durations_have_no_percentiles() {
    assert_eq!(Durations::default().latency(), None);
}
