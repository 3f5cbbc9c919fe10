//! Operators: comparison, sums of numbers, times, texts and lists.

use std::borrow::Cow;
use std::cmp::Ordering;

use barid_model::Timestamp;

use super::{Out, Run, at};
use crate::error::{EvalError, Failure};
use crate::node::{Node, NodeKind};
use crate::syntax::Op;
use crate::value::Value;

impl<'v> Run<'v, '_> {
    pub(super) fn compare(
        &mut self,
        node: &Node,
        op: Op,
        left: &Value<'v>,
        right: &Value<'v>,
    ) -> Result<bool, EvalError> {
        if op == Op::In {
            return self.is_member(node, left, right);
        }
        self.pay_for(node, left)?;
        Ok(match op {
            Op::Equal => equal(left, right),
            Op::NotEqual => !equal(left, right),
            Op::Less => order(left, right).is_some_and(Ordering::is_lt),
            Op::LessEqual => order(left, right).is_some_and(Ordering::is_le),
            Op::Greater => order(left, right).is_some_and(Ordering::is_gt),
            _ => order(left, right).is_some_and(Ordering::is_ge),
        })
    }

    fn is_member(&mut self, node: &Node, needle: &Value<'v>, range: &Value<'v>) -> Result<bool, EvalError> {
        match range {
            Value::List(items) => {
                self.budget.take(items.len() as u64 / 4).map_err(at(node))?;
                Ok(items.iter().any(|item| equal(item, needle)))
            }
            Value::Map(entries) => {
                self.budget.take(entries.len() as u64).map_err(at(node))?;
                Ok(matches!(needle, Value::Text(key) if entries.iter().any(|(known, _)| known == key)))
            }
            _ => Ok(false),
        }
    }

    /// A comparison of long texts or lists costs their length.
    fn pay_for(&mut self, node: &Node, value: &Value<'v>) -> Result<(), EvalError> {
        let paid = match value {
            Value::Text(text) => self.budget.take_bytes(text.len()),
            Value::List(items) => self.budget.take(items.len() as u64),
            Value::Map(entries) => self.budget.take(entries.len() as u64),
            _ => Ok(()),
        };
        paid.map_err(at(node))
    }

    pub(super) fn arithmetic(&mut self, node: &'v Node) -> Out<'v> {
        let result = match &node.kind {
            NodeKind::Negate(inner) => match self.eval(inner)? {
                Value::Int(value) => value.checked_neg().map(Value::Int).ok_or(Failure::Overflow),
                Value::Duration(value) => value.checked_neg().map(Value::Duration).ok_or(Failure::Overflow),
                Value::Double(value) => Ok(Value::Double(-value)),
                _ => Err(Failure::Argument),
            },
            NodeKind::Binary(op, left, right) => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                match (left, right) {
                    (Value::Text(left), Value::Text(right)) => return self.join_texts(node, left, &right),
                    (Value::List(mut left), Value::List(right)) => {
                        self.budget.take((left.len() + right.len()) as u64).map_err(at(node))?;
                        left.extend(right);
                        Ok(Value::List(left))
                    }
                    (left, right) => numbers(*op, &left, &right),
                }
            }
            _ => Err(Failure::Argument),
        };
        result.map_err(at(node))
    }

    fn join_texts(&mut self, node: &Node, left: Cow<'v, str>, right: &str) -> Out<'v> {
        self.budget.take_bytes(left.len() + right.len()).map_err(at(node))?;
        let mut text = left.into_owned();
        text.push_str(right);
        Ok(Value::Text(Cow::Owned(text)))
    }
}

fn equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Int(_), Value::Double(_)) | (Value::Double(_), Value::Int(_)) => {
            order(left, right) == Some(Ordering::Equal)
        }
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Map(left), Value::Map(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.iter().any(|(other, item)| key == other && equal(value, item)))
        }
        _ => left == right,
    }
}

#[expect(clippy::cast_precision_loss, reason = "as CEL compares whole numbers with others")]
fn order(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Int(left), Value::Int(right)) | (Value::Duration(left), Value::Duration(right)) => {
            Some(left.cmp(right))
        }
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(right),
        (Value::Int(left), Value::Double(right)) => (*left as f64).partial_cmp(right),
        (Value::Double(left), Value::Int(right)) => left.partial_cmp(&(*right as f64)),
        (Value::Time(left), Value::Time(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn numbers<'v>(op: Op, left: &Value<'v>, right: &Value<'v>) -> Result<Value<'v>, Failure> {
    let moment = |micros: Option<i64>| micros.map(|micros| Value::Time(Timestamp::from_micros(micros)));
    let result = match (left, op, right) {
        (Value::Int(left), _, Value::Int(right)) => return whole(op, *left, *right),
        (Value::Double(left), _, Value::Double(right)) => return Ok(Value::Double(float(op, *left, *right))),
        (Value::Time(at), Op::Add, Value::Duration(span)) | (Value::Duration(span), Op::Add, Value::Time(at)) => {
            moment(at.micros().checked_add(*span))
        }
        (Value::Time(at), Op::Subtract, Value::Duration(span)) => moment(at.micros().checked_sub(*span)),
        (Value::Time(left), Op::Subtract, Value::Time(right)) => {
            left.micros().checked_sub(right.micros()).map(Value::Duration)
        }
        (Value::Duration(left), Op::Add, Value::Duration(right)) => left.checked_add(*right).map(Value::Duration),
        (Value::Duration(left), Op::Subtract, Value::Duration(right)) => left.checked_sub(*right).map(Value::Duration),
        _ => return Err(Failure::Argument),
    };
    result.ok_or(Failure::Overflow)
}

fn whole<'v>(op: Op, left: i64, right: i64) -> Result<Value<'v>, Failure> {
    if right == 0 && matches!(op, Op::Divide | Op::Remainder) {
        return Err(Failure::DivisionByZero);
    }
    let result = match op {
        Op::Add => left.checked_add(right),
        Op::Subtract => left.checked_sub(right),
        Op::Multiply => left.checked_mul(right),
        Op::Divide => left.checked_div(right),
        _ => left.checked_rem(right),
    };
    result.map(Value::Int).ok_or(Failure::Overflow)
}

fn float(op: Op, left: f64, right: f64) -> f64 {
    match op {
        Op::Add => left + right,
        Op::Subtract => left - right,
        Op::Multiply => left * right,
        _ => left / right,
    }
}
