//! Checking one document: problems with their place, and the checks that many kinds share.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use barid_expr::{Scope, Type};
use barid_hl7::{Charset, Path};
use barid_transform::StepError;

use super::shelf::Entry;
use crate::document::{Period, SecretName, SecretValue};
use crate::expression::Expression;
use crate::problem::{Problem, ProblemSeverity};
use crate::settings::{Secret, SecretFile};

/// The problems of one document.
pub(crate) struct Check<'a> {
    entry: &'a Entry,
    problems: &'a mut Vec<Problem>,
    errors: usize,
}

impl<'a> Check<'a> {
    pub(crate) fn new(entry: &'a Entry, problems: &'a mut Vec<Problem>) -> Self {
        Self { entry, problems, errors: 0 }
    }

    /// Whether no error was found.
    pub(crate) const fn is_good(&self) -> bool {
        self.errors == 0
    }

    pub(crate) fn namespace(&self) -> &'a str {
        self.entry.name.namespace()
    }

    /// The file it stands in, relative to the folder of documents.
    pub(crate) fn file(&self) -> &'a str {
        &self.entry.file
    }

    /// An error in a field of `spec`.
    pub(crate) fn error(&mut self, field: &str, text: impl Display, remedy: impl Display) {
        self.errors += 1;
        self.report(ProblemSeverity::Error, field, &text, &remedy);
    }

    /// An error of this document that stands in another one, which it uses.
    pub(crate) fn error_in(&mut self, entry: &Entry, field: &str, text: impl Display, remedy: impl Display) {
        self.errors += 1;
        let field = format!("spec.{field}");
        let at = entry.at(&field);
        self.problems.push(Problem {
            file: entry.file.to_string(),
            line: at.line,
            column: at.column,
            severity: ProblemSeverity::Error,
            document: entry.label(),
            field,
            text: format!("{text} (applied by {})", self.entry.label()),
            remedy: remedy.to_string(),
        });
    }

    /// Something to look at in a field of `spec`.
    pub(crate) fn warning(&mut self, field: &str, text: impl Display, remedy: impl Display) {
        self.report(ProblemSeverity::Warning, field, &text, &remedy);
    }

    fn report(&mut self, severity: ProblemSeverity, field: &str, text: &dyn Display, remedy: &dyn Display) {
        let field = if field.is_empty() { "spec".to_owned() } else { format!("spec.{field}") };
        // What could not be read was left out: that something is missing there has been said in better words.
        if self.entry.unread.iter().any(|unread| is_within(unread, &field)) {
            return;
        }
        let at = self.entry.at(&field);
        self.problems.push(Problem {
            file: self.entry.file.to_string(),
            line: at.line,
            column: at.column,
            severity,
            document: self.entry.label(),
            field,
            text: text.to_string(),
            remedy: remedy.to_string(),
        });
    }

    /// A number within its range, or an error.
    pub(crate) fn range<T: PartialOrd + Display + Copy>(
        &mut self,
        field: &str,
        value: T,
        range: RangeInclusive<T>,
    ) -> T {
        if !range.contains(&value) {
            let (low, high) = (range.start(), range.end());
            self.error(field, format!("{value} is out of range"), format!("write {low} to {high}"));
        }
        value
    }

    /// A length of time within its range, or an error.
    pub(crate) fn period(&mut self, field: &str, value: Period, range: RangeInclusive<Period>) -> Duration {
        self.range(field, value, range).duration()
    }

    /// At most so many values, or an error.
    pub(crate) fn at_most(&mut self, field: &str, count: usize, most: usize) {
        if count > most {
            self.error(field, format!("there are {count} values"), format!("keep at most {most}"));
        }
    }

    /// Exactly one of several fields that exclude each other: its name, or none and an error.
    pub(crate) fn one_of(&mut self, field: &str, fields: &[(&'static str, bool)]) -> Option<&'static str> {
        let given: Vec<&'static str> = fields.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        let all = fields.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        match given.as_slice() {
            [one] => Some(one),
            [] => {
                self.error(field, format!("none of {all} is there"), "write exactly one of them");
                None
            }
            more => {
                let both = more.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
                self.error(field, format!("{both} exclude each other"), "keep exactly one of them");
                None
            }
        }
    }

    /// A checked expression, or an error with its place in the text.
    pub(crate) fn expression(&mut self, field: &str, source: &str, scope: &Scope, want: Type) -> Option<Expression> {
        match Expression::compile(source, scope, want) {
            Ok(expression) => Some(expression),
            Err(error) => {
                self.error(field, at_character(&error.text, source, Some(error.offset)), error.remedy);
                None
            }
        }
    }

    /// The errors of mapping steps; their places are within `spec`.
    pub(crate) fn steps(&mut self, errors: Vec<StepError>) {
        for error in errors {
            let text = match error.offset {
                Some(offset) if offset > 0 => format!("{} (at character {})", error.text, offset + 1),
                _ => error.text,
            };
            self.error(&error.place, text, error.remedy);
        }
    }

    /// A path in a message, or an error.
    pub(crate) fn path(&mut self, field: &str, text: &str) -> Option<Path> {
        match Path::parse(text) {
            Ok(path) => Some(path),
            Err(error) => {
                self.error(
                    field,
                    format!("`{text}` is not a path: {error}"),
                    "write one such as PID-3[2].4 or OBX[*]-5",
                );
                None
            }
        }
    }

    /// A charset by its name, or an error.
    pub(crate) fn charset(&mut self, field: &str, name: &str) -> Option<Charset> {
        match Charset::from_name(name) {
            Ok(charset) => Some(charset),
            Err(error) => {
                self.error(
                    field,
                    format!("`{name}`: {error}"),
                    "write a name of HL7 table 0211, such as UNICODE UTF-8",
                );
                None
            }
        }
    }

    /// A file of a secret of this document's namespace.
    pub(crate) fn secret_file(&mut self, field: &str, secret: &SecretName, key: &str) -> SecretFile {
        self.secret_part(field, &secret.secret);
        self.file_of(&secret.secret, key)
    }

    fn file_of(&self, secret: &str, key: &str) -> SecretFile {
        SecretFile { namespace: self.namespace().to_owned(), secret: secret.to_owned(), key: key.to_owned() }
    }

    /// Where a secret value is to be read, or an error.
    pub(crate) fn secret(&mut self, field: &str, value: &SecretValue) -> Option<Secret> {
        match (&value.secret, &value.key, &value.env) {
            (Some(secret), Some(key), None) => {
                self.secret_part(&format!("{field}.secret"), secret);
                self.secret_part(&format!("{field}.key"), key);
                Some(Secret::File(self.file_of(secret, key)))
            }
            (None, None, Some(name)) if !name.is_empty() && !name.contains(['=', '\0']) => {
                Some(Secret::Env(name.clone()))
            }
            _ => {
                self.error(
                    field,
                    "a secret is `secret` and `key`, or `env` alone",
                    "write {secret: NAME, key: KEY} or {env: NAME}",
                );
                None
            }
        }
    }

    /// A secret's name and key are names of a folder and a file: nothing else may be reached with them.
    fn secret_part(&mut self, field: &str, part: &str) {
        let plain = part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !plain || part.is_empty() || part.starts_with('.') || part.len() > 253 {
            self.error(
                field,
                format!("`{part}` cannot be the name of a secret or key"),
                "use letters, digits, `-`, `_` and `.`, first no `.`",
            );
        }
    }
}

/// Whether a field is another one or stands inside it.
fn is_within(field: &str, outer: &str) -> bool {
    field.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Adds the place in an expression to what is wrong with it.
fn at_character(text: &str, source: &str, offset: Option<usize>) -> String {
    match offset {
        Some(offset) if offset > 0 && source.len() > 1 => {
            let character = source.get(..offset).map_or(offset, |before| before.chars().count()) + 1;
            format!("{text} (at character {character})")
        }
        _ => text.to_owned(),
    }
}
