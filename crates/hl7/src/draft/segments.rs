//! Adding and removing whole segments. The header stays the first segment, and the only one of its name.

use std::sync::OnceLock;

use bytes::Bytes;

use super::place::fits;
use super::{Draft, EditError, Edited, Slot};
use crate::order::Order;
use crate::segment::Source;
use crate::value::Level;
use crate::{Index, Path, SegmentId};

impl Draft<'_> {
    /// Adds an empty segment after another (with `[*]`: after the last of that id), or at the end. Gives its path.
    pub fn add_segment(&mut self, id: SegmentId, after: Option<&Path>) -> Result<Path, EditError> {
        self.insert_segment(id.as_bytes(), after)
    }

    /// Adds a whole segment as it is written (without line end), after another or at the end. Gives its path.
    pub fn insert_segment(&mut self, line: &[u8], after: Option<&Path>) -> Result<Path, EditError> {
        let at = match after {
            None => self.segment_count(),
            Some(path) => *self.places_of(path).last().ok_or(EditError::NoSegment(*path))? + 1,
        };
        let id = self.id_of_line(line)?;
        let limit = self.limits.segments;
        if self.segment_count() >= limit {
            return Err(EditError::TooManySegments { limit });
        }
        let size = self.size + line.len() + 1;
        self.fits(size)?;
        let slot = Slot::Edited(Edited { id, line: Bytes::copy_from_slice(line), from: None });
        self.slots().insert(at, slot);
        let mut order = self.own_order();
        let before = match &mut order {
            Some(order) => order.inserted(at, |i| self.id_of(i)),
            None => (0..at).filter(|&i| self.id_of(i) == Some(id)).count(),
        };
        self.order = Some(order.map_or_else(OnceLock::new, OnceLock::from));
        self.size = size;
        Ok(Path::of_segment(id).with_occurrence(Index::At(u32::try_from(before + 1).unwrap_or(u32::MAX))))
    }

    /// Removes the segments a path names (the first, one, or with `[*]` all). Gives how many.
    pub fn remove_segments(&mut self, path: &Path) -> Result<usize, EditError> {
        if path.segment() == SegmentId::MSH {
            return Err(EditError::Header(*path));
        }
        if path.field().is_some() {
            return Err(EditError::Unsuitable { path: *path, remedy: "name a segment, as in `NTE[2]`" });
        }
        let places = self.places_of(path);
        if places.is_empty() {
            return Ok(0);
        }
        let removed: usize = places.iter().filter_map(|&at| self.nth(at)).map(|segment| segment.line.len() + 1).sum();
        self.size = self.size.saturating_sub(removed);
        let (mut at, mut gone) = (0, places.iter().copied().peekable());
        self.slots().retain(|_| {
            let keeps = gone.next_if_eq(&at).is_none();
            at += 1;
            keeps
        });
        let mut order = self.own_order();
        match (places.as_slice(), &mut order) {
            ([at], Some(order)) => order.removed(*at),
            _ => order = None,
        }
        self.order = Some(order.map_or_else(OnceLock::new, OnceLock::from));
        Ok(places.len())
    }

    /// The order as it was before segments came or went, if it was ever made.
    fn own_order(&mut self) -> Option<Order> {
        match self.order.take() {
            Some(own) => own.into_inner(),
            None => self.message.made_order().cloned(),
        }
    }

    fn id_of_line(&self, line: &[u8]) -> Result<SegmentId, EditError> {
        let d = self.delimiters();
        let unsuitable = |id| EditError::Unsuitable {
            path: Path::of_segment(id),
            remedy: "a segment is three upper case characters, then fields, without line ends",
        };
        let id = match line {
            [a, b, c] => SegmentId::new([*a, *b, *c]),
            [a, b, c, d4, ..] if *d4 == d.field => SegmentId::new([*a, *b, *c]),
            _ => None,
        };
        let id = id.ok_or(unsuitable(SegmentId::MSH))?;
        if matches!(id.as_bytes(), b"MSH" | b"FHS" | b"BHS" | b"BTS" | b"FTS") {
            return Err(EditError::Header(Path::of_segment(id)));
        }
        let fields = line.get(3..).unwrap_or_default().split(|&byte| byte == d.field);
        for field in fields {
            if !fits(field, Level::Field, d) {
                return Err(EditError::Structure(Path::of_segment(id)));
            }
        }
        Ok(id)
    }
}
