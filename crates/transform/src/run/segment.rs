//! The verb `addSegment`. Its values are computed before it is there, so that they cannot see it half made.

use barid_hl7::{Index, Path, error_code};

use super::{Halt, Machine, Run};
use crate::failure::Stop;
use crate::mapping::{AddSegment, Where};

impl Machine<'_, '_> {
    pub(super) fn add_segment(&mut self, add: &AddSegment) -> Run {
        let mut values = Vec::with_capacity(add.fields.len());
        for (path, program) in &add.fields {
            self.eval(program, None)?;
            values.push((*path, self.text.clone()));
        }
        let after = self.place_of(&add.place)?;
        // The list of segments is moved to make room.
        self.budget.take(8 + self.draft.segment_count() as u64 / 8)?;
        let new = self.draft.add_segment(add.id, after.as_ref())?;
        let trace = self.trace.take();
        let written =
            values.iter().try_for_each(|(path, text)| self.write(path.with_occurrence(new.occurrence()), text));
        self.trace = trace;
        written?;
        let before = self.trace.is_some().then(String::new);
        self.after(&new, before);
        Ok(())
    }

    /// The segment that the new one follows; none for the end.
    fn place_of(&mut self, place: &Where) -> Result<Option<Path>, Halt> {
        let (anchor, before) = match place {
            Where::End => return Ok(None),
            Where::After(anchor) => (anchor.resolve(&self.items), false),
            Where::Before(anchor) => (anchor.resolve(&self.items), true),
        };
        self.budget.take(1 + self.draft.segment_count() as u64 / 8)?;
        let Some(at) = self.position(&anchor, before) else {
            let text = "the message has no such segment to put the new one at: ask for it with `when` first";
            return Err(Stop::at(anchor, error_code::SEGMENT_SEQUENCE, text).into());
        };
        let followed = if before { at.checked_sub(1) } else { Some(at) };
        Ok(followed.and_then(|at| self.path_of(at)))
    }

    /// The number of the segment a path names; of several the first, or the last to follow it.
    fn position(&self, path: &Path, first: bool) -> Option<usize> {
        let mut named = self.draft.segments().enumerate().filter(|(_, segment)| segment.id() == path.segment());
        let found = match path.occurrence() {
            Index::All if first => named.next(),
            Index::All => named.last(),
            other => named.nth(usize::try_from(other.number()?.checked_sub(1)?).ok()?),
        };
        found.map(|(at, _)| at)
    }

    fn path_of(&self, at: usize) -> Option<Path> {
        let id = self.draft.segment(at)?.id();
        let before = self.draft.segments().take(at).filter(|segment| segment.id() == id).count();
        let occurrence = u32::try_from(before + 1).ok()?;
        Some(Path::of_segment(id).with_occurrence(Index::At(occurrence)))
    }
}
