//! A message: the received bytes, untouched, and an index over them.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;

use crate::escape::{Issue, issues};
use crate::index::Index;
use crate::order::Order;
use crate::segment::{Segment, Separators, Source};
use crate::value::Context;
use crate::{Charset, Delimiters, Finding, Header, Limits, ParseError, Parsed, Path, SegmentId, Value, error_code};

/// One HL7 v2 message. Keeps the bytes exactly as received, byte order mark and line ends included.
#[derive(Clone)]
pub struct Message {
    raw: Bytes,
    header: Header,
    index: Index,
    layout: Layout,
    order: OnceLock<Order>,
}

/// How the segments lie in the bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Offset of MSH.
    pub(crate) start: u32,
    /// Nothing but segments, each ended by one CR.
    pub(crate) canonical: bool,
}

/// Most findings about escape sequences of one message; a document that was never escaped has thousands.
const MOST_ESCAPE_FINDINGS: usize = 16;

impl Message {
    /// Indexes a message. The bytes are kept, not copied.
    pub fn parse(raw: Bytes, limits: &Limits) -> Result<Parsed, ParseError> {
        crate::parse::parse(raw, limits)
    }

    pub(crate) fn assemble(raw: Bytes, header: Header, index: Index, layout: Layout) -> Self {
        Self { raw, header, index, layout, order: OnceLock::new() }
    }

    /// The bytes as received.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The header segment.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The delimiters of this message.
    pub fn delimiters(&self) -> &Delimiters {
        self.header.delimiters()
    }

    /// The character set it is read in: the declared one, or what its bytes show.
    pub fn charset(&self) -> Charset {
        self.header.charset()
    }

    /// Reads it in another fallback set than [`Limits::fallback_charset`] (a facility's own), where MSH-18 does not
    /// settle it. Gives the finding that replaces an earlier `charset.*` one.
    pub fn set_fallback_charset(&mut self, fallback: Charset) -> Option<Finding> {
        let (charset, finding) = crate::parse::resolve_charset(&self.header, self.body(), fallback);
        self.header.set_charset(charset);
        finding
    }

    /// Whether nothing has to be changed to write it with CR as segment ends.
    pub fn is_canonical(&self) -> bool {
        self.layout.canonical
    }

    /// How many segments there are.
    pub fn segment_count(&self) -> usize {
        self.index.segments.len()
    }

    /// The segment at a place, from 0 (MSH).
    pub fn segment(&self, at: usize) -> Option<Segment<'_>> {
        self.nth(at)
    }

    /// All segments in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        (0..self.segment_count()).filter_map(|i| self.nth(i))
    }

    /// The segments of one id in order.
    pub fn segments_of(&self, id: SegmentId) -> impl Iterator<Item = Segment<'_>> {
        self.segments().filter(move |segment| segment.id == id)
    }

    /// What a path names; the first match of `[*]`. None: the message ends before it (as good as empty, 2.5.1).
    pub fn get(&self, path: &Path) -> Option<Value<'_>> {
        self.value_at(path)
    }

    /// The text of what a path names; empty if it is not there.
    pub fn text(&self, path: &Path) -> Cow<'_, str> {
        self.get(path).map(|value| value.text()).unwrap_or_default()
    }

    /// Everything a path names, in order, each with its own concrete path.
    pub fn all<'a>(&'a self, path: &Path) -> impl Iterator<Item = (Path, Value<'a>)> + use<'a> {
        crate::all::all(self, *path)
    }

    /// How many there are at the path's last indexed level: segments of the id, or repetitions of the field (0 if it
    /// is empty), over all segments where the path has `[*]`. With a component: how many of its values are there.
    pub fn count(&self, path: &Path) -> usize {
        crate::all::count(self, *path)
    }

    /// The bytes from MSH on.
    fn body(&self) -> &[u8] {
        self.raw.get(self.layout.start as usize..).unwrap_or_default()
    }

    pub(crate) fn made_order(&self) -> Option<&Order> {
        self.order.get()
    }

    pub(crate) fn context(&self) -> &Context {
        self.header.context()
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// The bytes of a segment with its line end, up to the next segment.
    pub(crate) fn span(&self, i: usize) -> Option<(&[u8], &[u8])> {
        let (entry, _) = self.index.get(i)?;
        let next = self.index.segments.get(i + 1).map_or(self.raw.len(), |next| next.start as usize);
        Some((self.raw.get(entry.start as usize..entry.end as usize)?, self.raw.get(entry.end as usize..next)?))
    }

    /// Reports escape characters that mean nothing (kept as data), up to a bound.
    pub(crate) fn escape_findings(&self, findings: &mut Vec<Finding>) {
        let Some(escape) = self.delimiters().escape else { return };
        let body = self.body().get(self.header.raw().len()..).unwrap_or_default();
        if memchr::memchr(escape, body).is_none() {
            return;
        }
        let full = findings.len() + MOST_ESCAPE_FINDINGS;
        let escaped = |bytes: &[u8]| memchr::memchr(escape, bytes).is_some();
        for segment in self.segments().skip(1).filter(|segment| escaped(segment.line)) {
            for (n, value) in segment.fields().filter(|(_, value)| escaped(value.raw())) {
                issues(value.raw(), self.delimiters(), |issue| {
                    if findings.len() < full {
                        let place = self.occurrence(&segment).with_field(n);
                        findings.push(escape_finding(issue).at(place));
                    }
                });
                if findings.len() >= full {
                    return;
                }
            }
        }
    }

    /// Which of its kind a segment is. Counted from the start: for the few places that are told, not for each segment.
    fn occurrence(&self, segment: &Segment<'_>) -> Path {
        let place = segment.line.as_ptr();
        let before = self.segments_of(segment.id).take_while(|other| other.line.as_ptr() != place).count();
        let nth = u32::try_from(before + 1).unwrap_or(u32::MAX);
        Path::of_segment(segment.id).with_occurrence(crate::Index::At(nth))
    }
}

fn escape_finding(issue: Issue) -> Finding {
    let (rule, text) = match issue {
        Issue::Lone => ("escape.lone", "an escape character that begins no sequence; kept as data"),
        Issue::Unknown => ("escape.unknown", "an escape sequence that is not in the standard; kept as it is"),
        Issue::Hex => ("escape.hex", "a hexadecimal escape that is not pairs of digits; kept as it is"),
    };
    Finding::warning(error_code::DATA_TYPE, rule, text)
}

impl Source for Message {
    fn order(&self) -> &Order {
        self.order.get_or_init(|| Order::of(self.segment_count(), |i| self.id_of(i)))
    }

    fn nth(&self, i: usize) -> Option<Segment<'_>> {
        let (entry, offsets) = self.index.get(i)?;
        let line = self.raw.get(entry.start as usize..entry.end as usize)?;
        let separators = Separators::Known { offsets, base: entry.start };
        Some(Segment { id: entry.id, line, separators, context: self.context() })
    }

    fn id_of(&self, i: usize) -> Option<SegmentId> {
        self.index.segments.get(i).map(|entry| entry.id)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} bytes, {} segments)", self.raw.len(), self.segment_count())
    }
}

#[cfg(test)]
mod tests;
