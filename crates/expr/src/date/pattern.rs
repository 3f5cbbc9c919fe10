//! Patterns: read once, used to read and to write.

use super::{Parts, number, read_offset};

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}; {remedy}")]
pub struct PatternError {
    /// What is wrong.
    pub text: String,
    /// What would be right.
    pub remedy: String,
}

/// How a date or time is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Empty for HL7's own form.
    items: Vec<Item>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Millis,
    /// `+0100`
    Offset,
    /// `+01:00`
    OffsetColon,
    Char(char),
}

/// Longest pattern: twice the longest that makes sense.
const PATTERN_CHARS_MAX: usize = 64;

const RULE: &str = "a pattern is made of yyyy MM dd HH mm ss SSS XX XXX; put other letters in single quotes";

impl Pattern {
    /// HL7's own form.
    #[must_use]
    pub const fn hl7() -> Self {
        Self { items: Vec::new() }
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// Where it holds letters that mean nothing, or nothing at all.
    pub fn compile(text: &str) -> Result<Self, PatternError> {
        let error = |text: String| Err(PatternError { text, remedy: RULE.to_owned() });
        if text.is_empty() || text.chars().count() > PATTERN_CHARS_MAX {
            return error(format!("a pattern has 1 to {PATTERN_CHARS_MAX} characters"));
        }
        let mut items = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if first == '\'' {
                let quoted = rest.get(1..).unwrap_or_default();
                let Some(end) = quoted.find('\'') else { return error("a quote is not closed".to_owned()) };
                let inside = if end == 0 { "'" } else { quoted.get(..end).unwrap_or_default() };
                items.extend(inside.chars().map(Item::Char));
                rest = quoted.get(end + 1..).unwrap_or_default();
                continue;
            }
            if !first.is_ascii_alphabetic() {
                items.push(Item::Char(first));
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
                continue;
            }
            let length = rest.chars().take_while(|c| *c == first).count();
            let run = rest.get(..length).unwrap_or_default();
            match Item::of(run) {
                Some(item) => items.push(item),
                None if run == "yy" => return error("`yy` loses the century".to_owned()),
                None => return error(format!("`{run}` means nothing in a pattern")),
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(Self { items })
    }

    /// Reads a text of this form. None where it is not, or no such day exists.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<Parts> {
        if self.items.is_empty() {
            return Parts::read_hl7(text);
        }
        let mut parts = Parts::default();
        let mut rest = text;
        for item in &self.items {
            let length = item.width(rest);
            let (taken, left) = rest.split_at_checked(length)?;
            rest = left;
            item.read(taken, &mut parts)?;
        }
        if rest.is_empty() { parts.checked() } else { None }
    }

    /// Writes a date or time in this form. None where it asks for what is not known.
    #[must_use]
    pub fn write(&self, parts: &Parts) -> Option<String> {
        let mut text = String::with_capacity(32);
        if self.items.is_empty() {
            let hl7 = [Item::Year, Item::Month, Item::Day, Item::Hour, Item::Minute, Item::Second];
            for item in hl7 {
                item.write(parts, &mut text)?;
            }
            return Some(text);
        }
        for item in &self.items {
            item.write(parts, &mut text)?;
        }
        Some(text)
    }
}

impl Item {
    fn of(run: &str) -> Option<Self> {
        Some(match run {
            "yyyy" => Self::Year,
            "MM" => Self::Month,
            "dd" => Self::Day,
            "HH" => Self::Hour,
            "mm" => Self::Minute,
            "ss" => Self::Second,
            "SSS" => Self::Millis,
            "XX" => Self::Offset,
            "XXX" => Self::OffsetColon,
            _ => return None,
        })
    }

    /// How many bytes of a text it reads.
    fn width(self, text: &str) -> usize {
        match self {
            Self::Year => 4,
            Self::Month | Self::Day | Self::Hour | Self::Minute | Self::Second => 2,
            Self::Millis => 3,
            Self::Offset | Self::OffsetColon if text.starts_with('Z') => 1,
            Self::Offset => 5,
            Self::OffsetColon => 6,
            Self::Char(c) => c.len_utf8(),
        }
    }

    fn read(self, text: &str, parts: &mut Parts) -> Option<()> {
        let small = || u8::try_from(number(text)?).ok();
        match self {
            Self::Year => parts.year = u16::try_from(number(text)?).ok()?,
            Self::Month => parts.month = Some(small()?),
            Self::Day => parts.day = Some(small()?),
            Self::Hour => parts.hour = small()?,
            Self::Minute => parts.minute = small()?,
            Self::Second => parts.second = small()?,
            Self::Millis => parts.micros = number(text)? * 1_000,
            Self::Offset | Self::OffsetColon => parts.offset = Some(if text == "Z" { 0 } else { read_offset(text)? }),
            Self::Char(c) => return text.starts_with(c).then_some(()),
        }
        Some(())
    }

    fn write(self, parts: &Parts, text: &mut String) -> Option<()> {
        let (width, value) = match self {
            Self::Year => (4, u32::from(parts.year)),
            Self::Month => (2, u32::from(parts.month?)),
            Self::Day => (2, u32::from(parts.day?)),
            Self::Hour => (2, u32::from(parts.hour)),
            Self::Minute => (2, u32::from(parts.minute)),
            Self::Second => (2, u32::from(parts.second)),
            Self::Millis => (3, parts.micros / 1_000),
            Self::Offset | Self::OffsetColon => {
                let offset = parts.offset?;
                text.push(if offset < 0 { '-' } else { '+' });
                let (hours, minutes) = (offset.unsigned_abs() / 60, offset.unsigned_abs() % 60);
                push_digits(text, 2, u32::from(hours));
                if self == Self::OffsetColon {
                    text.push(':');
                }
                (2, u32::from(minutes))
            }
            Self::Char(c) => {
                text.push(c);
                return Some(());
            }
        };
        push_digits(text, width, value);
        Some(())
    }
}

fn push_digits(text: &mut String, width: u32, value: u32) {
    for place in (0..width).rev() {
        text.push(char::from_digit(value / 10_u32.pow(place) % 10, 10).unwrap_or('0'));
    }
}
