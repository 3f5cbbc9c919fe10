//! Editing a message: copy on write by segment, everything else byte for byte as received.
//!
//! A draft reads like a message and sees its own edits. A segment is copied when it is first changed, once per change;
//! a draft that changed nothing gives back the very bytes that came in. Nothing an edit writes can begin a segment or
//! end a frame: text is escaped, raw values are checked.

mod edit;
mod place;
mod segments;

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;

use crate::order::Order;
use crate::segment::{Segment, Separators, Source};
use crate::value::Context;
use crate::{Charset, Delimiters, EscapeError, Limits, Message, OnUnmappable, Path, SegmentId, Value};

/// What ends a segment on output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SegmentEnds {
    /// One carriage return each, the last one included; nothing before the header.
    #[default]
    Cr,
    /// As each segment came in; added ones end as the first does.
    AsReceived,
}

/// Why an edit was refused; the draft is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// There is no such segment to write to.
    #[error("{0}: the message has no such segment; add it first")]
    NoSegment(Path),
    /// MSH-1 and MSH-2 are the delimiters, and the header is always the first segment.
    #[error("{0}: the delimiters and the header segment itself cannot be edited")]
    Header(Path),
    /// The operation needs a field, a segment, or one place.
    #[error("{path}: {remedy}")]
    Unsuitable {
        /// The path as given.
        path: Path,
        /// What to write instead.
        remedy: &'static str,
    },
    /// The message's MSH-2 names no delimiter for this level.
    #[error("{0}: MSH-2 of the message names no delimiter for this level")]
    NoDelimiter(Path),
    /// A raw value holds a line end, a block character, or a delimiter of its own or a higher level.
    #[error("{0}: the value holds a line end or a delimiter that would change the message's structure")]
    Structure(Path),
    /// The text cannot be written.
    #[error("{path}: {error}")]
    Text {
        /// Where.
        path: Path,
        /// Why.
        error: EscapeError,
    },
    /// The message would pass its limit.
    #[error("the message would become larger than {limit} bytes")]
    TooLarge {
        /// Bytes.
        limit: usize,
    },
    /// The message would pass its limit.
    #[error("the message would have more than {limit} segments")]
    TooManySegments {
        /// Segments.
        limit: usize,
    },
    /// The received bytes are not of the message's own character set, and the setting is to fail.
    #[error("{segment}: bytes that are not of the message's character set {}", .charset.hl7_name())]
    Undecodable {
        /// The segment that holds them.
        segment: SegmentId,
        /// The set they were read in.
        charset: Charset,
    },
}

/// A message being edited.
#[derive(Clone)]
pub struct Draft<'m> {
    message: &'m Message,
    /// None while nothing was changed.
    slots: Option<Vec<Slot>>,
    /// Its own once segments came or went; the message's until then.
    order: Option<OnceLock<Order>>,
    context: Context,
    /// Bytes of all segments, one end each.
    size: usize,
    limits: DraftLimits,
    on_unmappable: OnUnmappable,
}

#[derive(Debug, Clone, Copy)]
struct DraftLimits {
    bytes: usize,
    segments: usize,
}

/// One segment of a draft.
#[derive(Clone)]
enum Slot {
    /// As received, by its number.
    Received(usize),
    /// Changed or new.
    Edited(Edited),
}

#[derive(Clone)]
struct Edited {
    id: SegmentId,
    line: Bytes,
    /// The received segment it was; its end is kept.
    from: Option<usize>,
}

impl<'m> Draft<'m> {
    /// A draft that is as the message is, with the default limits on what it may become.
    pub fn new(message: &'m Message) -> Self {
        Self::with_limits(message, &Limits::default())
    }

    /// The same with limits of its own: bytes and segments.
    pub fn with_limits(message: &'m Message, limits: &Limits) -> Self {
        Self {
            message,
            slots: None,
            order: None,
            context: *message.context(),
            size: message.raw().len() + 1,
            limits: DraftLimits { bytes: limits.message_bytes, segments: limits.segments },
            on_unmappable: OnUnmappable::Fail,
        }
    }

    /// What to do with text that the message's character set lacks; fails by default.
    #[must_use]
    pub fn on_unmappable(mut self, setting: OnUnmappable) -> Self {
        self.on_unmappable = setting;
        self
    }

    /// The message it began as.
    pub fn message(&self) -> &'m Message {
        self.message
    }

    /// Whether any byte differs from the message.
    pub fn is_edited(&self) -> bool {
        self.slots.is_some()
    }

    /// The delimiters it is written with.
    pub fn delimiters(&self) -> &Delimiters {
        &self.context.delimiters
    }

    /// The character set it is written in. Text beyond ASCII makes an ASCII message UTF-8, with MSH-18 set.
    pub fn charset(&self) -> Charset {
        self.context.charset
    }

    /// How many segments there are now.
    pub fn segment_count(&self) -> usize {
        self.slots.as_ref().map_or_else(|| self.message.segment_count(), Vec::len)
    }

    /// The segment at a place, from 0 (MSH).
    pub fn segment(&self, at: usize) -> Option<Segment<'_>> {
        self.nth(at)
    }

    /// All segments in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        (0..self.segment_count()).filter_map(|i| self.nth(i))
    }

    /// As [`Message::get`].
    pub fn get(&self, path: &Path) -> Option<Value<'_>> {
        self.value_at(path)
    }

    /// As [`Message::text`].
    pub fn text(&self, path: &Path) -> Cow<'_, str> {
        self.get(path).map(|value| value.text()).unwrap_or_default()
    }

    /// As [`Message::all`].
    pub fn all<'a>(&'a self, path: &Path) -> impl Iterator<Item = (Path, Value<'a>)> + use<'a, 'm> {
        crate::all::all(self, *path)
    }

    /// As [`Message::count`].
    pub fn count(&self, path: &Path) -> usize {
        crate::all::count(self, *path)
    }

    /// The message as bytes. The received bytes themselves, not a copy, if nothing was edited and the ends suit.
    pub fn finish(&self, ends: SegmentEnds) -> Bytes {
        if self.slots.is_none() && (ends == SegmentEnds::AsReceived || self.message.is_canonical()) {
            return self.message.raw().clone();
        }
        match ends {
            SegmentEnds::Cr => self.with_returns(),
            SegmentEnds::AsReceived => self.as_received(),
        }
    }

    fn with_returns(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.size + self.segment_count());
        for segment in self.segments() {
            out.extend_from_slice(segment.line);
            out.push(b'\r');
        }
        out.into()
    }

    fn as_received(&self) -> Bytes {
        let raw = self.message.raw();
        let mut out = Vec::with_capacity(self.size + 2 * self.segment_count());
        out.extend_from_slice(raw.get(..self.message.layout().start as usize).unwrap_or_default());
        let usual = match self.message.span(0) {
            Some((_, [b'\r', b'\n', ..])) => &b"\r\n"[..],
            Some((_, [b'\n', ..])) => b"\n",
            _ => b"\r",
        };
        let count = self.segment_count();
        for i in 0..count {
            let Some(segment) = self.nth(i) else { continue };
            out.extend_from_slice(segment.line);
            let own = self.received(i).and_then(|from| self.message.span(from)).map(|(_, end)| end);
            match own {
                Some([]) if i + 1 < count => out.extend_from_slice(usual),
                Some(end) => out.extend_from_slice(end),
                None => out.extend_from_slice(usual),
            }
        }
        out.into()
    }

    /// Which received segment the one at a place is or was.
    fn received(&self, at: usize) -> Option<usize> {
        match self.slots.as_ref() {
            None => Some(at),
            Some(slots) => match slots.get(at)? {
                Slot::Received(i) => Some(*i),
                Slot::Edited(edited) => edited.from,
            },
        }
    }

    /// The slots, made on the first change.
    fn slots(&mut self) -> &mut Vec<Slot> {
        let count = self.message.segment_count();
        self.slots.get_or_insert_with(|| (0..count).map(Slot::Received).collect())
    }

    pub(crate) fn unmappable(&self) -> OnUnmappable {
        self.on_unmappable
    }

    pub(crate) fn set_context_charset(&mut self, charset: Charset) {
        self.context.charset = charset;
    }

    pub(crate) fn set_context_delimiters(&mut self, delimiters: Delimiters) {
        self.context.delimiters = delimiters;
    }

    /// Puts a new line in a segment's place.
    pub(crate) fn replace(&mut self, at: usize, line: Vec<u8>) -> Result<(), EditError> {
        let Some(old) = self.nth(at) else { return Ok(()) };
        if old.line == line {
            return Ok(());
        }
        let id = old.id;
        let size = self.size - old.line.len() + line.len();
        self.fits(size)?;
        let from = self.received(at);
        let slot = Slot::Edited(Edited { id, line: line.into(), from });
        if let Some(place) = self.slots().get_mut(at) {
            *place = slot;
            self.size = size;
        }
        Ok(())
    }

    fn fits(&self, size: usize) -> Result<(), EditError> {
        let limit = self.limits.bytes;
        if size > limit.saturating_add(1) { Err(EditError::TooLarge { limit }) } else { Ok(()) }
    }
}

impl Source for Draft<'_> {
    fn order(&self) -> &Order {
        match &self.order {
            None => self.message.order(),
            Some(own) => own.get_or_init(|| Order::of(self.segment_count(), |i| self.id_of(i))),
        }
    }

    fn nth(&self, i: usize) -> Option<Segment<'_>> {
        let received = match self.slots.as_ref() {
            None => i,
            Some(slots) => match slots.get(i)? {
                Slot::Received(i) => *i,
                Slot::Edited(edited) => {
                    let separators = Separators::Unknown;
                    return Some(Segment { id: edited.id, line: &edited.line, separators, context: &self.context });
                }
            },
        };
        Some(Segment { context: &self.context, ..self.message.nth(received)? })
    }

    fn id_of(&self, i: usize) -> Option<SegmentId> {
        match self.slots.as_ref() {
            None => self.message.id_of(i),
            Some(slots) => match slots.get(i)? {
                Slot::Received(i) => self.message.id_of(*i),
                Slot::Edited(edited) => Some(edited.id),
            },
        }
    }
}

impl fmt::Debug for Draft<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Draft({} segments, edited: {})", self.segment_count(), self.is_edited())
    }
}

#[cfg(test)]
mod tests;
