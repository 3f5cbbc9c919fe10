//! From received bytes to an indexed message: one pass over the bytes, no copy, and findings for what was tolerated.
//!
//! Refused is only what cannot be read without guessing: no header, delimiters that contradict each other, a line that
//! is no segment (never glued to the one before), two messages in one. Everything else is for validation to judge.

use bytes::Bytes;

use crate::ack::Disposition;
use crate::index::{Entry, Index};
use crate::message::{Layout, Message};
use crate::scan::scan;
use crate::value::Context;
use crate::{
    Charset, CharsetError, DelimiterError, Delimiters, Finding, Header, Limits, Path, SegmentId, Severity, Version,
    error_code,
};

/// A message and what was tolerated to read it.
#[derive(Debug)]
pub struct Parsed {
    /// The message.
    pub message: Message,
    /// Warnings and notes; no errors, those are [`ParseError`]s.
    pub findings: Vec<Finding>,
}

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseProblem {
    /// Nothing, or only white space.
    #[error("the message is empty")]
    Empty,
    /// It does not begin with MSH.
    #[error("the message does not begin with an MSH segment")]
    NoHeader,
    /// UTF-16 or UTF-32.
    #[error("the message is UTF-16 or UTF-32 text, which cannot be framed safely; send UTF-8")]
    Unframable,
    /// It begins with FHS or BHS, or holds batch segments.
    #[error("this is a batch or file (FHS, BHS), not a single message")]
    Batch,
    /// MSH-1 or MSH-2 cannot be used.
    #[error("{0}")]
    Delimiters(DelimiterError),
    /// A line that is no segment.
    #[error(
        "this line is not a segment (three characters and a field separator); a line end inside a field has to be \
         escaped as \\.br\\ or \\X0D\\"
    )]
    NotASegment,
    /// A second MSH.
    #[error("a second MSH segment: two messages in one frame are not accepted as one")]
    SecondHeader,
    /// A line feed, and the setting does not accept it.
    #[error("a line feed where segments have to end with a carriage return")]
    LineFeed,
    /// More bytes than the limit.
    #[error("the message is larger than {limit} bytes")]
    TooLarge {
        /// [`Limits::message_bytes`].
        limit: usize,
    },
    /// More segments than the limit.
    #[error("the message has more than {limit} segments")]
    TooManySegments {
        /// [`Limits::segments`].
        limit: usize,
    },
    /// More fields than the limit.
    #[error("the message has more than {limit} fields")]
    TooManyFields {
        /// [`Limits::fields`].
        limit: usize,
    },
}

/// Bytes that are not a message, with what an answer needs.
#[derive(Debug, thiserror::Error)]
#[error("{}{problem}", at_line(.line))]
pub struct ParseError {
    /// What is wrong.
    pub problem: ParseProblem,
    /// Line of the received text, from 1.
    pub line: Option<u32>,
    /// What could be read of the header.
    pub header: Box<Header>,
}

fn at_line(line: &Option<u32>) -> String {
    line.map(|line| format!("line {line}: ")).unwrap_or_default()
}

impl ParseError {
    /// The code of table 0357.
    pub fn code(&self) -> u16 {
        match self.problem {
            ParseProblem::Delimiters(error) => error.code(),
            ParseProblem::Batch => error_code::MESSAGE_TYPE,
            ParseProblem::Unframable => error_code::DATA_TYPE,
            ParseProblem::TooLarge { .. }
            | ParseProblem::TooManySegments { .. }
            | ParseProblem::TooManyFields { .. } => error_code::TOO_LONG,
            ParseProblem::Empty
            | ParseProblem::NoHeader
            | ParseProblem::NotASegment
            | ParseProblem::SecondHeader
            | ParseProblem::LineFeed => error_code::SEGMENT_SEQUENCE,
        }
    }

    /// Where, if the place has an address.
    pub fn path(&self) -> Option<Path> {
        match self.problem {
            ParseProblem::Delimiters(error) => Some(Path::msh(error.field())),
            _ => None,
        }
    }

    /// Whether to answer with an error (content) or a rejection (this is nothing we can take).
    pub fn disposition(&self) -> Disposition {
        match self.problem {
            ParseProblem::NotASegment | ParseProblem::SecondHeader | ParseProblem::LineFeed => Disposition::Error,
            _ => Disposition::Rejected,
        }
    }

    /// As a finding, for acknowledgements and the ledger.
    pub fn finding(&self) -> Finding {
        let mut finding = Finding::error(self.code(), self.rule(), self.problem.to_string());
        finding.path = self.path();
        finding.line = self.line;
        finding
    }

    fn rule(&self) -> &'static str {
        match self.problem {
            ParseProblem::Empty => "parse.empty",
            ParseProblem::NoHeader => "parse.no-header",
            ParseProblem::Unframable => "parse.unframable",
            ParseProblem::Batch => "parse.batch",
            ParseProblem::Delimiters(_) => "parse.delimiters",
            ParseProblem::NotASegment => "parse.not-a-segment",
            ParseProblem::SecondHeader => "parse.second-header",
            ParseProblem::LineFeed => "parse.line-feed",
            ParseProblem::TooLarge { .. } => "parse.too-large",
            ParseProblem::TooManySegments { .. } => "parse.too-many-segments",
            ParseProblem::TooManyFields { .. } => "parse.too-many-fields",
        }
    }
}

/// The offset of the first byte that is neither byte order mark nor white space, and the number of line ends before it.
pub(crate) fn skip_leading(raw: &[u8]) -> (usize, u32) {
    let start = if raw.starts_with(&[0xEF, 0xBB, 0xBF]) { 3 } else { 0 };
    let rest = raw.get(start..).unwrap_or_default();
    let blank = rest.iter().position(|&b| !is_blank(b)).unwrap_or(rest.len());
    let lines = rest.get(..blank).unwrap_or_default();
    let returns = lines.iter().filter(|&&b| b == b'\r').count();
    let feeds = lines.iter().filter(|&&b| b == b'\n').count();
    (start + blank, u32::try_from(returns.max(feeds)).unwrap_or(u32::MAX))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0)
}

pub(crate) fn parse(raw: Bytes, limits: &Limits) -> Result<Parsed, ParseError> {
    let fail = |problem, line, header| ParseError { problem, line, header: Box::new(header) };
    let limit = limits.message_bytes.min(Limits::ADDRESSABLE);
    if raw.len() > limit {
        return Err(fail(ParseProblem::TooLarge { limit }, None, Header::read(&raw)));
    }
    let (start, lines) = skip_leading(&raw);
    let delimiters = match begin(raw.get(start..).unwrap_or_default()) {
        Ok(delimiters) => delimiters,
        Err(problem) => return Err(fail(problem, Some(lines + 1), Header::read(&raw))),
    };
    let mut lines = Lines::new(&raw, start, lines + 1, delimiters.field, limits);
    if let Err(problem) = lines.read() {
        return Err(fail(problem, Some(lines.line), Header::read(&raw)));
    }
    let Lines { index, seen, .. } = lines;
    let mut findings = Vec::new();
    seen.report(&mut findings);
    let mut header = header(&raw, &index, Context { delimiters, charset: Charset::Ascii });
    let (charset, finding) = resolve_charset(&header, &raw, limits.fallback_charset);
    header.set_charset(charset);
    findings.extend(finding);
    header_findings(&header, &mut findings);
    let layout = Layout {
        start: u32::try_from(start).unwrap_or(0),
        canonical: start == 0 && seen.canonical(),
    };
    let message = Message::assemble(raw, header, index, layout);
    message.escape_findings(&mut findings);
    Ok(Parsed { message, findings })
}

fn begin(rest: &[u8]) -> Result<Delimiters, ParseProblem> {
    match rest {
        [] => Err(ParseProblem::Empty),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [b'M', 0, ..] => Err(ParseProblem::Unframable),
        [b'M', b'S', b'H', ..] => Delimiters::read(rest).map_err(ParseProblem::Delimiters),
        [b'F' | b'B', b'H', b'S', ..] => Err(ParseProblem::Batch),
        _ => Err(ParseProblem::NoHeader),
    }
}

fn header(raw: &Bytes, index: &Index, context: Context) -> Header {
    let Some((entry, separators)) = index.get(0) else { return Header::default() };
    let line = raw.slice(entry.start as usize..entry.end as usize);
    Header::new(line, context, separators.iter().map(|at| at - entry.start))
}

fn header_findings(header: &Header, findings: &mut Vec<Finding>) {
    let text = header.version_text();
    let version = Version::from_name(&text);
    if version.is_none() {
        let nearest = Version::nearest(&text).name();
        findings.push(
            Finding::warning(
                error_code::VERSION,
                "version.unknown",
                format!("this version is not known; read as {nearest}"),
            )
            .at(Path::msh(12).with_component(1)),
        );
    }
    if header.delimiters().truncation.is_some() && version.unwrap_or(Version::ASSUMED) < Version::V2_7 {
        findings.push(
            Finding::warning(
                error_code::DATA_TYPE,
                "delimiters.truncation",
                "MSH-2 has a fifth character (truncation), which exists from version 2.7 on",
            )
            .at(Path::msh(2)),
        );
    }
}

/// What the lines of a message were like.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    line_feed: bool,
    pair: bool,
    blank: bool,
    leading: bool,
    lower_case: Option<u32>,
    unterminated: bool,
}

impl Seen {
    fn canonical(&self) -> bool {
        !(self.line_feed || self.pair || self.blank || self.leading || self.unterminated)
    }

    fn report(&self, findings: &mut Vec<Finding>) {
        use Severity::{Information, Warning};
        let mut note = |severity, code, rule, text: &'static str| findings.push(Finding::new(severity, code, rule, text));
        if self.leading {
            note(Information, 0, "segment.leading", "a byte order mark or blank lines before MSH were skipped");
        }
        if self.line_feed {
            note(Warning, 0, "segment.line-feed", "segments end with line feeds; the standard's end is a carriage return");
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
struct Lines<'a> {
    raw: &'a [u8],
    start: usize,
    field: u8,
    limits: &'a Limits,
    index: Index,
    seen: Seen,
    /// Where the current line begins.
    line_start: usize,
    /// Its number, from 1.
    line: u32,
    /// How many separators came before it.
    first: usize,
}

impl<'a> Lines<'a> {
    fn new(raw: &'a [u8], start: usize, line: u32, field: u8, limits: &'a Limits) -> Self {
        let index = Index::for_size(raw.len() - start);
        let seen = Seen { leading: start > 0, ..Seen::default() };
        Self { raw, start, field, limits, index, seen, line_start: start, line, first: 0 }
    }

    fn read(&mut self) -> Result<(), ParseProblem> {
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

/// The set to read a message in: the declared one if its bytes agree, else UTF-8 if they are that, else the fallback.
pub(crate) fn resolve_charset(header: &Header, raw: &[u8], fallback: Charset) -> (Charset, Option<Finding>) {
    let declared = header.declared_charset();
    let place = Path::msh(18);
    let named = if declared.is_empty() { Ok(Charset::Ascii) } else { Charset::from_name(&declared) };
    let (rule, code, text) = match named {
        Ok(charset) if charset.check(raw) => return (charset, None),
        Ok(Charset::Ascii) => {
            ("charset.undeclared", error_code::DATA_TYPE, "bytes above 0x7F, and MSH-18 declares no character set for them")
        }
        Ok(_) => ("charset.invalid", error_code::DATA_TYPE, "bytes that the character set declared in MSH-18 does not have"),
        Err(CharsetError::Unframable) => {
            ("charset.unframable", error_code::TABLE_VALUE, "MSH-18 declares UTF-16 or UTF-32, but the message is neither")
        }
        Err(CharsetError::Unsupported) => {
            ("charset.unsupported", error_code::TABLE_VALUE, "the character set declared in MSH-18 is not supported")
        }
        Err(CharsetError::Unknown) => {
            ("charset.unknown", error_code::TABLE_VALUE, "MSH-18 is no character set of table 0211")
        }
    };
    let utf8 = named != Ok(Charset::Utf8) && std::str::from_utf8(raw).is_ok();
    let charset = match named {
        Err(_) if raw.is_ascii() => Charset::Ascii,
        _ if utf8 => Charset::Utf8,
        _ => fallback,
    };
    let text = format!("{text}; read as {}", charset.hl7_name());
    (charset, Some(Finding::warning(code, rule, text).at(place)))
}
