//! Cutting texts by characters, borrowing where the text is borrowed.

use std::borrow::Cow;

use crate::error::Failure;
use crate::value::Value;

/// A byte range of a text, borrowed if the text is.
fn range(text: Cow<'_, str>, start: usize, end: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(start..end).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(start..end).unwrap_or_default().to_owned()),
    }
}

/// The text up to one byte, and from another on.
pub(super) fn cut(text: Cow<'_, str>, end: usize, next: usize) -> (Cow<'_, str>, Cow<'_, str>) {
    match text {
        Cow::Borrowed(text) => {
            (Cow::Borrowed(text.get(..end).unwrap_or_default()), Cow::Borrowed(text.get(next..).unwrap_or_default()))
        }
        Cow::Owned(text) => (
            Cow::Owned(text.get(..end).unwrap_or_default().to_owned()),
            Cow::Owned(text.get(next..).unwrap_or_default().to_owned()),
        ),
    }
}

/// Where the first part ends and the rest begins; an empty separator cuts between characters.
pub(super) fn first_cut(text: &str, separator: &str) -> Option<(usize, usize)> {
    if separator.is_empty() {
        let first = text.chars().next()?.len_utf8();
        return (first < text.len()).then_some((first, first));
    }
    text.find(separator).map(|at| (at, at + separator.len()))
}

pub(super) fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    let start = text.len() - text.trim_start().len();
    let end = start + text.trim().len();
    if start == 0 && end == text.len() { text } else { range(text, start, end) }
}

/// A byte position as a character position, -1 for none.
pub(super) fn position(text: &str, at: Option<usize>) -> i64 {
    at.and_then(|at| text.get(..at)).and_then(|before| i64::try_from(before.chars().count()).ok()).unwrap_or(-1)
}

/// The byte at which a character begins; the end of the text counts.
fn byte_of(text: &str, character: i64) -> Option<usize> {
    let wanted = usize::try_from(character).ok()?;
    text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(wanted)
}

pub(super) fn substring<'v>(
    text: Cow<'v, str>,
    start: Option<Value<'v>>,
    end: Option<Value<'v>>,
) -> Result<Value<'v>, Failure> {
    let Some(Value::Int(start)) = start else { return Err(Failure::Argument) };
    // Beyond the end is the end: a shorter value than expected is no reason to fail a message.
    let byte = |at: i64| if at < 0 { Err(Failure::Argument) } else { Ok(byte_of(&text, at).unwrap_or(text.len())) };
    let from = byte(start)?;
    let to = match end {
        Some(Value::Int(end)) => byte(end)?,
        _ => text.len(),
    };
    if to < from {
        return Err(Failure::Argument);
    }
    Ok(Value::Text(range(text, from, to)))
}

pub(super) fn char_at<'v>(text: Cow<'v, str>, at: Option<Value<'v>>) -> Result<Value<'v>, Failure> {
    let Some(Value::Int(at)) = at else { return Err(Failure::Argument) };
    substring(text, Some(Value::Int(at)), Some(Value::Int(at.saturating_add(1))))
}
