//! The pass over the bytes: lines become segments, and what is odd about them is noted once.

use super::{ParseProblem, is_blank};
use crate::index::{Entry, Index};
use crate::scan::scan;
use crate::{Finding, Limits, SegmentId, Severity, error_code};

/// What the lines of a message were like.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    line_feed: bool,
    pair: bool,
    blank: bool,
    leading: bool,
    lower_case: Option<u32>,
    unterminated: bool,
}

impl Seen {
    pub(super) fn canonical(&self) -> bool {
        !(self.line_feed || self.pair || self.blank || self.leading || self.unterminated)
    }

    pub(super) fn report(&self, findings: &mut Vec<Finding>) {
        use Severity::{Information, Warning};
        let mut note =
            |severity, code, rule, text: &'static str| findings.push(Finding::new(severity, code, rule, text));
        if self.leading {
            note(Information, 0, "segment.leading", "a byte order mark or blank lines before MSH were skipped");
        }
        if self.line_feed {
            note(
                Warning,
                0,
                "segment.line-feed",
                "segments end with line feeds; the standard's end is a carriage return",
            );
        }
        if self.pair {
            note(Warning, 0, "segment.crlf", "segments end with CR LF; the standard's end is a carriage return");
        }
        if self.blank {
            note(Information, 0, "segment.blank", "blank lines were skipped");
        }
        if self.unterminated {
            note(Information, 0, "segment.unterminated", "the last segment has no carriage return");
        }
        if let Some(line) = self.lower_case {
            let text = "a segment id is in lower case; read as upper case";
            findings.push(Finding::warning(error_code::SEGMENT_SEQUENCE, "segment.lower-case", text).on_line(line));
        }
    }
}

/// The pass over the bytes.
pub(super) struct Lines<'a> {
    raw: &'a [u8],
    start: usize,
    field: u8,
    limits: &'a Limits,
    pub(super) index: Index,
    pub(super) seen: Seen,
    /// Where the current line begins.
    line_start: usize,
    /// Its number, from 1.
    pub(super) line: u32,
    /// How many separators came before it.
    first: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(raw: &'a [u8], start: usize, line: u32, field: u8, limits: &'a Limits) -> Self {
        let index = Index::for_size(raw.len() - start);
        let seen = Seen { leading: start > 0, ..Seen::default() };
        Self { raw, start, field, limits, index, seen, line_start: start, line, first: 0 }
    }

    pub(super) fn read(&mut self) -> Result<(), ParseProblem> {
        let (start, field) = (self.start, self.field);
        let body = self.raw.get(start..).unwrap_or_default();
        scan(body, field, |at, byte| {
            let at = start + at;
            if byte == field {
                #[expect(clippy::cast_possible_truncation, reason = "the size was checked against 32 bits")]
                self.index.separators.push(at as u32);
                return Ok(());
            }
            self.line_end(at, byte)
        })?;
        if self.line_start < self.raw.len() {
            let before = self.index.segments.len();
            self.finish(self.raw.len())?;
            self.seen.unterminated = self.index.segments.len() > before;
        }
        Ok(())
    }

    fn line_end(&mut self, at: usize, byte: u8) -> Result<(), ParseProblem> {
        if byte == b'\n' {
            if !self.limits.line_feeds {
                return Err(ParseProblem::LineFeed);
            }
            let pair = at == self.line_start && at > self.start && self.raw.get(at - 1) == Some(&b'\r');
            if pair {
                self.seen.pair = true;
                self.line_start = at + 1;
                return Ok(());
            }
            self.seen.line_feed = true;
        }
        self.finish(at)?;
        self.line_start = at + 1;
        self.line += 1;
        Ok(())
    }

    fn finish(&mut self, end: usize) -> Result<(), ParseProblem> {
        let line = self.raw.get(self.line_start..end).unwrap_or_default();
        let id = match line.get(3) {
            None if line.len() == 3 => SegmentId::of_line(line),
            Some(&byte) if byte == self.field => SegmentId::of_line(line),
            _ => None,
        };
        let Some(id) = id else {
            if line.iter().all(|&b| is_blank(b)) {
                self.seen.blank = true;
                return Ok(());
            }
            return Err(ParseProblem::NotASegment);
        };
        match id.as_bytes() {
            b"MSH" if !self.index.segments.is_empty() => return Err(ParseProblem::SecondHeader),
            b"FHS" | b"BHS" | b"BTS" | b"FTS" => return Err(ParseProblem::Batch),
            _ => {}
        }
        if !line.starts_with(id.as_bytes()) && self.seen.lower_case.is_none() {
            self.seen.lower_case = Some(self.line);
        }
        if self.index.segments.len() >= self.limits.segments {
            return Err(ParseProblem::TooManySegments { limit: self.limits.segments });
        }
        if self.index.separators.len() > self.limits.fields {
            return Err(ParseProblem::TooManyFields { limit: self.limits.fields });
        }
        #[expect(clippy::cast_possible_truncation, reason = "the size was checked against 32 bits")]
        self.index.segments.push(Entry {
            id,
            start: self.line_start as u32,
            end: end as u32,
            first: self.first as u32,
        });
        self.first = self.index.separators.len();
        Ok(())
    }
}
