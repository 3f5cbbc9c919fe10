//! Dates and times as messages write them: HL7's own form, and patterns made of `yyyy MM dd HH mm ss SSS XX XXX`.
//!
//! HL7 dates have a precision (`1980` is a year, not a first of January), so what was read keeps what it does not know:
//! a pattern that asks for an unknown month or day gets nothing, since a made-up birthday is worse than none. A time of
//! day that is not known is written as zero. Nothing is converted between zones unless a zone is named.

mod pattern;
#[cfg(test)]
mod tests;

use barid_model::Timestamp;
use jiff::tz::TimeZone;

pub use pattern::{Pattern, PatternError};

/// A date or time, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts {
    year: u16,
    month: Option<u8>,
    day: Option<u8>,
    hour: u8,
    minute: u8,
    second: u8,
    micros: u32,
    /// Minutes east of UTC.
    offset: Option<i16>,
}

impl Parts {
    /// Reads HL7's own form, `yyyy[MM[dd[HH[mm[ss[.S[S[S[S]]]]]]]]][+0100]`. None where it is anything else.
    #[must_use]
    pub fn read_hl7(text: &str) -> Option<Self> {
        let (body, offset) = match text.find(['+', '-']) {
            Some(at) => (text.get(..at)?, Some(read_offset(text.get(at..)?)?)),
            None => (text, None),
        };
        let (digits, fraction) = match body.split_once('.') {
            Some((digits, fraction)) => (digits, Some(fraction)),
            None => (body, None),
        };
        if !digits.is_ascii() || !matches!(digits.len(), 4 | 6 | 8 | 10 | 12 | 14) {
            return None;
        }
        // None: not a number; `Some(None)`: the text ends before it.
        let part = |from: usize| match digits.get(from..from + 2) {
            None => Some(None),
            Some(text) => number(text).and_then(|value| u8::try_from(value).ok()).map(Some),
        };
        let micros = match fraction {
            None => 0,
            Some(_) if digits.len() != 14 => return None,
            Some(fraction) => read_fraction(fraction)?,
        };
        Self {
            year: u16::try_from(number(digits.get(..4)?)?).ok()?,
            month: part(4)?,
            day: part(6)?,
            hour: part(8)?.unwrap_or(0),
            minute: part(10)?.unwrap_or(0),
            second: part(12)?.unwrap_or(0),
            micros,
            offset,
        }
        .checked()
    }

    /// A moment as clocks show it in a zone.
    #[must_use]
    pub fn of(moment: Timestamp, zone: &TimeZone) -> Option<Self> {
        let zoned = jiff::Timestamp::from_microsecond(moment.micros()).ok()?.to_zoned(zone.clone());
        let part = |value: i8| u8::try_from(value).ok();
        Some(Self {
            year: u16::try_from(zoned.year()).ok()?,
            month: Some(part(zoned.month())?),
            day: Some(part(zoned.day())?),
            hour: part(zoned.hour())?,
            minute: part(zoned.minute())?,
            second: part(zoned.second())?,
            micros: u32::try_from(zoned.subsec_nanosecond() / 1_000).ok()?,
            offset: i16::try_from(zoned.offset().seconds() / 60).ok(),
        })
    }

    /// The same, if such a day and time exist.
    fn checked(self) -> Option<Self> {
        let month_days = match self.month {
            None if self.day.is_some() => return None,
            None => 31,
            Some(2)
                if self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400)) =>
            {
                29
            }
            Some(2) => 28,
            Some(4 | 6 | 9 | 11) => 30,
            Some(1..=12) => 31,
            Some(_) => return None,
        };
        let day = self.day.is_none_or(|day| (1..=month_days).contains(&day));
        (day && self.hour < 24 && self.minute < 60 && self.second < 60).then_some(self)
    }
}

/// Digits only: `parse` would take a sign.
fn number(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) { None } else { text.parse().ok() }
}

/// Up to six digits after the point, as microseconds.
fn read_fraction(text: &str) -> Option<u32> {
    let digits = u32::try_from(text.len()).ok().filter(|digits| (1..=6).contains(digits))?;
    Some(number(text)? * 10_u32.pow(6 - digits))
}

/// `+0100` or `-05:30` as minutes.
fn read_offset(text: &str) -> Option<i16> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.len() {
        4 => digits.split_at_checked(2)?,
        5 => digits.split_once(':').filter(|(hours, _)| hours.len() == 2)?,
        _ => return None,
    };
    let (hours, minutes) = (i16::try_from(number(hours)?).ok()?, i16::try_from(number(minutes)?).ok()?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// Reads ISO 8601 with an offset, such as `2026-11-22T10:00:00Z`.
pub(crate) fn read_timestamp(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|moment| Timestamp::from_micros(moment.as_microsecond()))
}

/// Writes ISO 8601 in UTC.
pub(crate) fn write_timestamp(moment: Timestamp) -> Option<String> {
    jiff::Timestamp::from_microsecond(moment.micros()).ok().map(|moment| moment.to_string())
}

/// Reads `1h30m`, `90s`, `1.5h`, `-20ms` as microseconds.
pub(crate) fn read_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    let empty = rest.is_empty();
    let mut micros = 0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let value: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let units = [("ms", 1e3), ("us", 1.0), ("ns", 1e-3), ("h", 3.6e9), ("m", 6e7), ("s", 1e6)];
        let (unit, factor) = units.into_iter().find(|(unit, _)| rest.starts_with(unit))?;
        micros += value * factor;
        rest = rest.get(unit.len()..)?;
    }
    // 2^53 microseconds are 285 years: below it a float holds each one exactly.
    let whole = micros.round();
    if empty || whole > 9.0e15 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the line above")]
    let value = whole as i64;
    Some(if negative { -value } else { value })
}

/// Writes a span as seconds, CEL's form: `5400s`, `0.25s`.
pub(crate) fn write_duration(micros: i64) -> String {
    let (sign, size) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    let (seconds, fraction) = (size / 1_000_000, size % 1_000_000);
    if fraction == 0 {
        return format!("{sign}{seconds}s");
    }
    let digits = format!("{fraction:06}");
    format!("{sign}{seconds}.{}s", digits.trim_end_matches('0'))
}
