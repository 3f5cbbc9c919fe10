//! Loops: over segments and repetitions, and over the places that a path with `[*]` names.

use barid_expr::ItemKind;
use barid_hl7::{Index, Path};

use super::{Halt, Machine, Run};
use crate::mapping::{Loop, Step};

/// Which way places are visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    FirstToLast,
    /// For removals, which move up what comes after.
    LastToFirst,
}

impl Machine<'_, '_> {
    /// A step once for each item that is there when it begins. Items that the step itself adds are passed over, and none
    /// is missed when it removes one: how many came and went says how far the rest has moved.
    pub(super) fn each(&mut self, step: &Step, over: &Loop) -> Run {
        let all = over.over.resolve(&self.items);
        let first = self.count(&all)?;
        let outside = self.index;
        let mut at = 1_u32;
        for turn in 1..=first {
            let item = match over.kind {
                ItemKind::Segment(_) => all.with_occurrence(Index::At(at)),
                ItemKind::Repetition(..) => all.with_repetition(Index::At(at)),
            };
            let before = self.present(&all, over.kind)?;
            self.index = i64::from(turn);
            self.items.push(item);
            let done = self.step(step);
            self.items.pop();
            done?;
            let moved = self.present(&all, over.kind)? - before;
            at = at.saturating_add(1).saturating_add_signed(i32::try_from(moved).unwrap_or(0)).max(1);
        }
        self.index = outside;
        Ok(())
    }

    /// A number that grows and shrinks as the items do. Segments are not counted each time: what came and went is known.
    fn present(&mut self, all: &Path, kind: ItemKind) -> Result<i64, Halt> {
        match kind {
            ItemKind::Segment(id) => Ok(self.moves.iter().find(|(moved, _)| *moved == id).map_or(0, |(_, sum)| *sum)),
            ItemKind::Repetition(..) => self.count(all).map(i64::from),
        }
    }

    /// How many places a path with `[*]` names; each segment looked at is paid for.
    fn count(&mut self, path: &Path) -> Result<u32, Halt> {
        let looked_through = match path.occurrence() {
            Index::All => self.draft.segment_count() as u64 / 32,
            _ => 1,
        };
        self.budget.take(1 + looked_through)?;
        Ok(u32::try_from(self.draft.count(path)).unwrap_or(u32::MAX))
    }

    /// Does something at each place a path names; at the path itself where it has no `[*]`.
    pub(super) fn places(&mut self, path: Path, order: Order, mut visit: impl FnMut(&mut Self, Path) -> Run) -> Run {
        if !path.is_wild() {
            return visit(self, path);
        }
        let mut places = self.concrete(path)?;
        if order == Order::LastToFirst {
            places.reverse();
        }
        places.into_iter().try_for_each(|place| visit(self, place))
    }

    /// The places that a path with `[*]` names, segments and repetitions that are there.
    fn concrete(&mut self, path: Path) -> Result<Vec<Path>, Halt> {
        let segments = match path.occurrence() {
            Index::All => self.count(&Path::of_segment(path.segment()).with_occurrence(Index::All))?,
            _ => 1,
        };
        let mut places = Vec::new();
        for segment in 1..=segments {
            let place = match path.occurrence() {
                Index::All => path.with_occurrence(Index::At(segment)),
                _ => path,
            };
            let (Index::All, Some(field)) = (path.repetition(), path.field()) else {
                places.push(place);
                self.budget.take(1)?;
                continue;
            };
            let whole = Path::of_segment(path.segment()).with_occurrence(place.occurrence()).with_field(field);
            let repetitions = self.count(&whole.with_repetition(Index::All))?;
            self.budget.take(u64::from(repetitions))?;
            places.extend((1..=repetitions).map(|n| place.with_repetition(Index::At(n))));
        }
        Ok(places)
    }
}
