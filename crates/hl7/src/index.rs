//! The index of a message: where its segments and fields are, as 32-bit offsets into the received bytes.
//!
//! Two flat vectors and nothing per field. What is below a field is split when it is asked for: most of it never is.

use crate::SegmentId;

/// One segment's place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// Its id, upper case.
    pub(crate) id: SegmentId,
    /// Offset of its first byte.
    pub(crate) start: u32,
    /// Offset after its last byte, line end not included.
    pub(crate) end: u32,
    /// Its first separator in [`Index::separators`].
    pub(crate) first: u32,
}

/// Where segments and fields are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    pub(crate) segments: Vec<Entry>,
    /// Offsets of the field separators of all segments.
    pub(crate) separators: Vec<u32>,
}

/// Field separators to make room for at once; a larger message grows the vector.
const FIRST_SEPARATORS: usize = 512;
const FIRST_SEGMENTS: usize = 64;

impl Index {
    /// Room for a message of this size: HL7 text has a field about every 8 bytes and a segment about every 80.
    pub(crate) fn for_size(bytes: usize) -> Self {
        Self {
            segments: Vec::with_capacity((bytes / 64 + 4).min(FIRST_SEGMENTS)),
            separators: Vec::with_capacity((bytes / 6 + 16).min(FIRST_SEPARATORS)),
        }
    }

    pub(crate) fn get(&self, i: usize) -> Option<(Entry, &[u32])> {
        let entry = *self.segments.get(i)?;
        let end = self.segments.get(i + 1).map_or(self.separators.len(), |next| next.first as usize);
        Some((entry, self.separators.get(entry.first as usize..end)?))
    }
}
