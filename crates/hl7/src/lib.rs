//! HL7 v2 messages as bytes plus an index: parse, address, edit, write, acknowledge.
//!
//! A [`Message`] keeps the received bytes untouched and knows where its segments and fields are; values are split and
//! unescaped when they are asked for. A [`Draft`] edits without touching any other byte. [`ack`] builds and reads
//! acknowledgements. Everything here is pure: no I/O, no clock, no environment, no randomness.
//!
//! Left to others: what a message should contain (`barid-validate`), and who gets it.
//!
//! ```
//! use barid_hl7::{Draft, Limits, Message, Path, SegmentEnds};
//! use bytes::Bytes;
//!
//! let raw = Bytes::from_static(b"MSH|^~\\&|HIS|CHN|||20261122||ADT^A01|42|P|2.5\rPID|1||A7^^^CHN~9^^^NAT\r");
//! let message = Message::parse(raw.clone(), &Limits::default())?.message;
//! assert_eq!(message.text(&Path::parse("PID-3[2].4")?), "NAT");
//!
//! let mut draft = Draft::new(&message);
//! assert_eq!(draft.finish(SegmentEnds::Cr), raw);
//! draft.set(&Path::parse("MSH-5")?, "R&D")?;
//! assert!(draft.finish(SegmentEnds::Cr).starts_with(b"MSH|^~\\&|HIS|CHN|R\\T\\D||2026"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod all;
mod charset;
mod delimiters;
mod escape;
mod finding;
mod group;
mod header;
mod index;
mod limits;
mod message;
mod order;
mod parse;
mod path;
mod scan;
mod segment;
mod value;
mod version;

pub mod ack;
mod draft;
mod redelimit;
pub mod structure;
mod transcode;
pub mod varies;

pub use charset::{Charset, CharsetError, OnUnmappable};
pub use delimiters::{DelimiterError, Delimiters};
pub use draft::{Draft, EditError, SegmentEnds};
pub use escape::{EscapeError, Escaping, Formatting, LineBreaks, unescape};
pub use finding::{Finding, Severity, error_code};
pub use group::Groups;
pub use header::Header;
pub use limits::Limits;
pub use message::Message;
pub use parse::{ParseError, ParseProblem, Parsed};
pub use path::{Index, Path, PathError, SegmentId};
pub use segment::Segment;
pub use transcode::transcode;
pub use value::{Level, Presence, Value};
pub use version::Version;

#[cfg(test)]
mod tests;
