//! The verb `format`. A value with parts is rewritten part by part, so that its structure stays.

use barid_expr::Failure;
use barid_hl7::{Path, Presence, Value, error_code};
use regex::Regex;

use super::each::Order;
use super::{Machine, Run};
use crate::document::{Case, OnMismatch, Side};
use crate::failure::Stop;
use crate::mapping::{Format, Rewrite, Step};

/// How much slower a regular expression or a case table is than copying, for the budget.
const SLOW: usize = 4;
/// Bytes that a replacement may make of one value: what no message may exceed.
const REPLACED_BYTES_MAX: usize = 32 * 1024 * 1024;

impl Machine<'_, '_> {
    pub(super) fn format(&mut self, step: &Step, format: &Format) -> Run {
        let path = format.at.resolve(&self.items);
        self.places(path, Order::FirstToLast, |machine, place| {
            if machine.asked(step, place)? { machine.rewrite(&format.how, place) } else { Ok(()) }
        })
    }

    fn rewrite(&mut self, how: &Rewrite, place: Path) -> Run {
        self.pay(&place, 0)?;
        let Some(value) = self.draft.get(&place).filter(|value| value.presence() == Presence::Valued) else {
            return Ok(());
        };
        let mut leaves = Vec::new();
        if value.is_primitive() {
            leaves.push((place, value));
        } else if matches!(how, Rewrite::Date { .. } | Rewrite::Pad { .. }) {
            let text = "the value has parts: name the one to format, as in `PID-7.1`";
            return Err(Stop::at(place, error_code::DATA_TYPE, text).into());
        } else {
            collect(place, value, &mut leaves);
        }
        let mut changed = Vec::new();
        for (path, leaf) in leaves {
            if leaf.presence() != Presence::Valued {
                continue;
            }
            let text = leaf.text();
            self.budget.take(1)?;
            self.budget.take_bytes(text.len().saturating_mul(SLOW))?;
            let new = rewritten(how, &text).map_err(|stop| stop.or_at(path))?;
            // What did not change is not written: not even its escapes are spelt anew.
            changed.extend(new.filter(|new| **new != *text).map(|new| (path, new)));
        }
        for (path, text) in changed {
            self.write(path, &text)?;
        }
        Ok(())
    }
}

/// The primitive parts of a value, with their paths.
fn collect<'v>(path: Path, value: Value<'v>, leaves: &mut Vec<(Path, Value<'v>)>) {
    if value.is_primitive() {
        leaves.push((path, value));
        return;
    }
    for (part, n) in value.parts().zip(1_u16..) {
        let inner = if path.component().is_none() { path.with_component(n) } else { path.with_subcomponent(n) };
        collect(inner, part, leaves);
    }
}

/// The text in its new form; none where it stays.
fn rewritten(how: &Rewrite, text: &str) -> Result<Option<String>, Stop> {
    Ok(match how {
        Rewrite::Trim => Some(text.trim().to_owned()),
        Rewrite::Case(Case::Upper) => Some(text.to_uppercase()),
        Rewrite::Case(Case::Lower) => Some(text.to_lowercase()),
        Rewrite::Case(Case::Title) => Some(title(text)),
        Rewrite::Pad { width, with, side } => {
            let missing = width.saturating_sub(text.chars().count());
            let filling: String = std::iter::repeat_n(*with, missing).collect();
            Some(match side {
                Side::Start => filling + text,
                Side::End => text.to_owned() + &filling,
            })
        }
        Rewrite::Replace { pattern, with } => Some(replaced(pattern, with, text)?),
        Rewrite::Date { from, to, on_mismatch } => match from.read(text).and_then(|parts| to.write(&parts)) {
            Some(text) => Some(text),
            None => match on_mismatch {
                OnMismatch::Keep => None,
                OnMismatch::Empty => Some(String::new()),
                OnMismatch::Fail => {
                    return Err(Stop {
                        code: error_code::DATA_TYPE,
                        path: None,
                        text: "the text is not a date of the form `from` says, or lacks what `to` asks for".into(),
                    });
                }
            },
        },
    })
}

/// Each word with a capital letter. A word begins after anything that is neither a letter nor an apostrophe.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphabetic() || matches!(c, '\'' | '’') || (inside && is_mark(c));
    }
    out
}

/// Combining marks and Arabic vowel signs stand inside words.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{64b}'..='\u{65f}' | '\u{670}')
}

/// Every match replaced, up to a bound on what comes out.
fn replaced(pattern: &Regex, with: &str, text: &str) -> Result<String, Stop> {
    let groups = with.matches('$').count();
    let mut out = String::with_capacity(text.len());
    let mut last = 0;
    // Asked before it is written: each `$1` may be as long as the match.
    let room = |out: &String, matched: usize| {
        let most = out.len().saturating_add(with.len()).saturating_add(matched.saturating_mul(groups));
        if most > REPLACED_BYTES_MAX { Err(Stop::from(Failure::Steps)) } else { Ok(()) }
    };
    if groups == 0 {
        for found in pattern.find_iter(text) {
            room(&out, 0)?;
            out.push_str(text.get(last..found.start()).unwrap_or_default());
            out.push_str(with);
            last = found.end();
        }
    } else {
        for captures in pattern.captures_iter(text) {
            let (start, end) = captures.get(0).map_or((0, 0), |all| (all.start(), all.end()));
            room(&out, end - start)?;
            out.push_str(text.get(last..start).unwrap_or_default());
            captures.expand(with, &mut out);
            last = end;
        }
    }
    out.push_str(text.get(last..).unwrap_or_default());
    Ok(out)
}
