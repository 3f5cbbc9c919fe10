//! Escape sequences (chapter 2, 2.6): reading them last, writing them first.
//!
//! Reading works on a value that has been split already. Sequences that are not known, and escape characters that stand
//! alone, are data: they stay as they are, and [`issues`] reports them. Writing escapes every delimiter, and never lets
//! a line end or an MLLP block character through raw, so that no text can make a segment or end a frame.

use std::borrow::Cow;

use memchr::memchr;

use crate::{Charset, Delimiters, OnUnmappable};

/// What to do with the formatting sequences of FT, TX and CF (`\.br\`, `\H\`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Formatting {
    /// As plain text: line breaks and spaces, highlighting dropped.
    #[default]
    Render,
    /// As they stand.
    Keep,
}

/// How a line break in text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineBreaks {
    /// `\X0D\`, `\X0A\`: the same characters.
    #[default]
    Hex,
    /// `\.br\`, for FT and TX.
    Formatted,
}

/// One escape sequence, without its two escape characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sequence<'a> {
    /// `F S T R E P`
    Delimiter(u8),
    /// `X` and pairs of hexadecimal digits (here without the `X`).
    Hex(&'a [u8]),
    /// `X` and something else.
    BadHex,
    /// `C` or `M` and hexadecimal digits.
    Charset(&'a [u8]),
    /// `H`, `N` or `.` and a command.
    Format(&'a [u8]),
    /// `Z` and anything.
    Local,
    /// Looks like a sequence, means nothing.
    Unknown,
}

/// Something odd about the escape characters of a value; all of it is kept as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Issue {
    /// An escape character that begins no sequence.
    Lone,
    /// A sequence that is not in the standard.
    Unknown,
    /// `\X..\` with something else than pairs of hexadecimal digits.
    Hex,
}

/// Longest content of a sequence that is not hexadecimal; more is text between two lone escape characters.
const LONGEST: usize = 32;

/// The text of a value that has no parts: escapes resolved, bytes decoded.
pub fn unescape<'a>(raw: &'a [u8], delimiters: &Delimiters, charset: Charset, formatting: Formatting) -> Cow<'a, str> {
    match delimiters.escape {
        Some(escape) if memchr(escape, raw).is_some() => {
            let mut reading = Unescaping { charset, upper: charset, bytes: Vec::new(), text: String::new() };
            walk(raw, escape, |piece| reading.piece(piece, delimiters, formatting));
            reading.flush();
            Cow::Owned(reading.text)
        }
        _ => charset.decode(raw),
    }
}

/// Length in characters as the standard counts (2.6.1): what stands between two escape characters counts, they do not.
pub(crate) fn length(raw: &[u8], delimiters: &Delimiters, charset: Charset) -> usize {
    let Some(escape) = delimiters.escape else { return charset.decode(raw).chars().count() };
    let mut length = 0;
    walk(raw, escape, |piece| {
        length += match piece {
            Piece::Plain(bytes) | Piece::Lone(bytes) => charset.decode(bytes).chars().count(),
            Piece::Sequence(_, whole) => whole.len() - 2,
        };
    });
    length
}

/// What is odd about the escape characters of a value.
pub(crate) fn issues(raw: &[u8], delimiters: &Delimiters, mut report: impl FnMut(Issue)) {
    let Some(escape) = delimiters.escape else { return };
    walk(raw, escape, |piece| match piece {
        Piece::Lone(_) => report(Issue::Lone),
        Piece::Sequence(Sequence::BadHex, _) => report(Issue::Hex),
        Piece::Sequence(Sequence::Unknown, _) => report(Issue::Unknown),
        Piece::Sequence(Sequence::Delimiter(letter), _) if delimiters.by_letter(letter).is_none() => {
            report(Issue::Unknown);
        }
        Piece::Sequence(..) | Piece::Plain(_) => {}
    });
}

/// A stretch of a value.
pub(crate) enum Piece<'a> {
    Plain(&'a [u8]),
    /// An escape character that begins no sequence.
    Lone(&'a [u8]),
    /// A sequence and its whole bytes, escape characters included.
    Sequence(Sequence<'a>, &'a [u8]),
}

pub(crate) fn walk<'a>(raw: &'a [u8], escape: u8, mut visit: impl FnMut(Piece<'a>)) {
    let mut rest = raw;
    while let Some(at) = memchr(escape, rest) {
        let (plain, tail) = rest.split_at(at);
        if !plain.is_empty() {
            visit(Piece::Plain(plain));
        }
        let inner = tail.get(1..).unwrap_or_default();
        let found = memchr(escape, inner).and_then(|close| {
            let content = inner.get(..close)?;
            Some((classify(content)?, tail.split_at(close + 2)))
        });
        match found {
            Some((sequence, (whole, after))) => {
                visit(Piece::Sequence(sequence, whole));
                rest = after;
            }
            None => {
                let (lone, after) = tail.split_at(1);
                visit(Piece::Lone(lone));
                rest = after;
            }
        }
    }
    if !rest.is_empty() {
        visit(Piece::Plain(rest));
    }
}

fn classify(content: &[u8]) -> Option<Sequence<'_>> {
    let hex = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    match content {
        [letter @ (b'F' | b'S' | b'T' | b'R' | b'E' | b'P')] => Some(Sequence::Delimiter(*letter)),
        [b'H' | b'N'] => Some(Sequence::Format(content)),
        [b'X', digits @ ..] if hex(digits) && !digits.is_empty() && digits.len().is_multiple_of(2) => {
            Some(Sequence::Hex(digits))
        }
        _ if content.len() > LONGEST => None,
        [b'C', digits @ ..] if digits.len() == 4 && hex(digits) => Some(Sequence::Charset(content)),
        [b'M', digits @ ..] if matches!(digits.len(), 4 | 6) && hex(digits) => Some(Sequence::Charset(content)),
        [b'.', a, b, argument @ ..] if a.is_ascii_lowercase() && b.is_ascii_lowercase() && is_argument(argument) => {
            Some(Sequence::Format(content))
        }
        [first, ..] if first.is_ascii_alphanumeric() && content.iter().all(u8::is_ascii_alphanumeric) => {
            Some(match first {
                b'X' => Sequence::BadHex,
                b'Z' => Sequence::Local,
                _ => Sequence::Unknown,
            })
        }
        _ => None,
    }
}

/// `.sp3`, `.sp 3`, `.in+2`, `.ti-1`
fn is_argument(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
    let digits = bytes.strip_prefix(b"+").or_else(|| bytes.strip_prefix(b"-")).unwrap_or(bytes);
    digits.iter().all(u8::is_ascii_digit)
}

struct Unescaping {
    charset: Charset,
    /// The set in the upper half, as switched by `\C2D..\`.
    upper: Charset,
    bytes: Vec<u8>,
    text: String,
}

impl Unescaping {
    fn piece(&mut self, piece: Piece<'_>, delimiters: &Delimiters, formatting: Formatting) {
        match piece {
            Piece::Plain(bytes) | Piece::Lone(bytes) => self.bytes.extend_from_slice(bytes),
            Piece::Sequence(sequence, whole) => {
                if !self.sequence(sequence, delimiters, formatting) {
                    self.bytes.extend_from_slice(whole);
                }
            }
        }
    }

    /// False: it stays as it stands.
    fn sequence(&mut self, sequence: Sequence<'_>, delimiters: &Delimiters, formatting: Formatting) -> bool {
        match sequence {
            Sequence::Delimiter(letter) => match delimiters.by_letter(letter) {
                Some(byte) => {
                    self.bytes.push(byte);
                    true
                }
                None => false,
            },
            Sequence::Hex(digits) => {
                self.bytes.extend(hex_bytes(digits));
                true
            }
            Sequence::Charset(content) => self.switch(content),
            Sequence::Format(command) if formatting == Formatting::Render => {
                self.bytes.extend(rendered(command));
                true
            }
            Sequence::Format(_) | Sequence::BadHex | Sequence::Local | Sequence::Unknown => false,
        }
    }

    fn switch(&mut self, content: &[u8]) -> bool {
        let Some(charset) = switched(content, self.charset) else { return false };
        self.flush();
        self.upper = charset;
        true
    }

    fn flush(&mut self) {
        self.text.push_str(&self.upper.decode(&self.bytes));
        self.bytes.clear();
    }
}

/// The set that `\C..\` switches the upper half to, in a message in single bytes: `\C2842\` is ASCII again, that is,
/// the message's own; `\C2D..\` another one.
pub(crate) fn switched(content: &[u8], own: Charset) -> Option<Charset> {
    match content {
        _ if own == Charset::Utf8 => None,
        b"C2842" => Some(own),
        [b'C', b'2', b'D' | b'd', high, low] => Charset::by_final_byte(hex_value(*high) << 4 | hex_value(*low)),
        _ => None,
    }
}

/// The bytes that pairs of hexadecimal digits stand for.
pub(crate) fn hex_bytes(digits: &[u8]) -> impl Iterator<Item = u8> {
    digits.chunks(2).map(|pair| pair.iter().fold(0, |n, &digit| n << 4 | hex_value(digit)))
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

/// The most line breaks or spaces that one sequence renders; a count is data, and data is not believed.
const MOST_RENDERED: usize = 100;

fn rendered(command: &[u8]) -> impl Iterator<Item = u8> + use<> {
    let digits = command.iter().filter(|b| b.is_ascii_digit());
    let number = digits.fold(0usize, |n, d| n.saturating_mul(10).saturating_add(usize::from(d - b'0')));
    let number = number.min(MOST_RENDERED);
    let (byte, count) = match command {
        [b'.', b'b', b'r', ..] | [b'.', b'c', b'e', ..] => (b'\n', 1),
        [b'.', b's', b'p', ..] => (b'\n', number.max(1)),
        [b'.', b's', b'k', ..] | [b'.', b't', b'i', ..] => (b' ', number),
        _ => (b' ', 0),
    };
    std::iter::repeat_n(byte, count)
}

/// A character that cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EscapeError {
    /// The target set lacks a character, and the setting is to fail.
    #[error("the text has a character that {} lacks", .0.hl7_name())]
    Unmappable(Charset),
    /// The message has no escape character, and the text holds a delimiter or a line end.
    #[error("the text holds a delimiter or line end, and the message's MSH-2 names no escape character")]
    NoEscape,
}

/// How text becomes bytes of a message.
#[derive(Debug, Clone, Copy)]
pub struct Escaping<'a> {
    /// The target's delimiters.
    pub delimiters: &'a Delimiters,
    /// The target's character set.
    pub charset: Charset,
    /// How line breaks are written.
    pub line_breaks: LineBreaks,
    /// What happens to characters the set lacks.
    pub on_unmappable: OnUnmappable,
}

impl Escaping<'_> {
    /// Appends text to `out`, escaped and encoded; on an error `out` holds a part of it.
    pub fn write(&self, text: &str, out: &mut Vec<u8>) -> Result<(), EscapeError> {
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\r' | '\n' => {
                    let pair = c == '\r' && chars.next_if_eq(&'\n').is_some();
                    self.line_break(c, pair, out)?;
                }
                '\u{0B}' => self.sequence(b"X0B", out)?,
                '\u{1C}' => self.sequence(b"X1C", out)?,
                _ if c.is_ascii() => match self.delimiters.letter(c as u8) {
                    Some(letter) => self.sequence(&[letter], out)?,
                    None => out.push(c as u8),
                },
                _ => self.wide(c, out)?,
            }
        }
        Ok(())
    }

    fn line_break(&self, c: char, pair: bool, out: &mut Vec<u8>) -> Result<(), EscapeError> {
        match (self.line_breaks, c, pair) {
            (LineBreaks::Formatted, _, _) => self.sequence(b".br", out),
            (LineBreaks::Hex, _, true) => self.sequence(b"X0D0A", out),
            (LineBreaks::Hex, '\r', _) => self.sequence(b"X0D", out),
            (LineBreaks::Hex, _, _) => self.sequence(b"X0A", out),
        }
    }

    /// A character beyond ASCII.
    pub(crate) fn wide(&self, c: char, out: &mut Vec<u8>) -> Result<(), EscapeError> {
        if self.charset.encode_char(c, out) {
            return Ok(());
        }
        match self.on_unmappable {
            OnUnmappable::Fail => Err(EscapeError::Unmappable(self.charset)),
            OnUnmappable::Replace => {
                out.push(b'?');
                Ok(())
            }
            OnUnmappable::Hex => self.hex(c.encode_utf8(&mut [0; 4]).as_bytes(), out),
        }
    }

    pub(crate) fn hex(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EscapeError> {
        let mut content = vec![b'X'];
        push_hex(bytes, &mut content);
        self.sequence(&content, out)
    }

    fn sequence(&self, content: &[u8], out: &mut Vec<u8>) -> Result<(), EscapeError> {
        let escape = self.delimiters.escape.ok_or(EscapeError::NoEscape)?;
        out.push(escape);
        out.extend_from_slice(content);
        out.push(escape);
        Ok(())
    }
}

fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0x0F] {
            out.extend(DIGITS.get(usize::from(nibble)));
        }
    }
}

#[cfg(test)]
mod tests;
