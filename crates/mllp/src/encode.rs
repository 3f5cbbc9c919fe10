//! Writing frames. A payload that holds block characters cannot be framed and is refused here, because the receiver
//! would see a truncated message and could acknowledge it.
//!
//! Writers that use vectored I/O take [`START`], the payload and [`TRAILER`] as three slices and copy nothing.

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memchr2;

use crate::Control;

/// Start of block.
pub const START: u8 = 0x0B;
/// End of block, first of the two bytes of [`TRAILER`].
pub const END: u8 = 0x1C;
/// What ends a frame.
pub const TRAILER: [u8; 2] = [END, 0x0D];
/// What starts a frame, as a slice for vectored writes.
pub const HEADER: [u8; 1] = [START];
/// Content of a release 2 commit acknowledgement.
pub const ACK: u8 = 0x06;
/// Content of a release 2 negative commit acknowledgement.
pub const NACK: u8 = 0x15;

/// The payload contains a start or end block character, or nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unframable {
    /// A block character (`0x0B` or `0x1C`) stands in the payload.
    #[error("byte {at} of the message is an MLLP block character: escape it (\\X0B\\, \\X1C\\) or remove it")]
    BlockCharacter {
        /// Its offset, in bytes.
        at: usize,
    },
    /// There is no payload.
    #[error("the message is empty")]
    Empty,
}

/// Whether the payload can be framed so that the receiver reads the same bytes.
pub fn check(payload: &[u8]) -> Result<(), Unframable> {
    if payload.is_empty() {
        return Err(Unframable::Empty);
    }
    match memchr2(START, END, payload) {
        Some(at) => Err(Unframable::BlockCharacter { at }),
        None => Ok(()),
    }
}

/// The payload as one frame (a copy of it).
pub fn encode(payload: &[u8]) -> Result<Bytes, Unframable> {
    let mut out = BytesMut::with_capacity(payload.len() + 3);
    encode_into(payload, &mut out)?;
    Ok(out.freeze())
}

/// Appends the payload's frame, so that several answers go out in one write.
pub fn encode_into(payload: &[u8], out: &mut BytesMut) -> Result<(), Unframable> {
    check(payload)?;
    out.reserve(payload.len() + 3);
    out.put_u8(START);
    out.put_slice(payload);
    out.put_slice(&TRAILER);
    Ok(())
}

/// A release 2 commit acknowledgement block.
pub fn control(control: Control) -> [u8; 4] {
    let content = match control {
        Control::Ack => ACK,
        Control::Nack => NACK,
    };
    [START, content, END, 0x0D]
}
