//! Addresses inside a message: `PID-3[2].4.1`, `OBX[*]-5`, `MSH-9.2`, `PV1`.
//!
//! Everything counts from 1. An index that is not written means the first; `[*]` means each. A field without a written
//! repetition index names the field: reading it reads its first repetition, deleting, copying or moving it takes all.
//! A path is small and `Copy`, and is checked once, when it is read.

mod literal;

use std::fmt;
use std::str::FromStr;

pub use literal::PathError;

/// Three characters that name a segment: `PID`, `PV1`, `ZPI`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentId([u8; 3]);

impl SegmentId {
    /// The message header.
    pub const MSH: Self = Self(*b"MSH");

    /// From its three characters: an upper case letter, then two upper case letters or digits.
    pub const fn new(id: [u8; 3]) -> Option<Self> {
        let [a, b, c] = id;
        if a.is_ascii_uppercase() && is_id(b) && is_id(c) { Some(Self(id)) } else { None }
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// The characters as bytes.
    pub const fn as_bytes(&self) -> &[u8; 3] {
        &self.0
    }

    /// The id at the start of a line, in upper case; none if the line does not begin with one.
    pub(crate) fn of_line(line: &[u8]) -> Option<Self> {
        match line {
            [a, b, c, ..] => Self::new([a.to_ascii_uppercase(), b.to_ascii_uppercase(), c.to_ascii_uppercase()]),
            _ => None,
        }
    }
}

const fn is_id(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which one of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Index {
    /// Not written: the first.
    #[default]
    First,
    /// Written, from 1.
    At(u32),
    /// `[*]`: each.
    All,
}

impl Index {
    /// Its number, from 1; none for each.
    pub fn number(self) -> Option<u32> {
        match self {
            Self::First => Some(1),
            Self::At(n) => Some(n),
            Self::All => None,
        }
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => Ok(()),
            Self::At(n) => write!(f, "[{n}]"),
            Self::All => f.write_str("[*]"),
        }
    }
}

/// An address inside a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path {
    segment: SegmentId,
    occurrence: Index,
    /// 0: the segment itself.
    field: u16,
    repetition: Index,
    /// 0: the whole repetition.
    component: u16,
    /// 0: the whole component.
    subcomponent: u16,
}

impl Path {
    /// Highest field number.
    pub const MAX_FIELD: u16 = 999;
    /// Highest component and subcomponent number.
    pub const MAX_COMPONENT: u16 = 255;
    /// Highest index of a segment or repetition.
    pub const MAX_INDEX: u32 = 1_000_000;

    /// Reads a path literal.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        literal::parse(text)
    }

    /// A whole segment, the first of its name.
    pub const fn of_segment(segment: SegmentId) -> Self {
        Self { segment, occurrence: Index::First, field: 0, repetition: Index::First, component: 0, subcomponent: 0 }
    }

    /// A field of the header; `field` from 1.
    pub const fn msh(field: u16) -> Self {
        Self::of_segment(SegmentId::MSH).with_field(field)
    }

    /// The same at another field (its parts are dropped).
    #[must_use]
    pub const fn with_field(self, field: u16) -> Self {
        Self { field, repetition: Index::First, component: 0, subcomponent: 0, ..self }
    }

    /// The same at another occurrence of the segment.
    #[must_use]
    pub const fn with_occurrence(self, occurrence: Index) -> Self {
        Self { occurrence, ..self }
    }

    /// The same at another repetition.
    #[must_use]
    pub const fn with_repetition(self, repetition: Index) -> Self {
        Self { repetition, ..self }
    }

    /// The same at another component (its subcomponent is dropped).
    #[must_use]
    pub const fn with_component(self, component: u16) -> Self {
        Self { component, subcomponent: 0, ..self }
    }

    /// The same at another subcomponent.
    #[must_use]
    pub const fn with_subcomponent(self, subcomponent: u16) -> Self {
        Self { subcomponent, ..self }
    }

    /// The segment's id.
    pub const fn segment(&self) -> SegmentId {
        self.segment
    }

    /// Which of the segments of that id.
    pub const fn occurrence(&self) -> Index {
        self.occurrence
    }

    /// Field number, from 1.
    pub const fn field(&self) -> Option<u16> {
        some(self.field)
    }

    /// Which repetition of the field.
    pub const fn repetition(&self) -> Index {
        self.repetition
    }

    /// Component number, from 1.
    pub const fn component(&self) -> Option<u16> {
        some(self.component)
    }

    /// Subcomponent number, from 1.
    pub const fn subcomponent(&self) -> Option<u16> {
        some(self.subcomponent)
    }

    /// Whether it can name more than one place.
    pub const fn is_wild(&self) -> bool {
        matches!(self.occurrence, Index::All) || matches!(self.repetition, Index::All)
    }

    /// Whether it is MSH-1 or MSH-2, which are the delimiters and not data.
    pub(crate) fn is_delimiters(&self) -> bool {
        self.segment == SegmentId::MSH && (self.field == 1 || self.field == 2)
    }
}

const fn some(n: u16) -> Option<u16> {
    if n == 0 { None } else { Some(n) }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.segment, self.occurrence)?;
        if self.field > 0 {
            write!(f, "-{}{}", self.field, self.repetition)?;
        }
        for part in [self.component, self.subcomponent] {
            if part > 0 {
                write!(f, ".{part}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests;
