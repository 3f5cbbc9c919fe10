//! Functions of the table, on arguments whose types are known to fit.

use std::borrow::Cow;

use super::{Out, Run, SLOW, at, text};
use crate::date::{read_duration, read_timestamp, write_duration, write_timestamp};
use crate::error::Failure;
use crate::function::Function;
use crate::node::Node;
use crate::value::Value;

/// The arguments of a call, three at most.
type Args<'v> = [Option<Value<'v>>; 3];

impl<'v> Run<'v, '_> {
    pub(super) fn call(&mut self, node: &'v Node, function: Function, args: &'v [Node]) -> Out<'v> {
        let mut values: Args<'v> = [None, None, None];
        for (slot, arg) in values.iter_mut().zip(args) {
            let value = self.eval(arg)?;
            if let Value::Text(text) = &value {
                let slow = matches!(function, Function::Upper | Function::Lower | Function::Replace);
                let bytes = text.len().saturating_mul(if slow { SLOW } else { 1 });
                self.budget.take_bytes(bytes).map_err(at(node))?;
            }
            *slot = Some(value);
        }
        self.apply(function, values).map_err(at(node))
    }

    fn apply(&mut self, function: Function, args: Args<'v>) -> Result<Value<'v>, Failure> {
        let [first, second, third] = args;
        let first = first.ok_or(Failure::Argument)?;
        match function {
            Function::Size => size(&first),
            Function::Int => int(first),
            Function::Double => double(first),
            Function::String => string(first),
            Function::Timestamp => read_timestamp(&first.into_text()).map(Value::Time).ok_or(Failure::NotADate),
            Function::Duration => read_duration(&first.into_text()).map(Value::Duration).ok_or(Failure::NotADate),
            Function::Join => self.join(first, second),
            Function::Split => self.split(first, second, third),
            Function::Replace => self.replace(first, second, third),
            Function::PadStart | Function::PadEnd => self.pad(function, first, second, third),
            Function::Substring => text::substring(first.into_text(), second, third),
            Function::CharAt => text::char_at(first.into_text(), second),
            _ => Ok(simple(function, first.into_text(), second)),
        }
    }

    fn join(&mut self, list: Value<'v>, separator: Option<Value<'v>>) -> Result<Value<'v>, Failure> {
        let Value::List(items) = list else { return Err(Failure::Argument) };
        let separator = separator.map(Value::into_text).unwrap_or_default();
        let mut joined = String::new();
        for (i, item) in items.into_iter().enumerate() {
            if i > 0 {
                joined.push_str(&separator);
            }
            let item = item.into_text();
            self.budget.take(1)?;
            self.budget.take_bytes(item.len() + separator.len())?;
            joined.push_str(&item);
        }
        Ok(Value::Text(Cow::Owned(joined)))
    }

    fn split(
        &mut self,
        of: Value<'v>,
        separator: Option<Value<'v>>,
        most: Option<Value<'v>>,
    ) -> Result<Value<'v>, Failure> {
        let (of, separator) = (of.into_text(), separator.map(Value::into_text).unwrap_or_default());
        let most = match most {
            Some(Value::Int(most)) if most >= 0 => usize::try_from(most).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        let mut parts = Vec::new();
        let mut rest = Some(of);
        while let Some(text) = rest.take() {
            if parts.len() >= most {
                break;
            }
            self.budget.take(1)?;
            let cut = if parts.len() + 1 < most { text::first_cut(&text, &separator) } else { None };
            match cut {
                Some((end, next)) => {
                    let (part, left) = text::cut(text, end, next);
                    // What is copied each time is the rest.
                    self.budget.take_bytes(left.len())?;
                    parts.push(Value::Text(part));
                    rest = Some(left);
                }
                None => parts.push(Value::Text(text)),
            }
        }
        Ok(Value::List(parts))
    }

    fn replace(
        &mut self,
        of: Value<'v>,
        what: Option<Value<'v>>,
        with: Option<Value<'v>>,
    ) -> Result<Value<'v>, Failure> {
        let of = of.into_text();
        let (what, with) =
            (what.map(Value::into_text).unwrap_or_default(), with.map(Value::into_text).unwrap_or_default());
        if !what.is_empty() && !of.contains(&*what) {
            return Ok(Value::Text(of));
        }
        // Paid before it is made: each occurrence may become as long as `with`.
        let times = if what.is_empty() { of.chars().count() + 1 } else { of.matches(&*what).count() };
        self.budget.take_bytes(of.len().saturating_add(times.saturating_mul(with.len())))?;
        Ok(Value::Text(Cow::Owned(of.replace(&*what, &with))))
    }

    fn pad(
        &mut self,
        function: Function,
        of: Value<'v>,
        width: Option<Value<'v>>,
        with: Option<Value<'v>>,
    ) -> Result<Value<'v>, Failure> {
        let (of, with) = (of.into_text(), with.map(Value::into_text).unwrap_or(Cow::Borrowed(" ")));
        let Some(Value::Int(width)) = width else { return Err(Failure::Argument) };
        let width = usize::try_from(width).map_err(|_| Failure::Argument)?;
        let missing = width.saturating_sub(of.chars().count());
        if missing == 0 || with.is_empty() {
            return Ok(Value::Text(of));
        }
        // A character takes at most four bytes.
        self.budget.take_bytes(missing.saturating_mul(4))?;
        let filling: String = with.chars().cycle().take(missing).collect();
        let text = if function == Function::PadStart { filling + &of } else { of.into_owned() + &filling };
        Ok(Value::Text(Cow::Owned(text)))
    }
}

/// Functions of one or two texts that cannot fail.
fn simple<'v>(function: Function, of: Cow<'v, str>, other: Option<Value<'v>>) -> Value<'v> {
    let other = other.map(Value::into_text).unwrap_or_default();
    let owned = |text: String| Value::Text(Cow::Owned(text));
    match function {
        Function::Contains => Value::Bool(of.contains(&*other)),
        Function::StartsWith => Value::Bool(of.starts_with(&*other)),
        Function::EndsWith => Value::Bool(of.ends_with(&*other)),
        Function::Upper => owned(of.to_uppercase()),
        Function::Lower => owned(of.to_lowercase()),
        Function::UpperAscii => owned(of.to_ascii_uppercase()),
        Function::LowerAscii => owned(of.to_ascii_lowercase()),
        Function::Trim => Value::Text(text::trim(of)),
        Function::IndexOf => Value::Int(text::position(&of, of.find(&*other))),
        Function::LastIndexOf => Value::Int(text::position(&of, of.rfind(&*other))),
        _ => Value::Text(of),
    }
}

fn size<'v>(value: &Value<'v>) -> Result<Value<'v>, Failure> {
    let size = match value {
        Value::Text(text) => text.chars().count(),
        Value::List(items) => items.len(),
        Value::Map(entries) => entries.len(),
        _ => return Err(Failure::Argument),
    };
    i64::try_from(size).map(Value::Int).map_err(|_| Failure::Overflow)
}

fn int(value: Value<'_>) -> Result<Value<'_>, Failure> {
    match value {
        Value::Int(value) => Ok(Value::Int(value)),
        #[expect(clippy::cast_possible_truncation, reason = "the range is tested, the fraction is cut as CEL has it")]
        Value::Double(value) if value > -9.2e18 && value < 9.2e18 => Ok(Value::Int(value as i64)),
        Value::Double(_) => Err(Failure::Overflow),
        other => other.into_text().parse().map(Value::Int).map_err(|_| Failure::NotANumber),
    }
}

#[expect(clippy::cast_precision_loss, reason = "that is what double() is")]
fn double(value: Value<'_>) -> Result<Value<'_>, Failure> {
    match value {
        Value::Int(value) => Ok(Value::Double(value as f64)),
        Value::Double(value) => Ok(Value::Double(value)),
        other => {
            let text = other.into_text();
            let number: Option<f64> = text.parse().ok().filter(|value: &f64| value.is_finite());
            number.map(Value::Double).ok_or(Failure::NotANumber)
        }
    }
}

fn string(value: Value<'_>) -> Result<Value<'_>, Failure> {
    let text = match value {
        Value::Text(text) => return Ok(Value::Text(text)),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Time(value) => write_timestamp(value).ok_or(Failure::Overflow)?,
        Value::Duration(value) => write_duration(value),
        Value::List(_) | Value::Map(_) => return Err(Failure::Argument),
    };
    Ok(Value::Text(Cow::Owned(text)))
}
