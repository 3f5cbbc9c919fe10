//! Times as text: RFC 3339 in UTC wherever a machine reads them, the machine's own time zone and rough durations where a person does.
//!
//! The time zone is the environment's, so it is read here and nowhere else; what a mapping sees is never in it.

use std::time::Duration;

use barid_model::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serializer};

/// RFC 3339 in UTC with microseconds, such as `2026-11-22T10:00:00.000000Z`.
#[must_use]
pub fn format(at: Timestamp) -> String {
    match jiff::Timestamp::from_microsecond(at.micros()) {
        Ok(time) => format!("{time:.6}"),
        Err(_) => format!("{} us", at.micros()),
    }
}

/// Reads RFC 3339; none where it is not.
#[must_use]
pub fn read(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp::from_micros(time.as_microsecond()))
}

/// For people: in the machine's time zone, to the millisecond, such as `2026-11-22 10:00:00.123`.
#[must_use]
pub fn local(at: Timestamp) -> String {
    match jiff::Timestamp::from_microsecond(at.micros()) {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        Err(_) => format!("{} us", at.micros()),
    }
}

/// Reads a time as a person writes it: `90s`, `15m`, `2h`, `3d` or `2w` before `now`, `today`, `yesterday`, `now`, RFC 3339, or date and time in the
/// machine's time zone (`2026-11-22`, `2026-11-22 10:00`). None where it is none of these.
#[must_use]
pub fn read_human(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if let Some(ago) = read_duration(text) {
        return Some(now.minus(ago));
    }
    if let Some(at) = read(text) {
        return Some(at);
    }
    let zone = TimeZone::system();
    let today = || jiff::Timestamp::from_microsecond(now.micros()).ok().map(|now| now.to_zoned(zone.clone()).date());
    let civil = match text {
        "now" => return Some(now),
        "today" => today()?.to_datetime(jiff::civil::Time::midnight()),
        "yesterday" => today()?.yesterday().ok()?.to_datetime(jiff::civil::Time::midnight()),
        _ => text.parse::<jiff::civil::DateTime>().ok()?,
    };
    civil.to_zoned(zone).ok().map(|time| Timestamp::from_micros(time.timestamp().as_microsecond()))
}

/// Reads `250ms`, `90s`, `15m`, `2h`, `3d` or `2w`; none where it is not such a duration.
#[must_use]
pub fn read_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let number: f64 = number.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

/// A duration as people say it, in its two largest units: `3 d 4 h`, `12 m 5 s`, `8.2 s`, `15 ms`.
#[must_use]
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.as_millis() > 0 => format!("{} ms", duration.as_millis()),
        0 => format!("{} us", duration.as_micros()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3_600 => format!("{} m {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Writes a time as RFC 3339; for `serde(with)`.
///
/// # Errors
/// As the serializer.
pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*at))
}

/// Reads a time from RFC 3339; for `serde(with)`.
///
/// # Errors
/// Where the text is no such time.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    read(&text).ok_or_else(|| serde::de::Error::custom("not a time such as 2026-11-22T10:00:00Z"))
}

/// The same for a time that may be absent.
pub mod option {
    use super::{Deserialize, Deserializer, Serializer, Timestamp};

    /// Writes a time as RFC 3339 or null; for `serde(with)`.
    ///
    /// # Errors
    /// As the serializer.
    pub fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => serializer.serialize_str(&super::format(*at)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a time from RFC 3339 or null; for `serde(with)`.
    ///
    /// # Errors
    /// Where the text is no such time.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| {
            super::read(&text).ok_or_else(|| serde::de::Error::custom("not a time such as 2026-11-22T10:00:00Z"))
        })
        .transpose()
    }
}

#[cfg(test)]
mod tests;
