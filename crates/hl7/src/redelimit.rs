//! Writing a message with other delimiters: the structure stays, data is escaped for the new set.
//!
//! A `#` that was escaped as truncation character is written plain where the target has none, and no plain `#` is ever
//! escaped: without lengths of fields nobody knows whether it stands at the end of a full one.

use crate::draft::{Draft, EditError};
use crate::escape::{Piece, Sequence, walk};
use crate::{Delimiters, Path, SegmentId};

impl Draft<'_> {
    /// Rewrites the draft with other delimiters, MSH-1 and MSH-2 included. On an error it is as before.
    pub fn redelimit(&mut self, target: &Delimiters) -> Result<(), EditError> {
        let source = *self.delimiters();
        if source == *target {
            return Ok(());
        }
        let before = self.clone();
        for at in 0..self.segment_count() {
            let Some(segment) = self.segment(at) else { continue };
            let place = Path::of_segment(segment.id);
            let line = Redelimiter { source, target: *target, out: Vec::new() }.line(segment.id, segment.line);
            let done = line.ok_or(EditError::NoDelimiter(place)).and_then(|line| self.replace(at, line));
            if let Err(error) = done {
                *self = before;
                return Err(error);
            }
        }
        self.set_context_delimiters(*target);
        Ok(())
    }
}

struct Redelimiter {
    source: Delimiters,
    target: Delimiters,
    out: Vec<u8>,
}

impl Redelimiter {
    /// None: the target lacks a delimiter that is needed.
    fn line(mut self, id: SegmentId, line: &[u8]) -> Option<Vec<u8>> {
        let (source, target) = (self.source, self.target);
        let mut rest = line;
        if id == SegmentId::MSH {
            rest = line.get(4 + source.encoding_characters().len()..)?;
            self.out.extend_from_slice(b"MSH");
            self.out.push(target.field);
            self.out.extend_from_slice(&target.encoding_characters());
        }
        while let Some(at) = rest.iter().position(|&byte| byte == source.field || source.splits(byte)) {
            let (leaf, tail) = rest.split_at(at);
            self.leaf(leaf)?;
            self.out.push(self.delimiter(*tail.first()?)?);
            rest = tail.get(1..)?;
        }
        self.leaf(rest)?;
        Some(self.out)
    }

    fn delimiter(&self, byte: u8) -> Option<u8> {
        self.target.by_letter(self.source.letter(byte)?)
    }

    fn leaf(&mut self, leaf: &[u8]) -> Option<()> {
        let Some(escape) = self.source.escape else { return self.data(leaf) };
        let mut done = Some(());
        walk(leaf, escape, |piece| {
            if done.is_some() {
                done = self.piece(piece);
            }
        });
        done
    }

    fn piece(&mut self, piece: Piece<'_>) -> Option<()> {
        match piece {
            Piece::Plain(bytes) => self.data(bytes),
            Piece::Lone(bytes) if self.source.escape == self.target.escape => {
                self.out.extend_from_slice(bytes);
                Some(())
            }
            Piece::Lone(bytes) => self.data(bytes),
            Piece::Sequence(Sequence::Delimiter(letter), whole) => match self.source.by_letter(letter) {
                Some(byte) if letter == b'P' && self.target.truncation == Some(byte) => self.sequence(b"P"),
                Some(byte) => self.data(&[byte]),
                None => self.kept(whole),
            },
            Piece::Sequence(_, whole) => self.kept(whole),
        }
    }

    fn data(&mut self, bytes: &[u8]) -> Option<()> {
        for &byte in bytes {
            match self.target.letter(byte) {
                Some(letter) => self.sequence(&[letter])?,
                None => self.out.push(byte),
            }
        }
        Some(())
    }

    /// A sequence that stays as it is, between the target's escape characters.
    fn kept(&mut self, whole: &[u8]) -> Option<()> {
        let content = whole.get(1..whole.len().checked_sub(1)?)?;
        self.sequence(content)
    }

    fn sequence(&mut self, content: &[u8]) -> Option<()> {
        let escape = self.target.escape?;
        self.out.push(escape);
        self.out.extend_from_slice(content);
        self.out.push(escape);
        Some(())
    }
}

#[cfg(test)]
mod tests;
