//! Edits of values: set, delete, copy, move. Each touches one place in one segment, or with `[*]` every place there is.

use super::place::{Extent, NoDelimiter, Place, fits, is_whole_field, level, place};
use super::{Draft, EditError};
use crate::segment::{Segment, Source};
use crate::value::Level;
use crate::{Charset, Escaping, Index, LineBreaks, Path};

impl Draft<'_> {
    /// Writes text at a path: escaped, in the message's character set; fields, repetitions and components before it
    /// are added empty. A field without index means its first repetition. Gives the number of places written.
    pub fn set(&mut self, path: &Path, text: &str) -> Result<usize, EditError> {
        if self.context.charset == Charset::Ascii && !text.is_ascii() {
            let before = self.clone();
            let done = self.declare(Charset::Utf8).and_then(|()| self.set_text(path, text));
            if done.is_err() {
                *self = before;
            }
            return done;
        }
        self.set_text(path, text)
    }

    fn set_text(&mut self, path: &Path, text: &str) -> Result<usize, EditError> {
        self.each(path, Extent::Repetition, |draft, segment, path| {
            let mut out = Vec::with_capacity(text.len() + 8);
            draft
                .escaping(segment, path)
                .write(text, &mut out)
                .map_err(|error| EditError::Text { path: *path, error })?;
            Ok(out)
        })
    }

    /// Writes bytes as they are, delimiters below the path's level included (`A^B` into a field). A field without
    /// index means the whole field here, so that repetitions can be written.
    pub fn set_raw(&mut self, path: &Path, raw: &[u8]) -> Result<usize, EditError> {
        if !fits(raw, level(path, Extent::Field), self.delimiters()) {
            return Err(EditError::Structure(*path));
        }
        self.each(path, Extent::Field, |_, _, _| Ok(raw.to_vec()))
    }

    /// Writes the delete indicator `""`. A field without index means the whole field.
    pub fn set_null(&mut self, path: &Path) -> Result<usize, EditError> {
        self.set_raw(path, b"\"\"")
    }

    /// Removes what a path names: a segment with its line, a field's content with all repetitions, one repetition (the
    /// later ones move up), or the content of a component. Nothing there is no error. Gives the number of places.
    pub fn delete(&mut self, path: &Path) -> Result<usize, EditError> {
        if path.field().is_none() {
            return self.remove_segments(path);
        }
        let mut done = 0;
        for at in self.places_of(path) {
            done += usize::from(self.delete_in(at, path)?);
        }
        Ok(done)
    }

    /// Copies bytes as they are from one place to another. Field to field without indexes copies all repetitions. With
    /// `[*]` on the target's segment, every such segment gets it; on both, each gets that of its own number.
    pub fn copy(&mut self, from: &Path, to: &Path) -> Result<usize, EditError> {
        self.check_field(from)?;
        self.check_field(to)?;
        let (from_all, to_all) = (from.occurrence() == Index::All, to.occurrence() == Index::All);
        if from_all && !(to_all && from.segment() == to.segment()) {
            let remedy = "copying from each segment needs `[*]` on the same segment of the target";
            return Err(EditError::Unsuitable { path: *from, remedy });
        }
        if from.repetition() == Index::All && from.component().is_some() {
            let remedy = "name one repetition to copy a part of, as in `PID-3[1].1`";
            return Err(EditError::Unsuitable { path: *from, remedy });
        }
        let mut done = 0;
        if from_all {
            for n in (1u32..).take(self.count(&Path::of_segment(to.segment()))) {
                let index = Index::At(n);
                done += self.copy_one(&from.with_occurrence(index), &to.with_occurrence(index))?;
            }
        } else {
            done = self.copy_one(from, to)?;
        }
        Ok(done)
    }

    /// Copies, then deletes the source.
    pub fn move_value(&mut self, from: &Path, to: &Path) -> Result<usize, EditError> {
        if overlap(from, to) {
            return Err(EditError::Unsuitable { path: *to, remedy: "the target is the source or a part of it" });
        }
        let before = self.clone();
        let done = self.copy(from, to).and_then(|done| self.delete(from).map(|_| done));
        if done.is_err() {
            *self = before;
        }
        done
    }

    fn copy_one(&mut self, from: &Path, to: &Path) -> Result<usize, EditError> {
        let wide = level(from, Extent::Field) == Level::Field;
        let raw = match self.find(from.segment(), from.occurrence().number().unwrap_or(1)).and_then(|i| self.nth(i)) {
            None => Vec::new(),
            Some(segment) if wide => {
                from.field().and_then(|n| segment.field_raw(n)).map(<[u8]>::to_vec).unwrap_or_default()
            }
            Some(segment) => segment.at(from).map(|value| value.raw().to_vec()).unwrap_or_default(),
        };
        self.set_raw(to, &raw)
    }

    fn check_field(&self, path: &Path) -> Result<(), EditError> {
        if path.field().is_none() {
            return Err(EditError::Unsuitable { path: *path, remedy: "name a field, as in `PID-3`" });
        }
        if path.is_delimiters() { Err(EditError::Header(*path)) } else { Ok(()) }
    }

    /// The places in the message of the segments a path names.
    pub(super) fn places_of(&self, path: &Path) -> Vec<usize> {
        match path.occurrence().number() {
            Some(n) => self.find(path.segment(), n).into_iter().collect(),
            None => (0..self.segment_count()).filter(|&i| self.id_of(i) == Some(path.segment())).collect(),
        }
    }

    /// Writes what `content` gives at each place of a path.
    fn each(
        &mut self,
        path: &Path,
        extent: Extent,
        content: impl Fn(&Self, &Segment<'_>, &Path) -> Result<Vec<u8>, EditError>,
    ) -> Result<usize, EditError> {
        self.check_field(path)?;
        let places = self.places_of(path);
        if places.is_empty() && path.occurrence() != Index::All {
            return Err(EditError::NoSegment(*path));
        }
        let whole = level(path, extent) == Level::Field;
        let before = path.is_wild().then(|| self.clone());
        let mut done = 0;
        for at in places {
            let repetitions = if path.repetition() == Index::All && !whole { self.repetitions(at, path) } else { 1 };
            for n in (1..).take(repetitions) {
                let path = if repetitions > 1 { path.with_repetition(Index::At(n)) } else { *path };
                if let Err(error) = self.write(at, &path, extent, &content) {
                    if let Some(before) = before {
                        *self = before;
                    }
                    return Err(error);
                }
                done += 1;
            }
        }
        Ok(done)
    }

    fn write(
        &mut self,
        at: usize,
        path: &Path,
        extent: Extent,
        content: &impl Fn(&Self, &Segment<'_>, &Path) -> Result<Vec<u8>, EditError>,
    ) -> Result<(), EditError> {
        let Some(segment) = self.nth(at) else { return Ok(()) };
        let bytes = content(self, &segment, path)?;
        let found = place(&segment, path, extent).map_err(|NoDelimiter| EditError::NoDelimiter(*path))?;
        if bytes.is_empty() && !found.padding.is_empty() {
            return Ok(());
        }
        self.fits(self.size + found.padding.len() + bytes.len())?;
        let line = splice(segment.line, &found, &bytes);
        self.replace(at, line)
    }

    /// Empties a part of each repetition, or what else the path names in one segment.
    fn delete_in(&mut self, at: usize, path: &Path) -> Result<bool, EditError> {
        if path.repetition() != Index::All || path.component().is_none() {
            return self.delete_one(at, path);
        }
        let mut done = false;
        for n in (1..).take(self.repetitions(at, path)) {
            done |= self.delete_one(at, &path.with_repetition(Index::At(n)))?;
        }
        Ok(done)
    }

    fn delete_one(&mut self, at: usize, path: &Path) -> Result<bool, EditError> {
        self.check_field(path)?;
        let Some(segment) = self.nth(at) else { return Ok(false) };
        let mut found = place(&segment, path, Extent::Field).map_err(|NoDelimiter| EditError::NoDelimiter(*path))?;
        if !found.padding.is_empty() {
            return Ok(false);
        }
        let one_repetition = matches!(path.repetition(), Index::At(_)) && path.component().is_none();
        if one_repetition {
            widen_over_delimiter(segment.line, &mut found, self.delimiters().repetition);
        }
        if found.range.is_empty() {
            return Ok(false);
        }
        let line = splice(segment.line, &found, &[]);
        self.replace(at, line)?;
        Ok(true)
    }

    fn repetitions(&self, at: usize, path: &Path) -> usize {
        let value = self.nth(at).and_then(|segment| segment.field(path.field()?));
        value.map_or(0, |value| value.parts().count())
    }

    fn escaping(&self, segment: &Segment<'_>, path: &Path) -> Escaping<'_> {
        Escaping {
            delimiters: &self.context.delimiters,
            charset: self.context.charset,
            line_breaks: line_breaks(segment, path),
            on_unmappable: self.on_unmappable,
        }
    }

    /// Names a set in MSH-18, whose other repetitions stay.
    pub(crate) fn declare(&mut self, charset: Charset) -> Result<(), EditError> {
        let path = Path::msh(18).with_repetition(Index::At(1));
        self.each(&path, Extent::Repetition, |_, _, _| Ok(charset.hl7_name().as_bytes().to_vec()))?;
        self.context.charset = charset;
        Ok(())
    }
}

/// Whether one place is the other or holds it.
fn overlap(a: &Path, b: &Path) -> bool {
    let same = |a: Option<u16>, b: Option<u16>| a.is_none() || b.is_none() || a == b;
    let index = |a: Index, b: Index| a.number().is_none() || b.number().is_none() || a.number() == b.number();
    a.segment() == b.segment()
        && a.field() == b.field()
        && index(a.occurrence(), b.occurrence())
        && (is_whole_field(a) || is_whole_field(b) || index(a.repetition(), b.repetition()))
        && same(a.component(), b.component())
        && same(a.subcomponent(), b.subcomponent())
}

/// The line with bytes in a place.
fn splice(line: &[u8], place: &Place, bytes: &[u8]) -> Vec<u8> {
    let (before, after) = (line.get(..place.range.start), line.get(place.range.end..));
    let mut out = Vec::with_capacity(line.len() + place.padding.len() + bytes.len());
    out.extend_from_slice(before.unwrap_or_default());
    out.extend_from_slice(&place.padding);
    out.extend_from_slice(bytes);
    out.extend_from_slice(after.unwrap_or_default());
    out
}

/// Takes one neighbouring delimiter into the range, so that the later parts move up.
fn widen_over_delimiter(line: &[u8], place: &mut Place, delimiter: Option<u8>) {
    if delimiter.is_none() {
        return;
    }
    if line.get(place.range.end).copied() == delimiter {
        place.range.end += 1;
    } else if place.range.start > 0 && line.get(place.range.start - 1).copied() == delimiter {
        place.range.start -= 1;
    }
}

/// Text types take `\.br\`; everywhere else a line break is written as the character it is.
fn line_breaks(segment: &Segment<'_>, path: &Path) -> LineBreaks {
    let formatted = match (segment.id.as_str(), path.field()) {
        ("NTE", Some(3)) => true,
        ("OBX", Some(5)) => matches!(segment.field_raw(2), Some(b"FT" | b"TX" | b"CF")),
        _ => false,
    };
    if formatted { LineBreaks::Formatted } else { LineBreaks::Hex }
}
