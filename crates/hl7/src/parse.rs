//! From received bytes to an indexed message: one pass over the bytes, no copy, and findings for what was tolerated.
//!
//! Refused is only what cannot be read without guessing: no header, delimiters that contradict each other, a line that
//! is no segment (never glued to the one before), two messages in one. Everything else is for validation to judge.

mod lines;
mod problem;

use bytes::Bytes;

use crate::ack::Disposition;
use crate::index::Index;
use crate::message::{Layout, Message};
use crate::value::Context;
use crate::{Charset, CharsetError, Delimiters, Finding, Header, Limits, Path, Version, error_code};
use lines::Lines;
pub use problem::{ParseError, ParseProblem};

/// A message and what was tolerated to read it.
#[derive(Debug)]
pub struct Parsed {
    /// The message.
    pub message: Message,
    /// Warnings and notes; no errors, those are [`ParseError`]s.
    pub findings: Vec<Finding>,
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
    let (charset, finding) = resolve_charset(&header, raw.get(start..).unwrap_or_default(), limits.fallback_charset);
    header.set_charset(charset);
    findings.extend(finding);
    header_findings(&header, &mut findings);
    let layout = Layout { start: u32::try_from(start).unwrap_or(0), canonical: start == 0 && seen.canonical() };
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

/// The set to read a message in: the declared one if its bytes agree, else UTF-8 if they are that, else the fallback.
pub(crate) fn resolve_charset(header: &Header, raw: &[u8], fallback: Charset) -> (Charset, Option<Finding>) {
    let declared = header.declared_charset();
    let place = Path::msh(18);
    let named = if declared.is_empty() { Ok(Charset::Ascii) } else { Charset::from_name(&declared) };
    let (rule, code, text) = match named {
        Ok(charset) if charset.check(raw) => return (charset, None),
        Ok(Charset::Ascii) => (
            "charset.undeclared",
            error_code::DATA_TYPE,
            "bytes above 0x7F, and MSH-18 declares no character set for them",
        ),
        Ok(_) => {
            ("charset.invalid", error_code::DATA_TYPE, "bytes that the character set declared in MSH-18 does not have")
        }
        Err(CharsetError::Unframable) => (
            "charset.unframable",
            error_code::TABLE_VALUE,
            "MSH-18 declares UTF-16 or UTF-32, but the message is neither",
        ),
        Err(CharsetError::Unsupported) => {
            ("charset.unsupported", error_code::TABLE_VALUE, "the character set declared in MSH-18 is not supported")
        }
        Err(CharsetError::Unknown) => {
            ("charset.unknown", error_code::TABLE_VALUE, "MSH-18 is no character set of table 0211")
        }
    };
    let charset = match named {
        Err(_) if raw.is_ascii() => Charset::Ascii,
        // Some characters are UTF-8 and some bytes are not: another set would garble what is right.
        Ok(Charset::Utf8) if raw.utf8_chunks().any(|chunk| !chunk.valid().is_ascii()) => Charset::Utf8,
        _ if simdutf8::basic::from_utf8(raw).is_ok() => Charset::Utf8,
        _ => fallback,
    };
    let text = format!("{text}; read as {}", charset.hl7_name());
    (charset, Some(Finding::warning(code, rule, text).at(place)))
}

#[cfg(test)]
mod tests;
