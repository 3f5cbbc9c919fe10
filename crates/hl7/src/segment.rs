//! One segment: its id and its fields, found through the index or, for an edited segment, by looking.

use std::fmt;

use memchr::memchr_iter;

use crate::order::{NEAR, Order};
use crate::value::{Context, Level, Value};
use crate::{Path, SegmentId};

/// A segment of a message or draft.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    pub(crate) id: SegmentId,
    pub(crate) line: &'a [u8],
    pub(crate) separators: Separators<'a>,
    pub(crate) context: &'a Context,
}

/// Where the field separators of a line are.
#[derive(Clone, Copy)]
pub(crate) enum Separators<'a> {
    /// Offsets into the message, of which the line starts at `base`.
    Known { offsets: &'a [u32], base: u32 },
    /// To be looked for.
    Unknown,
}

impl<'a> Segment<'a> {
    /// Its id, upper case.
    pub fn id(&self) -> SegmentId {
        self.id
    }

    /// Its bytes, line end not included.
    pub fn raw(&self) -> &'a [u8] {
        self.line
    }

    /// The highest field number that is there (empty ones included).
    pub fn field_count(&self) -> u16 {
        let separators = match self.separators {
            Separators::Known { offsets, .. } => offsets.len(),
            Separators::Unknown => memchr_iter(self.context.delimiters.field, self.line).count(),
        };
        let fields = if self.id == SegmentId::MSH { separators + 1 } else { separators };
        u16::try_from(fields).unwrap_or(u16::MAX)
    }

    /// A whole field with all its repetitions; none if the segment ends before it.
    pub fn field(&self, number: u16) -> Option<Value<'a>> {
        let raw = self.field_raw(number)?;
        let level = if self.id == SegmentId::MSH && number <= 2 { Level::Literal } else { Level::Field };
        Some(Value::new(raw, self.context, level))
    }

    /// Every field with its number.
    pub fn fields(&self) -> impl Iterator<Item = (u16, Value<'a>)> + use<'a> {
        let segment = *self;
        (1..=self.field_count()).filter_map(move |n| Some((n, segment.field(n)?)))
    }

    /// The segment as one value.
    pub fn value(&self) -> Value<'a> {
        Value::new(self.line, self.context, Level::Segment)
    }

    pub(crate) fn field_raw(&self, number: u16) -> Option<&'a [u8]> {
        let nth = usize::from(number.checked_sub(1)?);
        if self.id != SegmentId::MSH {
            return self.between(nth);
        }
        match nth {
            0 => self.line.get(3..4),
            _ => self.between(nth - 1),
        }
    }

    /// What follows separator `nth`, up to the next.
    fn between(&self, nth: usize) -> Option<&'a [u8]> {
        match self.separators {
            Separators::Known { offsets, base } => {
                let start = (*offsets.get(nth)? - base) as usize + 1;
                match offsets.get(nth + 1) {
                    Some(end) => self.line.get(start..(end - base) as usize),
                    None => self.line.get(start..),
                }
            }
            Separators::Unknown => {
                let mut found = memchr_iter(self.context.delimiters.field, self.line).skip(nth);
                let start = found.next()? + 1;
                self.line.get(start..found.next().unwrap_or(self.line.len()))
            }
        }
    }
}

impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segment({}, {} bytes)", self.id, self.line.len())
    }
}

/// Segments in order, as a message and a draft both have them.
pub(crate) trait Source {
    fn nth(&self, i: usize) -> Option<Segment<'_>>;
    fn id_of(&self, i: usize) -> Option<SegmentId>;

    /// Made when it is first asked for.
    fn order(&self) -> &Order;

    /// The place of the `n`th segment of an id, from 1.
    fn find(&self, id: SegmentId, n: u32) -> Option<usize> {
        let mut left = n;
        // The n-th is behind n others at least.
        let near = if n as usize > NEAR { 0 } else { NEAR };
        for i in 0..near {
            if self.id_of(i)? == id {
                left = left.checked_sub(1)?;
                if left == 0 {
                    return Some(i);
                }
            }
        }
        self.order().find(id, n, |i| self.id_of(i))
    }

    fn value_at<'a>(&'a self, path: &Path) -> Option<Value<'a>> {
        let i = self.find(path.segment(), path.occurrence().number().unwrap_or(1))?;
        self.nth(i)?.at(path)
    }
}

impl<'a> Segment<'a> {
    /// What a path names inside this segment; `[*]` reads as the first.
    pub(crate) fn at(&self, path: &Path) -> Option<Value<'a>> {
        let Some(field) = path.field() else { return Some(self.value()) };
        let value = self.field(field)?;
        let value = value.repetition(path.repetition().number().unwrap_or(1))?;
        value.inside(path)
    }
}
