use std::time::Duration;

use barid_config::document::Hours;
use barid_model::Timestamp;

use super::within;

fn time(text: &str) -> Timestamp {
    barid_runtime::time::read(text).unwrap()
}

fn silent(hours: &str, zone: &str, since: &str, now: &str) -> Duration {
    within(Hours::read(hours).unwrap(), zone, time(since), time(now))
}

#[test]
fn a_night_in_which_nobody_works_is_no_silence() {
    let night = silent("07:00-19:00", "UTC", "2026-11-22T18:50:00Z", "2026-11-23T07:05:00Z");
    assert_eq!(night, Duration::from_secs(15 * 60));
}

#[test]
fn the_hours_are_those_of_the_facility() {
    // 07:00 in Cairo is 05:00 UTC in winter.
    let morning = silent("07:00-19:00", "Africa/Cairo", "2026-11-22T20:00:00Z", "2026-11-23T06:00:00Z");
    assert_eq!(morning, Duration::from_secs(3_600));
}

#[test]
fn days_of_silence_add_up_and_hours_may_go_over_midnight() {
    let days = silent("08:00-10:00", "UTC", "2026-11-20T09:00:00Z", "2026-11-23T08:30:00Z");
    assert_eq!(days, Duration::from_secs((60 + 120 + 120 + 30) * 60));
    let night = silent("22:00-02:00", "UTC", "2026-11-22T23:00:00Z", "2026-11-23T01:30:00Z");
    assert_eq!(night, Duration::from_secs(150 * 60));
}
