//! What a message may be at most, and what is tolerated in it.

use crate::Charset;

/// Bounds on one message, and the tolerances a listener or facility can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Segments of one message; each costs 16 bytes of index.
    pub segments: usize,
    /// Fields of one message in all its segments; each costs 4 bytes of index.
    pub fields: usize,
    /// Accept LF and CRLF as segment ends (with a finding). Without, a line feed anywhere is an error.
    pub line_feeds: bool,
    /// How bytes above 0x7F are read when MSH-18 does not say, and they are not UTF-8.
    pub fallback_charset: Charset,
}

impl Limits {
    /// 16 MiB: a scanned document in base64 fits.
    pub const MESSAGE_BYTES: usize = 16 * 1024 * 1024;
    /// Twenty times the largest laboratory report known.
    pub const SEGMENTS: usize = 100_000;
    /// A 4 MB index at most.
    pub const FIELDS: usize = 1_000_000;
    /// Indexes are 32 bits wide.
    pub(crate) const ADDRESSABLE: usize = u32::MAX as usize - 16;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: Self::MESSAGE_BYTES,
            segments: Self::SEGMENTS,
            fields: Self::FIELDS,
            line_feeds: true,
            fallback_charset: Charset::Windows1252,
        }
    }
}
