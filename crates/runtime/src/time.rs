//! Times as text: RFC 3339 in UTC wherever a machine reads them, and the same in every `--json` and control answer.

use barid_model::Timestamp;
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
