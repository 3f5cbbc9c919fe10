//! MLLP, the framing of HL7 v2 over TCP: `0x0B` payload `0x1C 0x0D`.
//!
//! Sans-IO: bytes go in, [`Event`]s come out, and the caller owns sockets, buffers and clocks. What comes out does not
//! depend on how the bytes were cut into reads, payloads are taken out of the caller's `BytesMut` without a copy, and
//! every byte is looked at once, so that a 10 MB document costs ten million steps and not a square of it.
//!
//! Left to others: what the payload means (`barid-hl7`), timeouts, answers, and when to close.
//!
//! ```
//! use barid_mllp::{Decoder, Event, Options, encode};
//! use bytes::BytesMut;
//!
//! let mut decoder = Decoder::new(Options::default());
//! let mut buffer = BytesMut::from(&encode(b"MSH|^~\\&|...\r")?[..]);
//! match decoder.decode(&mut buffer) {
//!     Some(Event::Frame(frame)) => assert_eq!(&frame.payload[..], b"MSH|^~\\&|...\r"),
//!     other => panic!("{other:?}"),
//! }
//! assert!(decoder.decode(&mut buffer).is_none());
//! # Ok::<(), barid_mllp::Unframable>(())
//! ```

mod decoder;
mod encode;
mod event;

pub use decoder::{Decoder, Options};
pub use encode::{ACK, END, HEADER, NACK, START, TRAILER, Unframable, check, control, encode, encode_into};
pub use event::{Control, Discard, Event, Frame, Prefix, Violation, Warning};

#[cfg(test)]
mod tests;
