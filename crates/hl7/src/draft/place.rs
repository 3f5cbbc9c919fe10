//! Where in a line a value is, or would be: the range to replace, and the delimiters to put before it if the line ends
//! earlier.

use std::ops::Range;

use crate::segment::Segment;
use crate::{Delimiters, Index, Level, Path, SegmentId};

/// A range of a line, and the padding that makes the place exist.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) range: Range<usize>,
    pub(super) padding: Vec<u8>,
}

/// How much of a field a path without repetition index means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// The first repetition.
    Repetition,
    /// The whole field.
    Field,
}

/// A level's delimiter is not in use.
pub(super) struct NoDelimiter;

/// The place of a path in a segment (its repetition index must be one number). Needs a field.
pub(super) fn place(segment: &Segment<'_>, path: &Path, extent: Extent) -> Result<Place, NoDelimiter> {
    let d = &segment.context.delimiters;
    let number = usize::from(path.field().unwrap_or(1));
    let nth = if segment.id == SegmentId::MSH { number.saturating_sub(2) } else { number - 1 };
    let start = segment.line.iter().position(|&b| b == d.field).map_or(segment.line.len(), |at| at + 1);
    let mut place = Place { range: start..segment.line.len(), padding: Vec::new() };
    if start == segment.line.len() && !segment.line.contains(&d.field) {
        place.padding.push(d.field);
    }
    place.narrow(segment.line, Some(d.field), nth)?;
    if extent == Extent::Field && is_whole_field(path) {
        return Ok(place);
    }
    let repetition = path.repetition().number().unwrap_or(1) as usize - 1;
    place.narrow(segment.line, d.repetition, repetition)?;
    if let Some(component) = path.component() {
        place.narrow(segment.line, d.component, usize::from(component) - 1)?;
    }
    if let Some(subcomponent) = path.subcomponent() {
        place.narrow(segment.line, d.subcomponent, usize::from(subcomponent) - 1)?;
    }
    Ok(place)
}

/// Whether a path names a field and neither a repetition nor a part.
pub(super) fn is_whole_field(path: &Path) -> bool {
    path.field().is_some() && path.component().is_none() && !matches!(path.repetition(), Index::At(_))
}

impl Place {
    /// Goes one level down, to the part `nth` (from 0) between delimiters.
    fn narrow(&mut self, line: &[u8], delimiter: Option<u8>, nth: usize) -> Result<(), NoDelimiter> {
        let inside = line.get(self.range.clone()).unwrap_or_default();
        let Some(delimiter) = delimiter else {
            return if nth == 0 { Ok(()) } else { Err(NoDelimiter) };
        };
        let mut start = 0;
        let mut missing = nth;
        while missing > 0 {
            match inside.get(start..).and_then(|rest| memchr::memchr(delimiter, rest)) {
                Some(at) => start += at + 1,
                None => break,
            }
            missing -= 1;
        }
        if missing > 0 {
            self.range.start = self.range.end;
            self.padding.extend(std::iter::repeat_n(delimiter, missing));
            return Ok(());
        }
        let rest = inside.get(start..).unwrap_or_default();
        let length = memchr::memchr(delimiter, rest).unwrap_or(rest.len());
        let begin = self.range.start + start;
        self.range = begin..begin + length;
        Ok(())
    }
}

/// The level a path addresses.
pub(super) fn level(path: &Path, extent: Extent) -> Level {
    match (path.component(), path.subcomponent()) {
        (_, Some(_)) => Level::Subcomponent,
        (Some(_), None) => Level::Component,
        (None, None) if extent == Extent::Field && is_whole_field(path) => Level::Field,
        (None, None) => Level::Repetition,
    }
}

/// Whether bytes can stand at a level without changing what is around them.
pub(super) fn fits(raw: &[u8], level: Level, d: &Delimiters) -> bool {
    let mut forbidden = vec![b'\r', b'\n', 0x0B, 0x1C, d.field];
    if level != Level::Field {
        forbidden.extend(d.repetition);
    }
    if matches!(level, Level::Component | Level::Subcomponent) {
        forbidden.extend(d.component);
    }
    if level == Level::Subcomponent {
        forbidden.extend(d.subcomponent);
    }
    !raw.iter().any(|byte| forbidden.contains(byte))
}
