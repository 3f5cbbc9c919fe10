use std::time::Duration;

use barid_model::Timestamp;

use super::{format, human, local, read, read_duration, read_human};

const NOON: Timestamp = Timestamp::from_micros(1_795_348_800_000_000);

#[test]
fn a_time_written_for_machines_is_utc_and_reads_back() {
    let at = Timestamp::from_micros(1_700_000_000_123_456);
    assert_eq!(format(at), "2023-11-14T22:13:20.123456Z");
    assert_eq!(read(&format(at)), Some(at));
    assert_eq!(read("2023-11-14T22:13:20.123456+01:00"), Some(Timestamp::from_micros(at.micros() - 3_600_000_000)));
    assert_eq!(read("yesterday"), None);
}

#[test]
fn a_person_may_say_how_long_ago_or_when() {
    assert_eq!(read_human("2h", NOON), Some(NOON.minus(Duration::from_secs(7_200))));
    assert_eq!(read_human("1.5d", NOON), Some(NOON.minus(Duration::from_secs(129_600))));
    assert_eq!(read_human(" now ", NOON), Some(NOON));
    assert_eq!(read_human("2026-11-22T10:00:00Z", NOON), read("2026-11-22T10:00:00Z"));
    let midnight = read_human("2026-11-22", NOON).unwrap();
    assert!(local(midnight).starts_with("2026-11-22 00:00:00"), "{}", local(midnight));
    assert_eq!(read_human("2026-11-22 10:30", NOON), Some(midnight.plus(Duration::from_secs(37_800))));
    let (today, yesterday) = (read_human("today", NOON).unwrap(), read_human("yesterday", NOON).unwrap());
    assert!(today <= NOON && yesterday < today);
}

#[test]
fn what_is_no_time_is_not_guessed() {
    for text in
        ["", "2", "h", "-1h", "2 fortnights", "tomorrow-ish", "2026-13-01", "infd", "NaNs", "99999999999999999999d"]
    {
        assert_eq!(read_human(text, NOON), None, "{text}");
    }
    assert_eq!(read_duration("250ms"), Some(Duration::from_millis(250)));
}

#[test]
fn a_duration_is_said_in_its_two_largest_units() {
    let said: Vec<String> =
        [0.000_2, 0.015, 8.25, 725.0, 7_260.0, 277_200.0].map(|s| human(Duration::from_secs_f64(s))).into();
    assert_eq!(said, ["200 us", "15 ms", "8.2 s", "12 m 5 s", "2 h 1 m", "3 d 5 h"]);
}
