//! The verbs `set`, `copy`, `move` and `delete`, and the one way in which all verbs write.

use barid_hl7::{Index, Path, SegmentId, error_code};

use super::each::Order;
use super::{Machine, Run};
use crate::compile::partner;
use crate::failure::Stop;
use crate::mapping::{CopyVerb, Set, Step};
use barid_expr::Address;

/// Steps of an edit besides what the line costs.
const STEPS_AN_EDIT: u64 = 8;
/// Segments moved for one step where one comes or goes.
const MOVED_A_STEP: u64 = 64;

/// HL7's delete indicator.
const NULL: &str = "\"\"";

impl Machine<'_, '_> {
    pub(super) fn set(&mut self, step: &Step, set: &Set) -> Run {
        let path = set.to.resolve(&self.items);
        if !set.is_uniform || step.asks_each_place {
            return self.places(path, Order::FirstToLast, |machine, place| {
                if !machine.asked(step, place)? {
                    return Ok(());
                }
                machine.value_of(set, place)?;
                machine.write_text(place)
            });
        }
        if let Some(text) = set.value.constant() {
            return self.write(path, text);
        }
        self.value_of(set, path)?;
        self.write_text(path)
    }

    /// The value to set, into `self.text`.
    fn value_of(&mut self, set: &Set, place: Path) -> Run {
        if let Some(bare) = &set.bare {
            let from = bare.resolve(&self.items);
            if self.draft.get(&from).is_some_and(|value| !value.is_primitive()) {
                let text = "the value has parts (components, repetitions), which `set` would escape: use `copy`";
                return Err(Stop::at(from, error_code::DATA_TYPE, text).into());
            }
        }
        self.eval(&set.value, Some(place))
    }

    /// Writes `self.text`.
    fn write_text(&mut self, path: Path) -> Run {
        let text = std::mem::take(&mut self.text);
        let done = self.write(path, &text);
        self.text = text;
        done
    }

    /// Writes text at a path, at each place where it has `[*]`.
    pub(super) fn write(&mut self, path: Path, text: &str) -> Run {
        if path.is_wild() {
            return self.places(path, Order::FirstToLast, |machine, place| machine.write(place, text));
        }
        self.pay(&path, text.len())?;
        if text.is_empty() && self.draft.get(&path).is_none() {
            // Nothing there, and nothing to put there: the segment need not exist.
            return Ok(());
        }
        let before = self.before(&path);
        if text == NULL {
            self.draft.set_null(&path)?;
        } else {
            self.draft.set(&path, text)?;
        }
        self.after(&path, before);
        Ok(())
    }

    pub(super) fn copy(&mut self, step: &Step, copy: &CopyVerb) -> Run {
        let from = copy.from.resolve(&self.items);
        let to = copy.to.resolve(&self.items);
        if step.asks_each_place && !from.is_wild() && !self.asked(step, from)? {
            return Ok(());
        }
        if from.is_wild() {
            let order = if copy.removes { Order::LastToFirst } else { Order::FirstToLast };
            return self.places(from, order, |machine, place| {
                if !machine.asked(step, place)? {
                    return Ok(());
                }
                machine.copy_one(place, partner(to, &place))?;
                if copy.removes { machine.remove(place) } else { Ok(()) }
            });
        }
        self.places(to, Order::FirstToLast, |machine, place| machine.copy_one(from, place))?;
        if copy.removes { self.remove(from) } else { Ok(()) }
    }

    fn copy_one(&mut self, from: Path, to: Path) -> Run {
        let length = self.draft.get(&from).map_or(0, |value| value.raw().len());
        self.pay(&from, 0)?;
        self.pay(&to, length)?;
        if length == 0 && self.draft.get(&to).is_none() {
            return Ok(());
        }
        let before = self.before(&to);
        self.draft.copy(&from, &to)?;
        self.after(&to, before);
        Ok(())
    }

    pub(super) fn delete(&mut self, step: &Step, what: &Address) -> Run {
        let path = what.resolve(&self.items);
        if path.is_wild() && path.field().is_none() && !step.asks_each_place && self.trace.is_none() {
            // All segments of an id at once: one pass, however many there are.
            self.pay_for_moves()?;
            let gone = self.draft.delete(&path)?;
            self.moved(path.segment(), 0_i64.saturating_sub_unsigned(gone as u64));
            return Ok(());
        }
        self.places(
            path,
            Order::LastToFirst,
            |machine, place| {
                if machine.asked(step, place)? { machine.remove(place) } else { Ok(()) }
            },
        )
    }

    /// Removes what one place holds.
    fn remove(&mut self, path: Path) -> Run {
        self.pay(&path, 0)?;
        let whole = path.field().is_none();
        if whole {
            self.pay_for_moves()?;
        }
        let before = self.before(&path);
        let gone = self.draft.delete(&path)?;
        if whole {
            self.moved(path.segment(), 0_i64.saturating_sub_unsigned(gone as u64));
        }
        if let (Some(before), Some(trace)) = (before, &mut self.trace) {
            trace.change(self.traced, &path, before, String::new());
        }
        Ok(())
    }

    /// Takes what it costs that segments come or go: those behind them move.
    pub(super) fn pay_for_moves(&mut self) -> Run {
        self.budget.take(1 + self.draft.segment_count() as u64 / MOVED_A_STEP)?;
        Ok(())
    }

    /// Notes that segments came or went, for the loops around.
    pub(super) fn moved(&mut self, id: SegmentId, by: i64) {
        match self.moves.iter_mut().find(|(moved, _)| *moved == id) {
            Some((_, sum)) => *sum += by,
            None => self.moves.push((id, by)),
        }
    }

    /// Takes what an edit costs: copying the segment's line and the new bytes.
    pub(super) fn pay(&mut self, path: &Path, bytes: usize) -> Run {
        self.budget.take(STEPS_AN_EDIT)?;
        let segment = Path::of_segment(path.segment()).with_occurrence(path.occurrence());
        let line = self.draft.get(&segment).map_or(0, |segment| segment.raw().len());
        self.budget.take_bytes(line.saturating_add(bytes))?;
        Ok(())
    }

    /// What stands at a path, for the trace.
    pub(super) fn before(&self, path: &Path) -> Option<String> {
        self.trace.as_ref()?;
        Some(self.encoded(path))
    }

    /// Notes what has become of it.
    pub(super) fn after(&mut self, path: &Path, before: Option<String>) {
        let Some(before) = before else { return };
        let after = self.encoded(path);
        let step = self.traced;
        if let Some(trace) = &mut self.trace {
            trace.change(step, path, before, after);
        }
    }

    /// The text as it is encoded; of a field without index all its repetitions, which `get` would not give.
    fn encoded(&self, path: &Path) -> String {
        let whole = path.field().filter(|_| path.component().is_none() && path.repetition() == Index::First);
        let value = match whole {
            None => self.draft.get(path),
            Some(field) => {
                let nth = path.occurrence().number().unwrap_or(1).saturating_sub(1) as usize;
                let mut segments = self.draft.segments().filter(|segment| segment.id() == path.segment());
                segments.nth(nth).and_then(|segment| segment.field(field))
            }
        };
        self.draft.charset().decode(value.map(|value| value.raw()).unwrap_or_default()).into_owned()
    }
}
