//! Writing a message in another character set: every value, hexadecimal escapes of text included, and MSH-18.
//!
//! Character set switches (`\C2D47\`) are resolved on the way, since the bytes behind them mean other characters than
//! the rest of the message. Nothing becomes another character: what the target lacks fails, or is marked, by setting.

use bytes::Bytes;

use crate::draft::{Draft, EditError, SegmentEnds};
use crate::{Charset, Message, OnUnmappable};

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
    /// Rewrites the draft in another character set, with MSH-18.
    pub fn transcode(&mut self, target: Charset) -> Result<(), EditError> {
        self.declare(target)
    }
}
