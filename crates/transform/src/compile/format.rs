//! Compilation of the verb `format`.

use barid_expr::date::Pattern;
use regex::{Regex, RegexBuilder};

use super::{Around, Compiler};
use crate::document::{self, DateFormat, Pad, Replace};
use crate::mapping::{Format, Rewrite};

/// Longest regular expression and replacement, in characters.
const PATTERN_CHARS_MAX: usize = 1_000;
/// Memory of one compiled regular expression.
const REGEX_MEMORY_MAX: usize = 1 << 20;
/// Widest padding, in characters: HL7's longest fixed widths are below 300.
const PAD_WIDTH_MAX: u32 = 1_000;

impl Compiler<'_> {
    pub(super) fn format(&mut self, format: &document::Format, around: &Around<'_>) -> Option<Format> {
        let at = self.writable(&format.path, &format!("{}.format.path", around.place), around.scope);
        let place = |field: &str| format!("{}.format.{field}", around.place);
        let how = match format {
            document::Format { date: Some(date), pad: None, case: None, replace: None, trim: None, .. } => {
                self.date(date, &place("date"))
            }
            document::Format { date: None, pad: Some(pad), case: None, replace: None, trim: None, .. } => {
                self.pad(pad, &place("pad"))
            }
            document::Format { date: None, pad: None, case: Some(case), replace: None, trim: None, .. } => {
                Some(Rewrite::Case(*case))
            }
            document::Format { date: None, pad: None, case: None, replace: Some(replace), trim: None, .. } => {
                self.replace(replace, &place("replace"))
            }
            document::Format { date: None, pad: None, case: None, replace: None, trim: Some(true), .. } => {
                Some(Rewrite::Trim)
            }
            _ => {
                let text = "the way of rewriting has to be said once";
                self.error(
                    format!("{}.format", around.place),
                    text,
                    "give one of date, pad, case, replace, `trim: true`",
                );
                None
            }
        };
        Some(Format { at: at?, how: how? })
    }

    fn date(&mut self, date: &DateFormat, place: &str) -> Option<Rewrite> {
        let from = match &date.from {
            None => Some(Pattern::hl7()),
            Some(text) => self.pattern(text, format!("{place}.from")),
        };
        let to = self.pattern(&date.to, format!("{place}.to"));
        Some(Rewrite::Date { from: from?, to: to?, on_mismatch: date.on_mismatch.unwrap_or_default() })
    }

    fn pattern(&mut self, text: &str, place: String) -> Option<Pattern> {
        match Pattern::compile(text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                self.error(place, error.text, error.remedy);
                None
            }
        }
    }

    fn pad(&mut self, pad: &Pad, place: &str) -> Option<Rewrite> {
        if !(1..=PAD_WIDTH_MAX).contains(&pad.width) {
            self.error(format!("{place}.width"), "the width is out of range", format!("write 1 to {PAD_WIDTH_MAX}"));
            return None;
        }
        let mut with = pad.with.as_deref().unwrap_or(" ").chars();
        let (Some(with), None) = (with.next(), with.next()) else {
            self.error(format!("{place}.with"), "padding is done with one character", "write for instance '0'");
            return None;
        };
        let width = usize::try_from(pad.width).unwrap_or(1);
        Some(Rewrite::Pad { width, with, side: pad.side.unwrap_or_default() })
    }

    fn replace(&mut self, replace: &Replace, place: &str) -> Option<Rewrite> {
        let long = |text: &str| text.chars().count() > PATTERN_CHARS_MAX;
        if long(&replace.pattern) || long(&replace.with) {
            let text = format!("the pattern or replacement is longer than {PATTERN_CHARS_MAX} characters");
            self.error(place.to_owned(), text, "split it into several steps");
            return None;
        }
        let builder =
            RegexBuilder::new(&replace.pattern).size_limit(REGEX_MEMORY_MAX).dfa_size_limit(REGEX_MEMORY_MAX).build();
        let pattern = match builder {
            Ok(pattern) => pattern,
            Err(error) => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                let remedy = "see the syntax of Rust's regex crate: no look-around and no back-references";
                self.error(format!("{place}.pattern"), format!("not a regular expression: {last}"), remedy);
                return None;
            }
        };
        if let Some(group) = missing_group(&pattern, &replace.with) {
            let text = format!("the pattern has no group `{group}`");
            let remedy = "write `${1}` where a letter, digit or _ follows the number, `$$` for a dollar sign";
            self.error(format!("{place}.with"), text, remedy);
            return None;
        }
        Some(Rewrite::Replace { pattern, with: replace.with.as_str().into() })
    }
}

/// A group that a replacement names and the pattern does not have; it would silently become nothing.
fn missing_group(pattern: &Regex, with: &str) -> Option<String> {
    let mut rest = with;
    while let Some(at) = rest.find('$') {
        rest = rest.get(at + 1..)?;
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
            continue;
        }
        let braced = rest.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let name = match braced {
            Some((name, _)) => name,
            None => rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default(),
        };
        let known = match name.parse::<usize>() {
            Ok(number) => number < pattern.captures_len(),
            Err(_) => pattern.capture_names().flatten().any(|known| known == name),
        };
        if !known {
            return Some(name.to_owned());
        }
    }
    None
}
