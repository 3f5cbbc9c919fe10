//! A compiled mapping: steps whose paths, expressions, tables and patterns are read, checked and ready.

use std::sync::Arc;

use barid_expr::date::Pattern;
use barid_expr::{Address, ItemKind, Program};
use barid_hl7::{Path, SegmentId};
use regex::Regex;

use crate::document::{Case, OnMismatch, Side};
use crate::table::Table;

/// A compiled mapping; cheap to clone and to share.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    pub(crate) steps: Arc<[Step]>,
}

impl Mapping {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many steps it has, applied mappings not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }
}

/// One step.
#[derive(Debug)]
pub(crate) struct Step {
    /// Where it stands in its document, with its verb: `transform[2].lookup`.
    pub(crate) at: Box<str>,
    pub(crate) when: Option<Program>,
    /// `when` uses `value`, so it is asked at each place.
    pub(crate) asks_each_place: bool,
    pub(crate) for_each: Option<Loop>,
    pub(crate) verb: Verb,
}

/// What a step goes over.
#[derive(Debug)]
pub(crate) struct Loop {
    /// With `[*]`.
    pub(crate) over: Address,
    pub(crate) kind: ItemKind,
}

#[derive(Debug)]
pub(crate) enum Verb {
    Set(Set),
    Copy(CopyVerb),
    Delete(Address),
    Lookup(Lookup),
    Format(Format),
    AddSegment(AddSegment),
    Apply(Mapping),
}

#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) to: Address,
    pub(crate) value: Program,
    /// The value is the same at each place.
    pub(crate) is_uniform: bool,
    /// The value is a field and nothing else.
    pub(crate) bare: Option<Address>,
}

#[derive(Debug)]
pub(crate) struct CopyVerb {
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) removes: bool,
}

#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) from: Address,
    pub(crate) table: Arc<Table>,
    pub(crate) into: Option<Address>,
    pub(crate) display: Option<Address>,
    pub(crate) system: Option<Address>,
    pub(crate) miss: Miss,
}

#[derive(Debug)]
pub(crate) enum Miss {
    Keep,
    Empty,
    Fail,
    Default(Box<str>),
}

#[derive(Debug)]
pub(crate) struct Format {
    pub(crate) at: Address,
    pub(crate) how: Rewrite,
}

#[derive(Debug)]
pub(crate) enum Rewrite {
    Date { from: Pattern, to: Pattern, on_mismatch: OnMismatch },
    Pad { width: usize, with: char, side: Side },
    Case(Case),
    Replace { pattern: Regex, with: Box<str> },
    Trim,
}

#[derive(Debug)]
pub(crate) struct AddSegment {
    pub(crate) id: SegmentId,
    pub(crate) place: Where,
    /// By path within the segment, its occurrence still open.
    pub(crate) fields: Vec<(Path, Program)>,
}

#[derive(Debug)]
pub(crate) enum Where {
    After(Address),
    Before(Address),
    End,
}
