//! What is written back: which acknowledgement is due, and its bytes. Texts come from findings, which hold no data.

use std::fmt::Write as _;
use std::sync::Arc;

use barid_hl7::ack::{self, AckCode, Answer, Disposition};
use barid_hl7::{Draft, Header, Limits, Message, Path, SegmentEnds, SegmentId, error_code};
use barid_model::{Finding, Payload};
use barid_validate::to_hl7;
use bytes::Bytes;

use crate::accept::AnswerForSender;
use crate::context::Shared;
use crate::pending::{Pending, Settled};

/// Makes the answers of one connection.
pub(crate) struct Replies {
    shared: Arc<Shared>,
    /// The second that `timestamp` shows.
    second: i64,
    timestamp: String,
    control_id: String,
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    /// MSA-1; none where none is due.
    pub(crate) code: Option<AckCode>,
    /// The message; empty where none is due.
    pub(crate) bytes: Bytes,
}

impl Replies {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), second: i64::MIN, timestamp: String::new(), control_id: String::new() }
    }

    /// The answer to a settled message.
    pub(crate) fn reply(&mut self, pending: &Pending) -> Reply {
        let Some(settled) = pending.outcome() else { return Reply::default() };
        match settled {
            Settled::Silent => Reply::default(),
            Settled::Accepted | Settled::Answered(AnswerForSender::Accepted) => {
                self.own(pending, Disposition::Accepted, &[])
            }
            Settled::Answered(AnswerForSender::Rejected(findings)) => self.own(pending, Disposition::Error, findings),
            Settled::Answered(AnswerForSender::Passed { answer, accepted }) => match passed(&pending.header, answer) {
                Some(reply) => reply,
                None if *accepted => self.own(pending, Disposition::Accepted, &[]),
                None => self.own(pending, Disposition::Error, &[internal("the destination rejected the message")]),
            },
            Settled::NoAnswer => {
                let text = "the message is stored, but its destination has not answered in time";
                self.own(pending, Disposition::Error, &[internal(text)])
            }
            Settled::Refused { disposition, findings, .. } => self.own(pending, *disposition, findings),
            Settled::Ours(error) => self.own(pending, Disposition::Error, &[internal(&error.to_string())]),
        }
    }

    fn own(&mut self, pending: &Pending, disposition: Disposition, findings: &[Finding]) -> Reply {
        let Some(code) = ack::reply(pending.mode, &pending.header, pending.is_response, disposition) else {
            return Reply::default();
        };
        let rules = self.shared.rules.load_full();
        self.stamp();
        let findings: Vec<barid_hl7::Finding> = findings.iter().map(to_hl7).collect();
        let answer = Answer {
            request: &pending.header,
            code,
            findings: &findings,
            application: &rules.application,
            facility: &rules.facility,
            control_id: &self.control_id,
            timestamp: &self.timestamp,
        };
        Reply { code: Some(code), bytes: answer.build() }
    }

    /// A new control id, and the time if it has moved on.
    fn stamp(&mut self) {
        let now = self.shared.parts.clock.now().micros().div_euclid(1_000_000);
        if now != self.second {
            self.second = now;
            let time = jiff::Timestamp::from_second(now).unwrap_or_default();
            self.timestamp = time.strftime("%Y%m%d%H%M%S+0000").to_string();
        }
        self.control_id.clear();
        // Writing to a string cannot fail; 15 characters, and every version allows 20.
        write!(self.control_id, "B{:014X}", self.shared.next_answer()).unwrap_or_default();
    }
}

/// A destination's answer as it is passed on: its MSA-2 is the sender's own control id, whatever a mapping made of it on
/// the way. None where it is no acknowledgement or cannot be framed.
fn passed(request: &Header, answer: &Payload) -> Option<Reply> {
    barid_mllp::check(answer).ok()?;
    let read = ack::read(answer.bytes()).ok()?;
    if read.control_id == request.control_id() {
        return Some(Reply { code: Some(read.code), bytes: answer.bytes() });
    }
    let message = Message::parse(answer.bytes(), &Limits::default()).ok()?.message;
    let place = Path::of_segment(SegmentId::new(*b"MSA")?).with_field(2);
    let mut draft = Draft::new(&message);
    if message.delimiters() == request.delimiters() {
        draft.set_raw(&place, request.control_id()).ok()?;
    } else {
        draft.set(&place, &request.field(10)?.text()).ok()?;
    }
    Some(Reply { code: Some(read.code), bytes: draft.finish(SegmentEnds::Cr) })
}

fn internal(text: &str) -> Finding {
    Finding::error(error_code::INTERNAL, "", "accept", text)
}
