//! What a frame from the receiver means for the message that was sent: its acknowledgement, or nobody's.

use barid_model::record::{ANSWER_BYTES_MAX, Answer};
use bytes::Bytes;

use crate::connect::acknowledgement::{Acknowledgement, Code};
use crate::connect::{AnswerClass, Answered, TransportError, TransportKind};

/// An acknowledgement that is certainly the message's.
pub(super) struct Judged {
    code: Option<Code>,
    error: String,
    text: String,
    bytes: Bytes,
}

impl Judged {
    /// The frame as the acknowledgement of the message with this control id.
    pub(super) fn of(frame: Bytes, control_id: &Bytes) -> Result<Self, TransportError> {
        let ack = Acknowledgement::read(&frame).map_err(|error| {
            TransportError::after_write(TransportKind::Garbled, format!("the answer is no acknowledgement: {error}"))
        })?;
        if ack.control_id != control_id {
            let text = "the answer's MSA-2 names another message than the one sent";
            return Err(TransportError::after_write(TransportKind::Mismatch, text));
        }
        Ok(Self { code: Some(ack.code), error: ack.error, text: ack.text, bytes: frame })
    }

    /// A release 2 commit block as the answer.
    pub(super) fn commit_block() -> Self {
        Self { code: None, error: String::new(), text: String::new(), bytes: Bytes::new() }
    }

    /// Whether it speaks of safe storage only (CA, CE, CR), so that an application acknowledgement may follow.
    pub(super) fn is_commit(&self) -> bool {
        matches!(self.code, Some(Code::CommitAccept | Code::CommitError | Code::CommitReject))
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.code.is_none_or(Code::accepts)
    }

    /// As it is told and recorded; cut unless a sender waits for it.
    pub(super) fn record(self, whole: bool) -> Answered {
        let code = self.code.map_or("commit", Code::word).to_owned();
        let class = if self.code.is_none_or(Code::accepts) {
            AnswerClass::Accepted
        } else {
            AnswerClass::Rejected { code: code.clone(), error: self.error }
        };
        Answered { class, status: None, text: self.text, answer: Answer { code, bytes: kept(self.bytes, whole).into() } }
    }
}

/// MSA-2 of a frame that is an application acknowledgement.
pub(super) fn application_answer_to(frame: &Bytes) -> Option<Bytes> {
    let ack = Acknowledgement::read(frame).ok()?;
    let of_application = matches!(ack.code, Code::ApplicationAccept | Code::ApplicationError | Code::ApplicationReject);
    of_application.then_some(ack.control_id)
}

/// The bytes that are kept of an answer. Small ones are copied, so that they do not keep the read buffer alive.
pub(in crate::connect) fn kept(bytes: Bytes, whole: bool) -> Bytes {
    match bytes.get(..ANSWER_BYTES_MAX) {
        Some(cut) if !whole && bytes.len() > ANSWER_BYTES_MAX => Bytes::copy_from_slice(cut),
        _ if bytes.len() <= ANSWER_BYTES_MAX => Bytes::copy_from_slice(&bytes),
        _ => bytes,
    }
}
