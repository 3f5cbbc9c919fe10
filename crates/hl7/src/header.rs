//! The header segment, kept apart from the message: it is what an acknowledgement is made from, also of a message that
//! could not be read to its end.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use memchr::{memchr_iter, memchr2};

use crate::segment::{Segment, Separators};
use crate::value::Context;
use crate::{Charset, Delimiters, SegmentId, Value, Version};

/// MSH fields that can be asked for; MSH-25 is the last in 2.8.
const FIELDS: usize = 25;

/// The MSH segment of a message, or what could be read of it. Cheap to clone.
#[derive(Clone)]
pub struct Header {
    line: Bytes,
    context: Context,
    separators: [u32; FIELDS],
    count: usize,
}

impl Header {
    /// What can be read from the beginning of a message that is not parsed (because it is too large, say). Never fails:
    /// what is not there is empty, delimiters that cannot be used are the standard ones.
    pub fn read(raw: &Bytes) -> Self {
        let start = crate::parse::skip_leading(raw).0;
        let rest = raw.get(start..).unwrap_or_default();
        if !rest.starts_with(b"MSH") {
            return Self::default();
        }
        let Ok(delimiters) = Delimiters::read(rest) else { return Self::default() };
        let end = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let line = raw.slice(start..start + end);
        let context = Context { delimiters, charset: Charset::Ascii };
        let mut header = Self::from_line(line, context, |line| memchr_iter(delimiters.field, line).collect());
        let charset = crate::parse::resolve_charset(&header, &header.line, Charset::Windows1252).0;
        header.context.charset = charset;
        header
    }

    pub(crate) fn from_line(line: Bytes, context: Context, separators: impl FnOnce(&[u8]) -> Vec<usize>) -> Self {
        let found = separators(&line);
        Self::new(line, context, found.into_iter().filter_map(|at| u32::try_from(at).ok()))
    }

    pub(crate) fn new(line: Bytes, context: Context, found: impl Iterator<Item = u32>) -> Self {
        let mut separators = [0; FIELDS];
        let mut count = 0;
        for (slot, at) in separators.iter_mut().zip(found) {
            *slot = at;
            count += 1;
        }
        Self { line, context, separators, count }
    }

    /// The same header, read in the character set that the message was found to be in.
    #[must_use]
    pub fn with_charset(mut self, charset: Charset) -> Self {
        self.context.charset = charset;
        self
    }

    pub(crate) fn set_charset(&mut self, charset: Charset) {
        self.context.charset = charset;
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// Whether there was a header segment at all.
    pub fn is_present(&self) -> bool {
        !self.line.is_empty()
    }

    /// The segment's bytes, line end not included.
    pub fn raw(&self) -> &Bytes {
        &self.line
    }

    /// The message's delimiters; the standard ones if none could be read.
    pub fn delimiters(&self) -> &Delimiters {
        &self.context.delimiters
    }

    /// The character set the message is read in.
    pub fn charset(&self) -> Charset {
        self.context.charset
    }

    /// A field of the header, 1 to 25.
    pub fn field(&self, number: u16) -> Option<Value<'_>> {
        if usize::from(number) > FIELDS {
            return None;
        }
        let offsets = self.separators.get(..self.count)?;
        let separators = Separators::Known { offsets, base: 0 };
        Segment { id: SegmentId::MSH, line: &self.line, separators, context: &self.context }.field(number)
    }

    /// The bytes of a field; empty if it is not there.
    pub fn raw_field(&self, number: u16) -> &[u8] {
        self.field(number).map_or(&[], |value| value.raw())
    }

    /// The text of a component of a field's first repetition; empty if it is not there.
    pub fn text(&self, field: u16, component: u16) -> Cow<'_, str> {
        self.field(field).and_then(|value| value.component(component)).map(|value| value.text()).unwrap_or_default()
    }

    /// MSH-3.1.
    pub fn sending_application(&self) -> Cow<'_, str> {
        self.text(3, 1)
    }

    /// MSH-4.1.
    pub fn sending_facility(&self) -> Cow<'_, str> {
        self.text(4, 1)
    }

    /// MSH-5.1.
    pub fn receiving_application(&self) -> Cow<'_, str> {
        self.text(5, 1)
    }

    /// MSH-6.1.
    pub fn receiving_facility(&self) -> Cow<'_, str> {
        self.text(6, 1)
    }

    /// MSH-9.1, such as `ADT`.
    pub fn message_code(&self) -> Cow<'_, str> {
        self.text(9, 1)
    }

    /// MSH-9.2, such as `A01`.
    pub fn event(&self) -> Cow<'_, str> {
        self.text(9, 2)
    }

    /// MSH-9.3 as it stands, such as `ADT_A01`; see [`crate::structure::of`] for what it ought to be.
    pub fn structure(&self) -> Cow<'_, str> {
        self.text(9, 3)
    }

    /// MSH-10, the bytes as received: MSA-2 repeats them.
    pub fn control_id(&self) -> &[u8] {
        self.raw_field(10)
    }

    /// MSH-11.1: `P`, `T` or `D`.
    pub fn processing_id(&self) -> Cow<'_, str> {
        self.text(11, 1)
    }

    /// MSH-12.1 as it stands.
    pub fn version_text(&self) -> Cow<'_, str> {
        self.text(12, 1)
    }

    /// The known version nearest to MSH-12.1.
    pub fn version(&self) -> Version {
        Version::nearest(&self.version_text())
    }

    /// MSH-15, accept acknowledgement type.
    pub fn accept_acknowledgement(&self) -> Cow<'_, str> {
        self.text(15, 1)
    }

    /// MSH-16, application acknowledgement type.
    pub fn application_acknowledgement(&self) -> Cow<'_, str> {
        self.text(16, 1)
    }

    /// MSH-18, first repetition, as it stands.
    pub fn declared_charset(&self) -> Cow<'_, str> {
        self.text(18, 1)
    }

    /// MSH-21.1 of each repetition: the profiles the message claims to follow.
    pub fn profiles(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.field(21).into_iter().flat_map(|value| value.parts()).filter_map(|value| Some(value.component(1)?.text()))
    }
}

impl Default for Header {
    /// No header: standard delimiters, all fields empty.
    fn default() -> Self {
        let context = Context { delimiters: Delimiters::STANDARD, charset: Charset::Ascii };
        Self { line: Bytes::new(), context, separators: [0; FIELDS], count: 0 }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({} bytes)", self.line.len())
    }
}
