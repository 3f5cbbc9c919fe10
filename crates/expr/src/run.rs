//! Evaluation: a walk over the nodes, each step taken from a budget.
//!
//! `&&` and `||` look at their operands from left to right and stop when the result is certain; as CEL has it, a failed
//! operand does not matter where another decides. The one failure that nothing decides around is the bound on steps.

mod arithmetic;
mod function;
mod text;

use std::borrow::Cow;

use barid_hl7::{Path, Presence};

use crate::address::Address;
use crate::budget::Budget;
use crate::date::Parts;
use crate::error::{EvalError, Failure};
use crate::facts::Facts;
use crate::node::{Macro, MacroKind, Node, NodeKind};
use crate::syntax::Op;
use crate::value::Value;

/// Segments looked at for one step where all places of a path are visited.
const SEGMENTS_A_STEP: usize = 32;

/// How much slower regular expressions and case tables are than reading.
pub(crate) const SLOW: usize = 4;

/// One evaluation.
pub(crate) struct Run<'v, 'b> {
    pub(crate) facts: &'v dyn Facts,
    pub(crate) budget: &'b mut Budget,
    /// The variables of the macros around.
    locals: Vec<Value<'v>>,
}

type Out<'v> = Result<Value<'v>, EvalError>;

/// The failure at a node.
fn at(node: &Node) -> impl Fn(Failure) -> EvalError + use<> {
    let offset = node.at as usize;
    move |failure| EvalError { offset, failure }
}

impl<'v, 'b> Run<'v, 'b> {
    pub(crate) fn new(facts: &'v dyn Facts, budget: &'b mut Budget) -> Self {
        Self { facts, budget, locals: Vec::new() }
    }

    pub(crate) fn eval(&mut self, node: &'v Node) -> Out<'v> {
        self.budget.take(1).map_err(at(node))?;
        Ok(match &node.kind {
            NodeKind::Constant(value) => borrowed(value),
            NodeKind::Field(path) => self.read(node, path)?,
            NodeKind::Relative(address) => self.read(node, &address.resolve(self.facts.items()))?,
            NodeKind::All(address) => self.all(node, address)?,
            NodeKind::Count(address) => {
                let path = self.walk(node, address)?;
                Value::Int(i64::try_from(self.facts.fields().count(&path)).unwrap_or(i64::MAX))
            }
            NodeKind::Variable(variable) => self.facts.variable(*variable),
            NodeKind::Label(key) => {
                let key = self.eval(key)?.into_text();
                Value::text(self.facts.label(&key).unwrap_or_default())
            }
            NodeKind::Local(slot) => self.locals.get(*slot).cloned().unwrap_or(Value::text("")),
            NodeKind::Conditional(parts) => {
                let [condition, then, otherwise] = &**parts;
                let chosen = if self.test(condition)? { then } else { otherwise };
                return self.eval(chosen);
            }
            NodeKind::Binary(Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Remainder, ..)
            | NodeKind::Negate(_) => return self.arithmetic(node),
            NodeKind::List(items) => Value::List(items.iter().map(|item| self.eval(item)).collect::<Result<_, _>>()?),
            NodeKind::Map(entries) => self.map(entries)?,
            NodeKind::Index(of, index) => self.index(node, of, index)?,
            NodeKind::Call(function, args) => return self.call(node, *function, args),
            NodeKind::Date(subject, with) => self.date(node, subject, with)?,
            NodeKind::Macro(inner) => return self.over(node, inner),
            NodeKind::Has(_)
            | NodeKind::IsNull(_)
            | NodeKind::HasLabel(_)
            | NodeKind::HasKey(..)
            | NodeKind::Not(_)
            | NodeKind::And(_)
            | NodeKind::Or(_)
            | NodeKind::InTexts(..)
            | NodeKind::Matches(..)
            | NodeKind::Binary(..) => Value::Bool(self.decide(node)?),
        })
    }

    /// The text of a field; a long one costs more.
    fn read(&mut self, node: &Node, path: &Path) -> Out<'v> {
        let text = self.facts.fields().text(path);
        self.budget.take_bytes(text.len()).map_err(at(node))?;
        Ok(Value::Text(text))
    }

    /// Whether a node of type bool holds.
    pub(crate) fn test(&mut self, node: &'v Node) -> Result<bool, EvalError> {
        match self.eval(node)? {
            Value::Bool(value) => Ok(value),
            _ => Ok(false),
        }
    }

    fn decide(&mut self, node: &'v Node) -> Result<bool, EvalError> {
        Ok(match &node.kind {
            NodeKind::Has(address) => self.presence(node, address)? != Presence::Empty,
            NodeKind::IsNull(address) => self.presence(node, address)? == Presence::Null,
            NodeKind::HasLabel(key) => {
                let key = self.eval(key)?.into_text();
                self.facts.label(&key).is_some()
            }
            NodeKind::HasKey(map, key) => match self.eval(map)? {
                Value::Map(entries) => entries.iter().any(|(known, _)| **known == **key),
                _ => false,
            },
            NodeKind::Not(inner) => !self.test(inner)?,
            NodeKind::And(parts) => self.until(parts, false)?,
            NodeKind::Or(parts) => self.until(parts, true)?,
            NodeKind::InTexts(needle, texts) => {
                self.budget.take(texts.len() as u64 / 8).map_err(at(node))?;
                let needle = self.eval(needle)?;
                matches!(&needle, Value::Text(text) if texts.iter().any(|known| **known == **text))
            }
            NodeKind::Matches(subject, regex) => {
                let text = self.eval(subject)?.into_text();
                self.budget.take_bytes(text.len().saturating_mul(SLOW)).map_err(at(node))?;
                regex.is_match(&text)
            }
            NodeKind::Binary(op, left, right) => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                self.compare(node, *op, &left, &right)?
            }
            _ => false,
        })
    }

    /// Whether one of the parts is `decisive`; if not, the first failure there was.
    fn until(&mut self, parts: &'v [Node], decisive: bool) -> Result<bool, EvalError> {
        let mut failed = None;
        for part in parts {
            match self.test(part) {
                Ok(value) if value == decisive => return Ok(decisive),
                Ok(_) => {}
                Err(error) if error.failure == Failure::Steps => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(!decisive), Err)
    }

    fn presence(&mut self, node: &Node, address: &Address) -> Result<Presence, EvalError> {
        let path = self.walk(node, address)?;
        Ok(self.facts.fields().presence(&path))
    }

    /// The concrete path where all its places are visited: they are paid for.
    fn walk(&mut self, node: &Node, address: &Address) -> Result<Path, EvalError> {
        let path = address.resolve(self.facts.items());
        if path.is_wild() {
            let segments = self.facts.fields().segments() / SEGMENTS_A_STEP;
            self.budget.take(segments as u64).map_err(at(node))?;
        }
        Ok(path)
    }

    fn all(&mut self, node: &Node, address: &Address) -> Out<'v> {
        let path = self.walk(node, address)?;
        let mut items = Vec::new();
        let mut paid = Ok(());
        let budget = &mut *self.budget;
        self.facts.fields().visit(&path, &mut |text| {
            paid = budget.take(1).and_then(|()| budget.take_bytes(text.len()));
            items.push(Value::Text(text));
            paid.is_ok()
        });
        paid.map_err(at(node))?;
        Ok(Value::List(items))
    }

    fn map(&mut self, entries: &'v [(Node, Node)]) -> Out<'v> {
        let mut map: Vec<(Cow<'v, str>, Value<'v>)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.eval(key)?.into_text();
            let value = self.eval(value)?;
            map.push((key, value));
        }
        Ok(Value::Map(map))
    }

    fn index(&mut self, node: &'v Node, of: &'v Node, index: &'v Node) -> Out<'v> {
        match (self.eval(of)?, self.eval(index)?) {
            (Value::List(items), Value::Int(index)) => {
                let item = usize::try_from(index).ok().and_then(|index| items.into_iter().nth(index));
                item.ok_or(Failure::NoSuchItem).map_err(at(node))
            }
            (Value::Map(entries), Value::Text(key)) => {
                self.budget.take(entries.len() as u64).map_err(at(node))?;
                let found = entries.into_iter().find(|(known, _)| *known == key);
                found.map(|(_, value)| value).ok_or(Failure::NoSuchKey).map_err(at(node))
            }
            _ => Err(at(node)(Failure::Argument)),
        }
    }

    fn date(&mut self, node: &Node, subject: &'v Node, with: &(crate::date::Pattern, jiff::tz::TimeZone)) -> Out<'v> {
        let (pattern, zone) = with;
        let parts = match self.eval(subject)? {
            Value::Time(moment) => Parts::of(moment, zone),
            other => Parts::read_hl7(&other.into_text()),
        };
        let text = parts.and_then(|parts| pattern.write(&parts)).ok_or(Failure::NotADate).map_err(at(node))?;
        Ok(Value::Text(Cow::Owned(text)))
    }

    fn over(&mut self, node: &'v Node, inner: &'v Macro) -> Out<'v> {
        let items = match self.eval(&inner.range)? {
            Value::List(items) => items,
            Value::Map(entries) => entries.into_iter().map(|(key, _)| Value::Text(key)).collect(),
            _ => return Err(at(node)(Failure::Argument)),
        };
        let depth = self.locals.len();
        debug_assert_eq!(depth, inner.slot, "macro variables are numbered as they nest");
        let out = self.each(node, inner, items);
        self.locals.truncate(depth);
        out
    }

    fn each(&mut self, node: &'v Node, inner: &'v Macro, items: Vec<Value<'v>>) -> Out<'v> {
        let mut selected = Vec::new();
        let mut found = 0;
        let mut failed = None;
        for item in items {
            self.budget.take(1).map_err(at(node))?;
            self.locals.truncate(inner.slot);
            self.locals.push(item);
            let holds = match inner.test.as_ref().map(|test| self.test(test)) {
                None => true,
                Some(Ok(holds)) => holds,
                Some(Err(error)) if error.failure == Failure::Steps || inner.kind.needs_each() => return Err(error),
                Some(Err(error)) => {
                    failed = failed.or(Some(error));
                    continue;
                }
            };
            match inner.kind {
                MacroKind::All if !holds => return Ok(Value::Bool(false)),
                MacroKind::Exists if holds => return Ok(Value::Bool(true)),
                MacroKind::All | MacroKind::Exists => {}
                MacroKind::ExistsOne => found += usize::from(holds),
                MacroKind::Select if holds => match &inner.map {
                    Some(map) => selected.push(self.eval(map)?),
                    None => selected.extend(self.locals.pop()),
                },
                MacroKind::Select => {}
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(match inner.kind {
            MacroKind::All => Value::Bool(true),
            MacroKind::Exists => Value::Bool(false),
            MacroKind::ExistsOne => Value::Bool(found == 1),
            MacroKind::Select => Value::List(selected),
        })
    }
}

impl MacroKind {
    /// Whether a failed test decides: the result depends on every item.
    const fn needs_each(self) -> bool {
        matches!(self, Self::ExistsOne | Self::Select)
    }
}

/// A constant, without copying its text.
fn borrowed<'v>(value: &'v Value<'static>) -> Value<'v> {
    match value {
        Value::Text(text) => Value::text(text),
        Value::Bool(value) => Value::Bool(*value),
        Value::Int(value) => Value::Int(*value),
        Value::Double(value) => Value::Double(*value),
        other => other.clone(),
    }
}
