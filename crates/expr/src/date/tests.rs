//! Dates keep what they know and make nothing up.

use super::*;

fn convert(from: &str, to: &str, text: &str) -> Option<String> {
    let from = if from.is_empty() { Pattern::hl7() } else { Pattern::compile(from).unwrap() };
    Pattern::compile(to).unwrap().write(&from.read(text)?)
}

#[test]
fn hl7_dates_of_every_precision_are_read() {
    for (text, to, want) in [
        ("1980", "yyyy", Some("1980")),
        ("198003", "MM/yyyy", Some("03/1980")),
        ("19800314", "yyyy-MM-dd", Some("1980-03-14")),
        ("19800314", "yyyyMMddHHmmss", Some("19800314000000")),
        ("2026112210", "HH:mm", Some("10:00")),
        ("20261122101530.25+0100", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", Some("2026-11-22T10:15:30.250+01:00")),
        ("202611221015-0530", "HHmmXX", Some("1015-0530")),
    ] {
        assert_eq!(convert("", to, text).as_deref(), want, "{text}");
    }
}

#[test]
fn a_month_or_day_that_is_not_known_is_never_made_up() {
    assert_eq!(convert("", "yyyyMMdd", "1980"), None);
    assert_eq!(convert("", "yyyyMMdd", "198003"), None);
    assert_eq!(convert("", "HHmmXX", "20261122101530"), None, "nor is an offset");
}

#[test]
fn days_and_times_that_do_not_exist_are_refused() {
    for text in [
        "19800230",
        "20230229",
        "19001301",
        "198013",
        "1980031425",
        "198",
        "19800",
        "1980-03-14",
        "+19800314",
        "",
        "20261122101530.",
        "20261122.5",
        "20261122+01",
        "20261122+2500",
        "２０２６",
    ] {
        assert_eq!(Parts::read_hl7(text), None, "{text}");
    }
    assert!(Parts::read_hl7("20240229").is_some());
}

#[test]
fn other_forms_are_read_by_their_pattern() {
    assert_eq!(convert("dd/MM/yyyy", "yyyyMMdd", "22/11/2026").as_deref(), Some("20261122"));
    assert_eq!(convert("dd/MM/yyyy", "yyyyMMdd", "2/11/2026"), None);
    assert_eq!(convert("dd/MM/yyyy", "yyyyMMdd", "22/11/2026 "), None);
    assert_eq!(convert("yyyy'T'MM", "MM", "2026é11"), None, "no panic inside a character");
    assert_eq!(
        convert("yyyy-MM-dd'T'HH:mmXXX", "yyyyMMddHHmmXX", "2026-11-22T10:15Z").as_deref(),
        Some("202611221015+0000")
    );
}

#[test]
fn a_pattern_that_means_nothing_says_what_would() {
    for text in ["yyyyMMDD", "yy", "", "yyyy'", "hh:mm", "YYYY"] {
        let error = Pattern::compile(text).unwrap_err();
        assert!(error.remedy.contains("yyyy MM dd HH mm ss"), "{text}");
    }
}

#[test]
fn a_moment_is_written_as_clocks_show_it_in_a_zone() {
    let moment = read_timestamp("2026-07-01T23:30:00Z").unwrap();
    let paris = TimeZone::get("Europe/Paris").unwrap();
    let pattern = Pattern::compile("yyyyMMddHHmmssXX").unwrap();
    assert_eq!(pattern.write(&Parts::of(moment, &paris).unwrap()).unwrap(), "20260702013000+0200");
    assert_eq!(pattern.write(&Parts::of(moment, &TimeZone::UTC).unwrap()).unwrap(), "20260701233000+0000");
}

#[test]
fn durations_read_and_write() {
    for (text, micros) in
        [("1h30m", 5_400_000_000), ("90s", 90_000_000), ("1.5h", 5_400_000_000), ("-20ms", -20_000), ("0", 0)]
    {
        assert_eq!(read_duration(text), Some(micros), "{text}");
    }
    for text in ["", "1", "h", "1x", "1h-2m", "99999999999h", "-"] {
        assert_eq!(read_duration(text), None, "{text}");
    }
    assert_eq!(write_duration(5_400_000_000), "5400s");
    assert_eq!(write_duration(-250_000), "-0.25s");
}
