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
        self.pay_for_moves()?;
        let new = self.draft.add_segment(add.id, after.as_ref())?;
        self.moved(add.id, 1);
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
        if self.draft.get(&anchor).is_none() {
            let text = "the message has no such segment to put the new one at: ask for it with `when` first";
            return Err(Stop::at(anchor, error_code::SEGMENT_SEQUENCE, text).into());
        }
        if !before {
            return Ok(Some(anchor));
        }
        self.budget.take(self.draft.segment_count() as u64 / 64)?;
        Ok(self.followed_by(&anchor))
    }

    /// The segment before the one a path names (of several the first).
    fn followed_by(&self, path: &Path) -> Option<Path> {
        let nth = usize::try_from(path.occurrence().number().unwrap_or(1)).ok()?.checked_sub(1)?;
        let mut named = self.draft.segments().enumerate().filter(|(_, segment)| segment.id() == path.segment());
        let (at, _) = named.nth(nth)?;
        let id = self.draft.segment(at.checked_sub(1)?)?.id();
        let occurrence = self.draft.segments().take(at).filter(|segment| segment.id() == id).count();
        Some(Path::of_segment(id).with_occurrence(Index::At(u32::try_from(occurrence).ok()?)))
    }
}
