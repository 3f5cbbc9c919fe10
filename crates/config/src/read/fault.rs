//! One error while a tree is read: what is wrong, where, and the remedy.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::suggest::nearest;
use crate::yaml::{At, Step};

/// Stands between what is wrong and the remedy in the one text that serde carries; no document may hold it.
const REMEDY: char = '\u{1e}';

/// An error of a value that reads itself: what is wrong, and what would be right.
pub(crate) fn remedied<E: Error>(text: impl fmt::Display, remedy: impl fmt::Display) -> E {
    E::custom(format_args!("{text}{REMEDY}{remedy}"))
}

/// One error while a tree is read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    pub text: String,
    pub remedy: String,
    /// Where; none until the reader that knows has seen it.
    pub at: Option<At>,
    /// The way to the faulty node, from the inside out until it is finished.
    pub way: Vec<Step>,
    /// The field that is missing, where that is the fault.
    pub missing: Option<&'static str>,
}

impl Fault {
    pub(crate) fn new(text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { text: text.into(), remedy: remedy.into(), at: None, way: Vec::new(), missing: None }
    }

    /// Says where, unless a reader further inside has said it.
    pub(crate) fn at(mut self, at: At) -> Self {
        self.at.get_or_insert(at);
        self
    }

    /// Adds the step that led to the faulty node.
    pub(crate) fn under(mut self, step: Step) -> Self {
        self.way.insert(0, step);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Fault {}

/// `one of a, b, c`, with the nearest first.
fn listed(known: &'static [&'static str]) -> String {
    known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn choose(written: &str, known: &'static [&'static str], what: &str) -> String {
    let list = match known {
        [] => format!("no {what} is known here"),
        [one] => format!("the {what} here is `{one}`"),
        _ => format!("{what}s here: {}", listed(known)),
    };
    match nearest(written, known.iter().copied()) {
        Some(word) => format!("did you mean `{word}`? {list}"),
        None => list,
    }
}

/// What serde's words for a Rust type mean to who writes a document.
pub(crate) fn expected(words: &str) -> String {
    let ints = [("u8", "255"), ("u16", "65535"), ("u32", "4294967295")];
    if let Some((_, most)) = ints.iter().find(|(name, _)| *name == words) {
        return format!("a whole number from 0 to {most}");
    }
    match words {
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        _ if words.starts_with("struct ") => "an object with its fields".to_owned(),
        _ if words.starts_with("enum ") => "one word".to_owned(),
        _ => words.to_owned(),
    }
}

impl Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        match message.split_once(REMEDY) {
            Some((text, remedy)) => Self::new(text, remedy),
            None => Self::new(message, ""),
        }
    }

    fn invalid_type(unexpected: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let found = match unexpected {
            Unexpected::Str(text) => format!("`{text}`"),
            Unexpected::Bool(value) => format!("`{value}`"),
            Unexpected::Unsigned(value) => format!("`{value}`"),
            Unexpected::Signed(value) => format!("`{value}`"),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "an object".to_owned(),
            other => other.to_string(),
        };
        let wanted = expected(&wanted.to_string());
        Self::new(format!("{found} stands where {wanted} is meant"), format!("write {wanted}"))
    }

    fn invalid_value(unexpected: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, wanted)
    }

    fn invalid_length(length: usize, wanted: &dyn Expected) -> Self {
        Self::new(format!("{length} values stand here"), format!("write {}", expected(&wanted.to_string())))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("`{variant}` is not known here"), choose(variant, known, "value"))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("unknown field `{field}`"), choose(field, known, "field"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { missing: Some(field), ..Self::new(format!("the field `{field}` is missing"), "add it") }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` stands twice"), "keep one of the two")
    }
}
