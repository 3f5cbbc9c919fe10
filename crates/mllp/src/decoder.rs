//! The frame decoder: a state machine over the caller's buffer.
//!
//! Tolerant by default, because real senders leave out the last byte, start anew inside a frame or chatter between
//! frames; yet two frames are never delivered as one, and a part is never delivered as a whole. `strict` turns each
//! tolerance into a violation.
//!
//! The decoder remembers how far it has looked, never the bytes: those stay in the buffer, which the caller need not
//! let grow beyond [`Options::max_payload`] plus one read.

use bytes::{Buf, BytesMut};
use memchr::{memchr, memchr2};

use crate::event::{Control, Discard, Event, Frame, Prefix, Violation, Warning};
use crate::{ACK, END, NACK, START};

const CR: u8 = 0x0D;
const LF: u8 = 0x0A;

/// How much of a payload that is too large is kept: room for any sane header segment.
const PREFIX_BYTES: usize = 4 * 1024;

/// Limits and mode of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Largest payload, in bytes; one of exactly this size passes.
    pub max_payload: usize,
    /// Most bytes between two frames; beyond that the peer does not speak MLLP (a browser, a TLS client).
    pub max_noise: u64,
    /// Refuse what is not MLLP to the letter.
    pub strict: bool,
}

impl Options {
    /// 16 MiB: a scanned document in base64 fits.
    pub const MAX_PAYLOAD: usize = 16 * 1024 * 1024;
    /// 64 KiB: hours of keep-alive bytes.
    pub const MAX_NOISE: u64 = 64 * 1024;
}

impl Default for Options {
    fn default() -> Self {
        Self { max_payload: Self::MAX_PAYLOAD, max_noise: Self::MAX_NOISE, strict: false }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between frames; skipped bytes are counted and dropped at once.
    Between,
    /// Inside a frame; the buffer starts with its payload.
    Inside,
    /// After [`Event::TooLarge`] or [`Event::Violation`]; everything is dropped.
    Closed,
}

/// Finds frames in a stream of bytes.
#[derive(Debug)]
pub struct Decoder {
    options: Options,
    state: State,
    /// Payload bytes already searched for block characters.
    scanned: usize,
    /// Bytes skipped since the last frame and not yet reported.
    noise: u64,
    /// The payload so far contains an end block character.
    embedded: bool,
    /// The buffer ends with an end block character whose next byte decides.
    pending: bool,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new(options: Options) -> Self {
        Self { options, state: State::Between, scanned: 0, noise: 0, embedded: false, pending: false }
    }

    /// The next event, or none until more bytes are appended to `buffer`. Call until none.
    ///
    /// Between calls the caller may only append to the buffer.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Option<Event> {
        self.pending = false;
        if self.state == State::Between
            && let Some(event) = self.skip_to_start(buffer)
        {
            return Some(event);
        }
        match self.state {
            State::Between => None,
            State::Inside => self.find_end(buffer),
            State::Closed => {
                buffer.clear();
                None
            }
        }
    }

    /// Whether everything but the frame's very last byte is here: some senders never send it. After a short quiet time
    /// (a second) call [`Self::finish_after_quiet`].
    pub fn pending(&self) -> bool {
        self.pending
    }

    /// Whether a frame has been begun and not ended: an idle timeout must close the connection, and nothing was
    /// received.
    pub fn inside_frame(&self) -> bool {
        self.state == State::Inside
    }

    /// Whether the stream is beyond use: close the connection.
    pub fn closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Delivers a frame whose final carriage return did not come within the quiet time.
    pub fn finish_after_quiet(&mut self, buffer: &mut BytesMut) -> Option<Event> {
        if !self.pending {
            return None;
        }
        self.pending = false;
        if self.options.strict {
            return Some(self.close(buffer, Violation::EndBlock));
        }
        let end = self.scanned;
        Some(self.take(buffer, end, 1, Some(Warning::EndWithoutReturn)))
    }

    /// What remains to be told when the peer has closed.
    pub fn finish(&mut self, buffer: &mut BytesMut) -> Option<Event> {
        if let Some(event) = self.finish_after_quiet(buffer) {
            return Some(event);
        }
        let state = std::mem::replace(&mut self.state, State::Closed);
        let bytes = buffer.len() as u64;
        buffer.clear();
        match state {
            State::Between if self.noise > 0 => Some(Event::Noise { bytes: std::mem::take(&mut self.noise) }),
            State::Inside => Some(Event::Discarded { reason: Discard::Unfinished, bytes }),
            State::Between | State::Closed => None,
        }
    }

    fn skip_to_start(&mut self, buffer: &mut BytesMut) -> Option<Event> {
        let allowed = if self.options.strict { 0 } else { self.options.max_noise.saturating_sub(self.noise) };
        let window = usize::try_from(allowed).unwrap_or(usize::MAX).saturating_add(1).min(buffer.len());
        match memchr(START, buffer.get(..window).unwrap_or_default()) {
            Some(at) => {
                buffer.advance(at + 1);
                self.noise += at as u64;
                self.enter();
                let bytes = std::mem::take(&mut self.noise);
                (bytes > 0).then_some(Event::Noise { bytes })
            }
            None if window as u64 > allowed => {
                let violation = if self.options.strict { Violation::Noise } else { Violation::NoiseLimit };
                Some(self.close(buffer, violation))
            }
            None => {
                self.noise += buffer.len() as u64;
                buffer.clear();
                None
            }
        }
    }

    fn find_end(&mut self, buffer: &mut BytesMut) -> Option<Event> {
        loop {
            let window = self.options.max_payload.saturating_add(1).min(buffer.len());
            let unseen = buffer.get(self.scanned..window).unwrap_or_default();
            let Some(at) = memchr2(START, END, unseen).map(|at| at + self.scanned) else {
                self.scanned = window;
                return (buffer.len() > self.options.max_payload).then(|| self.too_large(buffer));
            };
            if buffer.get(at) == Some(&START) {
                return Some(self.restart(buffer, at));
            }
            match buffer.get(at + 1) {
                None => {
                    self.scanned = at;
                    self.pending = true;
                    return None;
                }
                Some(&CR) => return Some(self.take(buffer, at, 2, None)),
                Some(_) if self.options.strict => return Some(self.close(buffer, Violation::EndBlock)),
                Some(&START) => return Some(self.take(buffer, at, 1, Some(Warning::EndWithoutReturn))),
                Some(&LF) => return Some(self.take(buffer, at, 2, Some(Warning::EndWithLineFeed))),
                Some(_) => {
                    self.embedded = true;
                    self.scanned = at + 1;
                }
            }
        }
    }

    fn take(&mut self, buffer: &mut BytesMut, end: usize, trailer: usize, warning: Option<Warning>) -> Event {
        let payload = buffer.split_to(end).freeze();
        buffer.advance(trailer.min(buffer.len()));
        self.state = State::Between;
        let warning = if self.embedded { Some(Warning::EndBlockInside) } else { warning };
        match payload.as_ref() {
            [] => Event::Discarded { reason: Discard::Empty, bytes: 0 },
            [ACK] => Event::Control(Control::Ack),
            [NACK] => Event::Control(Control::Nack),
            _ => Event::Frame(Frame { payload, warning }),
        }
    }

    fn restart(&mut self, buffer: &mut BytesMut, at: usize) -> Event {
        if self.options.strict {
            return self.close(buffer, Violation::StartBlockInside);
        }
        buffer.advance(at + 1);
        self.enter();
        Event::Discarded { reason: Discard::Restarted, bytes: at as u64 }
    }

    fn too_large(&mut self, buffer: &mut BytesMut) -> Event {
        let prefix = buffer.split_to(PREFIX_BYTES.min(self.options.max_payload).min(buffer.len()));
        self.state = State::Closed;
        *buffer = BytesMut::new();
        // A copy: the prefix must not keep the whole buffer alive.
        Event::TooLarge { prefix: Prefix(bytes::Bytes::copy_from_slice(&prefix)) }
    }

    fn enter(&mut self) {
        self.state = State::Inside;
        self.scanned = 0;
        self.embedded = false;
    }

    fn close(&mut self, buffer: &mut BytesMut, violation: Violation) -> Event {
        self.state = State::Closed;
        buffer.clear();
        Event::Violation(violation)
    }
}
