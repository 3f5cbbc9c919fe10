//! Time never panics, whatever a clock says.

use std::time::Duration;

use super::*;

#[test]
fn a_clock_that_stepped_back_gives_no_negative_duration() {
    let (early, late) = (Timestamp::from_millis(1_000), Timestamp::from_millis(1_250));
    assert_eq!(late.since(early), Duration::from_millis(250));
    assert_eq!(early.since(late), Duration::ZERO);
    assert_eq!(Timestamp::from_micros(i64::MIN).since(Timestamp::from_micros(i64::MAX)), Duration::ZERO);
}

#[test]
fn arithmetic_ends_at_the_ends_of_time() {
    assert_eq!(Timestamp::from_micros(i64::MAX).plus(Duration::from_secs(1)).micros(), i64::MAX);
    assert_eq!(Timestamp::from_micros(i64::MIN).minus(Duration::MAX).micros(), i64::MIN);
    assert_eq!(Timestamp::from_millis(i64::MAX).micros(), i64::MAX);
}

#[test]
fn milliseconds_before_the_epoch_round_down() {
    assert_eq!(Timestamp::from_micros(-1).millis(), -1);
    assert_eq!(Timestamp::from_micros(1_999).millis(), 1);
}

#[test]
fn a_manual_clock_moves_only_when_told() {
    let clock = ManualClock::at(Timestamp::from_millis(5));
    assert_eq!(clock.now(), clock.now());
    clock.advance(Duration::from_millis(7));
    assert_eq!(clock.now(), Timestamp::from_millis(12));
}
