//! What a frame from the receiver means for the message that was sent: its acknowledgement, or nobody's.

use barid_hl7::ack::{self, AckCode, Acknowledgement};
use barid_model::record::{ANSWER_BYTES_MAX, Answer};
use bytes::Bytes;

use crate::connect::{AnswerClass, Answered, TransportError, TransportKind};

/// An acknowledgement that is certainly the message's.
pub(super) enum Judged {
    /// HL7.
    Acknowledgement(Box<Acknowledgement>),
    /// A release 2 commit block.
    CommitBlock,
}

impl Judged {
    /// The frame as the acknowledgement of the message with this control id.
    pub(super) fn of(frame: Bytes, control_id: &Bytes) -> Result<Self, TransportError> {
        let ack =
            ack::read(frame).map_err(|error| TransportError::after_write(TransportKind::Garbled, error.to_string()))?;
        if ack.control_id != control_id {
            let text = "the answer's MSA-2 names another message than the one sent";
            return Err(TransportError::after_write(TransportKind::Mismatch, text));
        }
        Ok(Self::Acknowledgement(Box::new(ack)))
    }

    /// Whether it speaks of safe storage only (CA, CE, CR), so that an application acknowledgement may follow.
    pub(super) fn is_commit(&self) -> bool {
        matches!(self, Self::Acknowledgement(ack) if ack.code.is_commit())
    }

    pub(super) fn is_accepted(&self) -> bool {
        !matches!(self, Self::Acknowledgement(ack) if !ack.code.is_positive())
    }

    /// As it is told and recorded; cut unless a sender waits for it.
    pub(super) fn record(self, whole: bool) -> Answered {
        match self {
            Self::CommitBlock => Answered::accepted("commit", Bytes::new()),
            Self::Acknowledgement(ack) => {
                let class = if ack.code.is_positive() { AnswerClass::Accepted } else { AnswerClass::Rejected };
                Answered { class, ..Answered::of_acknowledgement(&ack, whole) }
            }
        }
    }
}

impl Answered {
    /// What an acknowledgement says. Its class here is accepted; the caller knows what it is.
    pub(in crate::connect) fn of_acknowledgement(ack: &Acknowledgement, whole: bool) -> Self {
        let code = ack.code.as_str().to_owned();
        Self {
            class: AnswerClass::Accepted,
            status: None,
            code: code.clone(),
            error: ack.error_codes.first().cloned().unwrap_or_default(),
            text: ack.text(),
            answer: Answer { code, bytes: kept(ack.message.raw().clone(), whole).into() },
        }
    }
}

/// MSA-2 of a frame that is an application acknowledgement.
pub(super) fn application_answer_to(frame: &Bytes) -> Option<Bytes> {
    let ack = ack::read(frame.clone()).ok()?;
    matches!(ack.code, AckCode::AA | AckCode::AE | AckCode::AR).then_some(ack.control_id)
}

/// The bytes that are kept of an answer. Small ones are copied, so that they do not keep the read buffer alive.
pub(in crate::connect) fn kept(bytes: Bytes, whole: bool) -> Bytes {
    match bytes.get(..ANSWER_BYTES_MAX) {
        None => Bytes::copy_from_slice(&bytes),
        Some(cut) if !whole => Bytes::copy_from_slice(cut),
        Some(_) => bytes,
    }
}
