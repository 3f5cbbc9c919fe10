//! Loops: over segments and repetitions, and over the places that a path with `[*]` names.

use barid_expr::ItemKind;
use barid_hl7::{Index, Path};

use super::{Halt, Machine, Run};
use crate::mapping::{Loop, Step, Verb};

/// Which way places are visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    FirstToLast,
    /// For removals, which move up what comes after.
    LastToFirst,
}

impl Machine<'_, '_> {
    /// A step once for each item that is there when it begins. Items that the step itself adds are passed over, and one
    /// that it removes is not missed: the count of items says how far the rest has moved.
    pub(super) fn each(&mut self, step: &Step, over: &Loop) -> Run {
        let all = over.over.resolve(&self.items);
        let first = self.count(&all)?;
        let moves = can_move(&step.verb, over.kind);
        let outside = self.index;
        let mut at = 1_u32;
        let mut turn = 0;
        let done = loop {
            if turn >= first {
                break Ok(());
            }
            turn += 1;
            let item = match over.kind {
                ItemKind::Segment(_) => all.with_occurrence(Index::At(at)),
                ItemKind::Repetition(..) => all.with_repetition(Index::At(at)),
            };
            self.index = i64::from(turn);
            let before = if moves { self.count(&all)? } else { 0 };
            self.items.push(item);
            let done = self.step(step);
            self.items.pop();
            if done.is_err() {
                break done;
            }
            let after = if moves { self.count(&all)? } else { 0 };
            at = (at + 1).saturating_add(after).saturating_sub(before).max(1);
        };
        self.index = outside;
        done
    }

    /// How many places a path with `[*]` names; each segment looked at is paid for.
    fn count(&mut self, path: &Path) -> Result<u32, Halt> {
        self.budget.take(1 + self.draft.segment_count() as u64 / 16)?;
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

/// Whether a verb can add or remove items of this kind.
const fn can_move(verb: &Verb, kind: ItemKind) -> bool {
    match verb {
        Verb::Delete(_) | Verb::AddSegment(_) | Verb::Apply(_) => true,
        Verb::Set(_) | Verb::Copy(_) | Verb::Lookup(_) | Verb::Format(_) => matches!(kind, ItemKind::Repetition(..)),
    }
}
