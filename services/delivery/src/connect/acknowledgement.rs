//! Reads what is needed of an HL7 acknowledgement (or a query response): whose it is and what it says.

use barid_hl7::{Limits, Message, Segment, SegmentId};
use bytes::Bytes;

/// MSA and the first ERR of an answer.
pub(super) struct Acknowledgement {
    pub(super) code: Code,
    /// MSA-2, byte for byte.
    pub(super) control_id: Bytes,
    /// The first table 0357 code; empty where there is none.
    pub(super) error: String,
    /// MSA-3, else ERR-8, else ERR-7. May hold patient data.
    pub(super) text: String,
}

/// MSA-1, HL7 table 0008.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    ApplicationAccept,
    ApplicationError,
    ApplicationReject,
    CommitAccept,
    CommitError,
    CommitReject,
}

impl Code {
    fn read(raw: &[u8]) -> Option<Self> {
        Some(match raw {
            b"AA" => Self::ApplicationAccept,
            b"AE" => Self::ApplicationError,
            b"AR" => Self::ApplicationReject,
            b"CA" => Self::CommitAccept,
            b"CE" => Self::CommitError,
            b"CR" => Self::CommitReject,
            _ => return None,
        })
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::ApplicationAccept => "AA",
            Self::ApplicationError => "AE",
            Self::ApplicationReject => "AR",
            Self::CommitAccept => "CA",
            Self::CommitError => "CE",
            Self::CommitReject => "CR",
        }
    }

    pub(super) const fn accepts(self) -> bool {
        matches!(self, Self::ApplicationAccept | Self::CommitAccept)
    }
}

/// Why bytes are no acknowledgement; never with content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAcknowledgement {
    #[error("it is no HL7 message")]
    NotHl7,
    #[error("it has no MSA segment")]
    NoMsa,
    #[error("its MSA-1 is none of AA, AE, AR, CA, CE, CR")]
    Code,
}

const MSA: Option<SegmentId> = SegmentId::new(*b"MSA");
const ERR: Option<SegmentId> = SegmentId::new(*b"ERR");

impl Acknowledgement {
    pub(super) fn read(bytes: &Bytes) -> Result<Self, NoAcknowledgement> {
        let message = Message::parse(bytes.clone(), &Limits::default()).map_err(|_| NoAcknowledgement::NotHl7)?.message;
        let msa = first(&message, MSA).ok_or(NoAcknowledgement::NoMsa)?;
        let code = Code::read(raw(&msa, 1).trim_ascii()).ok_or(NoAcknowledgement::Code)?;
        let control_id = bytes.slice_ref(raw(&msa, 2));
        if code.accepts() {
            return Ok(Self { code, control_id, error: String::new(), text: String::new() });
        }
        let err = first(&message, ERR);
        let of_err = |field, component| err.as_ref().map(|err| text(err, field, component)).unwrap_or_default();
        let error = [of_err(3, 1), of_err_1(err.as_ref()), text(&msa, 6, 1)];
        let text = [text(&msa, 3, 1), of_err(8, 1), of_err(7, 1)];
        Ok(Self { code, control_id, error: first_of(error), text: first_of(text) })
    }
}

/// The code of ERR-1 as versions before 2.5 have it: `PID^1^11^101&...`.
fn of_err_1(err: Option<&Segment<'_>>) -> String {
    let code = err.and_then(|err| err.field(1)?.repetition(1)?.component(4)?.subcomponent(1));
    code.map(|value| value.text().into_owned()).unwrap_or_default()
}

fn first<'a>(message: &'a Message, id: Option<SegmentId>) -> Option<Segment<'a>> {
    message.segments_of(id?).next()
}

fn raw<'a>(segment: &Segment<'a>, field: u16) -> &'a [u8] {
    segment.field(field).map_or(&[], |value| value.raw())
}

fn text(segment: &Segment<'_>, field: u16, component: u16) -> String {
    let value = segment.field(field).and_then(|value| value.repetition(1)?.component(component));
    value.map(|value| value.text().into_owned()).unwrap_or_default()
}

fn first_of(texts: [String; 3]) -> String {
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}
