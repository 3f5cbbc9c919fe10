//! What an HTTP answer means: its status, and the HL7 acknowledgement it may carry.

use std::time::Duration;

use barid_hl7::Header;
use barid_hl7::ack::{self, Acknowledgement};
use bytes::Bytes;
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use crate::connect::mllp::kept;
use crate::connect::{AnswerClass, Answered, Outgoing, Sent, TransportError, TransportKind};

/// The receiver's own trouble, HL7 table 0357.
const INTERNAL: &str = "207";

/// An answer as it came.
pub(super) struct Received {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
    /// Whether the body was read to its end.
    pub(super) is_whole: bool,
}

impl Received {
    /// What it means for the message that was sent.
    pub(super) fn judge(self, out: &Outgoing) -> Sent {
        if out.is_awaited() && !self.is_whole && self.status.is_success() {
            let text = "the answer is larger than a message may be, and a sender waits for it whole";
            return Sent::Failed(TransportError::after_write(TransportKind::Garbled, text));
        }
        let ack = self.body.starts_with(b"MSH").then(|| ack::read(self.body.clone()).ok()).flatten();
        let names_it = ack.as_ref().is_some_and(|ack| ack.control_id == Header::read(&out.record.payload).control_id());
        if ack.as_ref().is_some_and(|ack| !ack.control_id.is_empty()) && !names_it && self.status.is_success() {
            let text = "the acknowledgement's MSA-2 names another message than the one sent";
            return Sent::Failed(TransportError::after_write(TransportKind::Mismatch, text));
        }
        let class = self.class(ack.as_ref(), names_it);
        let answered = match ack {
            Some(ack) => Answered::of_acknowledgement(&ack, out.is_awaited()),
            None => Answered {
                text: self.status.canonical_reason().unwrap_or("").to_owned(),
                ..Answered::accepted(self.status.as_str(), kept(self.body, out.is_awaited()))
            },
        };
        Sent::Answered(Answered { class, status: Some(self.status.as_u16()), ..answered })
    }

    fn class(&self, ack: Option<&Acknowledgement>, names_it: bool) -> AnswerClass {
        let refusal = ack.filter(|ack| !ack.code.is_positive());
        if says_not_now(self.status) {
            // A receiver that answers 500 with a reason against this very message will never take it.
            let is_final = self.status == StatusCode::INTERNAL_SERVER_ERROR && names_it;
            let is_reasoned = refusal.is_some_and(|ack| ack.error_codes.iter().any(|code| code != INTERNAL));
            if !(is_final && is_reasoned) {
                return AnswerClass::Unavailable { retry_after: self.retry_after };
            }
        }
        if refusal.is_none() && self.status.is_success() { AnswerClass::Accepted } else { AnswerClass::Rejected }
    }
}

/// Whether a status is about the moment or our credentials and not about the message.
fn says_not_now(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 401 | 407 | 408 | 425 | 429)
}

/// Retry-After in seconds, or as a date against the answer's own Date: the receiver's clock, not ours.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = headers.get(DATE)?.to_str().ok()?;
    let parser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
    let until = parser.parse_timestamp(text).ok()?.duration_since(parser.parse_timestamp(now).ok()?);
    Some(until.try_into().unwrap_or(Duration::ZERO))
}
