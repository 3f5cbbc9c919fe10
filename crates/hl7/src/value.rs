//! A value: some bytes of a message and how to read them. Splitting is lazy and goes one level at a time; escapes are
//! resolved last, when text is asked for.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memchr_iter};

use crate::escape::{self, Formatting};
use crate::{Charset, Delimiters, Path};

/// What is needed to read any value of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) delimiters: Delimiters,
    pub(crate) charset: Charset,
}

/// What kind of part a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A whole segment.
    Segment,
    /// A whole field, with all its repetitions.
    Field,
    /// One repetition of a field.
    Repetition,
    /// A component.
    Component,
    /// A subcomponent.
    Subcomponent,
    /// MSH-1 or MSH-2: never split, never unescaped.
    Literal,
}

/// The three states of a value (2.5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Not populated: the receiver changes nothing.
    Empty,
    /// `""`: the receiver deletes what it has.
    Null,
    /// A value.
    Valued,
}

/// A part of a message.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    raw: &'a [u8],
    context: &'a Context,
    level: Level,
}

impl<'a> Value<'a> {
    pub(crate) fn new(raw: &'a [u8], context: &'a Context, level: Level) -> Self {
        Self { raw, context, level }
    }

    /// The bytes as received.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// What kind of part it is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Empty, null or valued. Delimiters alone are empty.
    pub fn presence(&self) -> Presence {
        if self.raw == b"\"\"" {
            Presence::Null
        } else if self.level != Level::Literal && self.raw.iter().all(|&b| self.context.delimiters.splits(b)) {
            Presence::Empty
        } else {
            Presence::Valued
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.presence() == Presence::Empty
    }

    /// Whether it is the delete indicator `""`.
    pub fn is_null(&self) -> bool {
        self.presence() == Presence::Null
    }

    /// As text, formatting sequences rendered. Of a value that has parts (`Doe^John`) the text as it is encoded, with
    /// its delimiters and escapes: nothing is cut off, and nothing becomes ambiguous.
    pub fn text(&self) -> Cow<'a, str> {
        self.text_with(Formatting::Render)
    }

    /// As [`Self::text`], with a choice about formatting sequences.
    pub fn text_with(&self, formatting: Formatting) -> Cow<'a, str> {
        if self.is_primitive() && self.level != Level::Literal {
            escape::unescape(self.raw, &self.context.delimiters, self.context.charset, formatting)
        } else {
            self.context.charset.decode(self.raw)
        }
    }

    /// Length in characters as limits count it: characters and not bytes, escape characters themselves not counted.
    pub fn length(&self) -> usize {
        escape::length(self.raw, &self.context.delimiters, self.context.charset)
    }

    /// Whether it has no parts below.
    pub fn is_primitive(&self) -> bool {
        let d = &self.context.delimiters;
        let has = |delimiter: Option<u8>| delimiter.is_some_and(|byte| memchr(byte, self.raw).is_some());
        match self.level {
            Level::Segment => false,
            Level::Field => !(has(d.repetition) || has(d.component) || has(d.subcomponent)),
            Level::Repetition => !(has(d.component) || has(d.subcomponent)),
            Level::Component => !has(d.subcomponent),
            Level::Subcomponent | Level::Literal => true,
        }
    }

    /// The parts one level below, in order: of a field its repetitions, then components, then subcomponents. An empty
    /// value has none; a segment's are its fields, which [`crate::Segment::fields`] gives.
    pub fn parts(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (delimiter, level) = self.below();
        let context = self.context;
        let raw = if level == Level::Literal { &[] } else { self.raw };
        split(raw, delimiter).map(move |raw| Value::new(raw, context, level))
    }

    /// A repetition of a field, from 1.
    pub fn repetition(&self, n: u32) -> Option<Value<'a>> {
        match self.level {
            Level::Field => self.nth(n, self.context.delimiters.repetition, Level::Repetition),
            Level::Literal | Level::Repetition if n == 1 => Some(*self),
            _ => None,
        }
    }

    /// A component of a repetition (or of a field's first), from 1.
    pub fn component(&self, n: u16) -> Option<Value<'a>> {
        match self.level {
            Level::Field => self.repetition(1)?.component(n),
            Level::Repetition => self.nth(u32::from(n), self.context.delimiters.component, Level::Component),
            Level::Literal | Level::Component if n == 1 => Some(*self),
            _ => None,
        }
    }

    /// A subcomponent of a component, from 1.
    pub fn subcomponent(&self, n: u16) -> Option<Value<'a>> {
        match self.level {
            Level::Field | Level::Repetition => self.component(1)?.subcomponent(n),
            Level::Component => self.nth(u32::from(n), self.context.delimiters.subcomponent, Level::Subcomponent),
            Level::Literal | Level::Subcomponent if n == 1 => Some(*self),
            _ => None,
        }
    }

    /// The part of a repetition that a path names.
    pub(crate) fn inside(self, path: &Path) -> Option<Value<'a>> {
        let Some(component) = path.component() else { return Some(self) };
        let value = self.component(component)?;
        match path.subcomponent() {
            Some(subcomponent) => value.subcomponent(subcomponent),
            None => Some(value),
        }
    }

    fn below(&self) -> (Option<u8>, Level) {
        let d = &self.context.delimiters;
        match self.level {
            Level::Field => (d.repetition, Level::Repetition),
            Level::Repetition => (d.component, Level::Component),
            Level::Component => (d.subcomponent, Level::Subcomponent),
            Level::Segment | Level::Subcomponent | Level::Literal => (None, Level::Literal),
        }
    }

    fn nth(&self, n: u32, delimiter: Option<u8>, level: Level) -> Option<Value<'a>> {
        let skip = n.checked_sub(1)? as usize;
        let raw = match delimiter {
            None if skip == 0 => self.raw,
            None => return None,
            Some(byte) => {
                let mut ends = memchr_iter(byte, self.raw);
                let start = match skip {
                    0 => 0,
                    _ => ends.nth(skip - 1)? + 1,
                };
                self.raw.get(start..ends.next().unwrap_or(self.raw.len()))?
            }
        };
        Some(Value::new(raw, self.context, level))
    }
}

/// The stretches between delimiters; none of an empty value.
fn split(raw: &[u8], delimiter: Option<u8>) -> impl Iterator<Item = &[u8]> {
    let mut rest = if raw.is_empty() { None } else { Some(raw) };
    std::iter::from_fn(move || {
        let bytes = rest?;
        match delimiter.and_then(|byte| memchr(byte, bytes)) {
            Some(at) => {
                rest = bytes.get(at + 1..);
                bytes.get(..at)
            }
            None => {
                rest = None;
                Some(bytes)
            }
        }
    })
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:?}, {:?}, {} bytes)", self.level, self.presence(), self.raw.len())
    }
}
