//! What a decoder reports: one closed list, so that a listener has to say what it does about each.
//!
//! No variant shows content but the payload of a frame and the prefix of one that is too large, and those two are
//! redacted in `Debug`: payloads hold patient data.

use std::fmt;

use bytes::Bytes;

/// Something the decoder found in the stream, in stream order.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole frame.
    Frame(Frame),
    /// An MLLP release 2 commit acknowledgement (`0B 06 1C 0D` or `0B 15 1C 0D`); never HL7.
    Control(Control),
    /// Bytes between frames, skipped.
    Noise {
        /// How many since the frame before.
        bytes: u64,
    },
    /// A frame that was begun and is not delivered; never to be acknowledged positively.
    Discarded {
        /// Why.
        reason: Discard,
        /// Payload bytes thrown away.
        bytes: u64,
    },
    /// The payload passed the limit. The decoder is closed: answer from the prefix, then close the connection.
    TooLarge {
        /// The first bytes of the payload, enough for a header segment.
        prefix: Prefix,
    },
    /// The peer broke a rule that this decoder does not tolerate. The decoder is closed: close the connection.
    Violation(Violation),
}

/// One payload.
#[derive(PartialEq, Eq)]
pub struct Frame {
    /// The bytes between start and end block, as received.
    pub payload: Bytes,
    /// What was tolerated to read it.
    pub warning: Option<Warning>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes, {:?})", self.payload.len(), self.warning)
    }
}

/// The beginning of a payload that was too large; at most 4 KiB.
#[derive(PartialEq, Eq)]
pub struct Prefix(pub Bytes);

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({} bytes)", self.0.len())
    }
}

/// MLLP release 2 commit acknowledgements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// `0x06`: the peer has stored the content.
    Ack,
    /// `0x15`: the peer could not store it.
    Nack,
}

/// Why a begun frame is not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// Nothing between start and end block.
    Empty,
    /// A second start block inside the frame: the sender began anew.
    Restarted,
    /// The connection ended inside the frame.
    Unfinished,
}

/// What a tolerant decoder let pass in a frame that it delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// `0x1C` was followed by the next start block, or by nothing for a while.
    EndWithoutReturn,
    /// `0x1C` was followed by `0x0A` where `0x0D` belongs.
    EndWithLineFeed,
    /// The payload itself contains `0x1C`; it was delivered whole.
    EndBlockInside,
}

/// A rule whose breach closes the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// Bytes outside a frame (strict mode).
    Noise,
    /// More bytes outside a frame than the limit: the peer does not speak MLLP.
    NoiseLimit,
    /// A start block inside a frame (strict mode).
    StartBlockInside,
    /// `0x1C` not followed by `0x0D` (strict mode).
    EndBlock,
}
