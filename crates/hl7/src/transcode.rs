//! Writing a message in another character set: every value, hexadecimal escapes of text included, and MSH-18.
//!
//! Character set switches (`\C2D47\`) are resolved on the way, since the bytes behind them mean other characters than
//! the rest of the message. Nothing becomes another character: what the target lacks, and bytes that have no meaning in
//! the source, fail or are marked, by setting.

use bytes::Bytes;
use memchr::memchr_iter;

use crate::draft::{Draft, EditError, SegmentEnds};
use crate::escape::{Escaping, Piece, Sequence, hex_bytes, switched, walk};
use crate::{Charset, Delimiters, EscapeError, LineBreaks, Message, OnUnmappable, Path, SegmentId};

/// The message in another character set, with MSH-18 rewritten; the received bytes themselves if it is in that set
/// already, says so, and its segment ends suit.
pub fn transcode(
    message: &Message,
    target: Charset,
    on_unmappable: OnUnmappable,
    ends: SegmentEnds,
) -> Result<Bytes, EditError> {
    let mut draft = Draft::new(message).on_unmappable(on_unmappable);
    draft.transcode(target)?;
    Ok(draft.finish(ends))
}

impl Draft<'_> {
    /// Rewrites the draft in another character set, with MSH-18. On an error it is as before.
    pub fn transcode(&mut self, target: Charset) -> Result<(), EditError> {
        let before = self.clone();
        let done = self.rewrite(target);
        if done.is_err() {
            *self = before;
        }
        done
    }

    fn rewrite(&mut self, target: Charset) -> Result<(), EditError> {
        let source = self.charset();
        if source != target {
            let delimiters = *self.delimiters();
            let escaping = Escaping {
                delimiters: &delimiters,
                charset: target,
                line_breaks: LineBreaks::Hex,
                on_unmappable: self.unmappable(),
            };
            for at in 0..self.segment_count() {
                let Some(segment) = self.segment(at) else { continue };
                if !concerned(segment.line, &delimiters) {
                    continue;
                }
                let mut recoder = Recoder { escaping, source, upper: source, out: Vec::new() };
                let (id, written) = (segment.id, recoder.line(segment.id, segment.line));
                written.map_err(|failure| failure.at(id, source))?;
                self.replace(at, recoder.out)?;
            }
        }
        self.redeclare(target)
    }

    /// MSH-18, unless it names the set already (in whatever spelling) or need not.
    fn redeclare(&mut self, target: Charset) -> Result<(), EditError> {
        let declared = self.text(&Path::msh(18).with_component(1)).into_owned();
        let agrees =
            if declared.is_empty() { target == Charset::Ascii } else { Charset::from_name(&declared) == Ok(target) };
        if agrees {
            self.set_context_charset(target);
            return Ok(());
        }
        self.declare(target)
    }
}

/// Whether a line holds anything but ASCII, as bytes or in an escape.
fn concerned(line: &[u8], d: &Delimiters) -> bool {
    let escaped = |escape| memchr_iter(escape, line).any(|at| matches!(line.get(at + 1), Some(b'X' | b'C' | b'M')));
    !line.is_ascii() || d.escape.is_some_and(escaped)
}

enum Failure {
    Text(EscapeError),
    Undecodable,
}

impl From<EscapeError> for Failure {
    fn from(error: EscapeError) -> Self {
        Self::Text(error)
    }
}

impl Failure {
    fn at(self, segment: SegmentId, charset: Charset) -> EditError {
        match self {
            Self::Text(error) => EditError::Text { path: Path::of_segment(segment), error },
            Self::Undecodable => EditError::Undecodable { segment, charset },
        }
    }
}

struct Recoder<'a> {
    escaping: Escaping<'a>,
    source: Charset,
    /// The set of the upper half at this place of the value.
    upper: Charset,
    out: Vec<u8>,
}

impl Recoder<'_> {
    fn line(&mut self, id: SegmentId, line: &[u8]) -> Result<(), Failure> {
        let d = self.escaping.delimiters;
        let literal = if id == SegmentId::MSH { 4 + d.encoding_characters().len() } else { 0 };
        let (head, mut rest) = line.split_at(literal.min(line.len()));
        self.out.reserve(line.len() + line.len() / 8);
        self.out.extend_from_slice(head);
        while let Some(at) = rest.iter().position(|&byte| byte == d.field || d.splits(byte)) {
            let (leaf, tail) = rest.split_at(at);
            self.leaf(leaf)?;
            self.out.extend(tail.first());
            rest = tail.get(1..).unwrap_or_default();
        }
        self.leaf(rest)
    }

    fn leaf(&mut self, leaf: &[u8]) -> Result<(), Failure> {
        self.upper = self.source;
        let Some(escape) = self.escaping.delimiters.escape else { return self.bytes(leaf) };
        let mut done = Ok(());
        walk(leaf, escape, |piece| {
            if done.is_ok() {
                done = self.piece(piece);
            }
        });
        done
    }

    fn piece(&mut self, piece: Piece<'_>) -> Result<(), Failure> {
        match piece {
            Piece::Plain(bytes) | Piece::Lone(bytes) => self.bytes(bytes),
            Piece::Sequence(Sequence::Hex(digits), whole) => self.hex(digits, whole),
            Piece::Sequence(Sequence::Charset(content), whole) => match switched(content, self.source) {
                Some(charset) => {
                    self.upper = charset;
                    Ok(())
                }
                None => self.bytes(whole),
            },
            Piece::Sequence(_, whole) => self.bytes(whole),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_ascii() {
            self.out.extend_from_slice(bytes);
            return Ok(());
        }
        if self.upper == Charset::Utf8 {
            for chunk in bytes.utf8_chunks() {
                self.text(chunk.valid())?;
                chunk.invalid().iter().try_for_each(|&byte| self.undecodable(byte))?;
            }
            return Ok(());
        }
        for &byte in bytes {
            if self.upper.check(&[byte]) {
                self.text(&self.upper.decode(&[byte]))?;
            } else {
                self.undecodable(byte)?;
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Failure> {
        for c in text.chars() {
            if c.is_ascii() {
                self.out.push(c as u8);
            } else {
                self.escaping.wide(c, &mut self.out)?;
            }
        }
        Ok(())
    }

    fn undecodable(&mut self, byte: u8) -> Result<(), Failure> {
        match self.escaping.on_unmappable {
            OnUnmappable::Fail => Err(Failure::Undecodable),
            OnUnmappable::Replace => {
                self.out.push(b'?');
                Ok(())
            }
            OnUnmappable::Hex => Ok(self.escaping.hex(&[byte], &mut self.out)?),
        }
    }

    /// Escaped text is written in the target's bytes; escaped binary data stays.
    fn hex(&mut self, digits: &[u8], whole: &[u8]) -> Result<(), Failure> {
        let bytes: Vec<u8> = hex_bytes(digits).collect();
        if bytes.is_ascii() || !self.upper.check(&bytes) {
            self.out.extend_from_slice(whole);
            return Ok(());
        }
        let mut target = Vec::with_capacity(bytes.len());
        for c in self.upper.decode(&bytes).chars() {
            if self.escaping.charset.encode_char(c, &mut target) {
                continue;
            }
            match self.escaping.on_unmappable {
                OnUnmappable::Fail => return Err(EscapeError::Unmappable(self.escaping.charset).into()),
                OnUnmappable::Replace => target.push(b'?'),
                OnUnmappable::Hex => target.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        Ok(self.escaping.hex(&target, &mut self.out)?)
    }
}

#[cfg(test)]
mod tests;
