//! What an HTTP answer means: its status, and the HL7 acknowledgement it may carry.

use std::time::Duration;

use barid_hl7::Header;
use barid_model::record::Answer;
use bytes::Bytes;
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use crate::connect::acknowledgement::Acknowledgement;
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
        let ack = self.body.starts_with(b"MSH").then(|| Acknowledgement::read(&self.body).ok()).flatten();
        let names_it = ack.as_ref().is_some_and(|ack| ack.control_id == Header::read(&out.record.payload).control_id());
        if ack.as_ref().is_some_and(|ack| !ack.control_id.is_empty()) && !names_it && self.status.is_success() {
            let text = "the acknowledgement's MSA-2 names another message than the one sent";
            return Sent::Failed(TransportError::after_write(TransportKind::Mismatch, text));
        }
        let class = self.class(ack.as_ref(), names_it);
        let (code, text) = match ack {
            Some(ack) => (ack.code.word().to_owned(), ack.text),
            None => (self.status.as_str().to_owned(), self.status.canonical_reason().unwrap_or("").to_owned()),
        };
        let answer = Answer { code, bytes: kept(self.body, out.is_awaited()).into() };
        Sent::Answered(Answered { class, status: Some(self.status.as_u16()), text, answer })
    }

    fn class(&self, ack: Option<&Acknowledgement>, names_it: bool) -> AnswerClass {
        let refusal = ack.filter(|ack| !ack.code.accepts());
        if says_not_now(self.status) {
            // A receiver that answers 500 with a reason against this very message will never take it.
            return match refusal {
                Some(ack) if self.status == StatusCode::INTERNAL_SERVER_ERROR && names_it && ack.error != INTERNAL => {
                    rejected(ack)
                }
                _ => AnswerClass::Unavailable { retry_after: self.retry_after },
            };
        }
        match refusal {
            Some(ack) => rejected(ack),
            None if self.status.is_success() => AnswerClass::Accepted,
            None => AnswerClass::Rejected { code: self.status.as_str().to_owned(), error: String::new() },
        }
    }
}

fn rejected(ack: &Acknowledgement) -> AnswerClass {
    AnswerClass::Rejected { code: ack.code.word().to_owned(), error: ack.error.clone() }
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
