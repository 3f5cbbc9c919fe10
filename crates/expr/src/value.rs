//! Values at run time. Text is borrowed from the message wherever it can be.

use std::borrow::Cow;
use std::fmt;

use barid_model::Timestamp;

/// A value.
#[derive(Clone, PartialEq)]
pub enum Value<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating point number.
    Double(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A moment.
    Time(Timestamp),
    /// A span of time, microseconds.
    Duration(i64),
    /// A list.
    List(Vec<Value<'a>>),
    /// A map; few entries, in the order written.
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// Borrowed text.
    #[must_use]
    pub const fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The text, or the number as text; empty for what is neither.
    #[must_use]
    pub fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text,
            Self::Int(number) => Cow::Owned(number.to_string()),
            _ => Cow::Borrowed(""),
        }
    }

    /// The same, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Double(value) => Value::Double(value),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Time(value) => Value::Time(value),
            Self::Duration(value) => Value::Duration(value),
            Self::List(items) => Value::List(items.into_iter().map(Value::into_owned).collect()),
            Self::Map(entries) => {
                Value::Map(entries.into_iter().map(|(k, v)| (Cow::Owned(k.into_owned()), v.into_owned())).collect())
            }
        }
    }
}

/// Says what kind of value it is and how large, since text may be a patient's.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(_) => f.write_str("Int"),
            Self::Double(_) => f.write_str("Double"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Time(_) => f.write_str("Time"),
            Self::Duration(_) => f.write_str("Duration"),
            Self::List(items) => write!(f, "List({} items)", items.len()),
            Self::Map(entries) => write!(f, "Map({} entries)", entries.len()),
        }
    }
}
