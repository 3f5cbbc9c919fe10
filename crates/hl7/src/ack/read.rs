//! Reading an acknowledgement that a destination sent.
//!
//! Strict where it matters: a reply decides custody, so what is no readable MSH with exactly one MSA and a known code is
//! an error and never an answer. Whether MSA-2 is the id that was sent is for the caller to compare, byte for byte.

use std::fmt;

use bytes::Bytes;

use super::AckCode;
use crate::{Index, Limits, Message, ParseProblem, Path, SegmentId};

/// A reply.
#[derive(Clone)]
pub struct Acknowledgement {
    /// MSA-1.
    pub code: AckCode,
    /// MSA-2 as it stands: the control id of the message that is answered.
    pub control_id: Bytes,
    /// Codes of table 0357 from ERR-3, ERR-1 or MSA-6, as they stand, without repeats; at most [`MOST_CODES`].
    pub error_codes: Vec<String>,
    /// The whole reply, for expressions and the ledger. May hold patient data, as may its texts.
    pub message: Message,
}

/// Most error codes kept of one reply.
pub const MOST_CODES: usize = 16;
/// Longest error code kept, in characters; the table's are three.
const LONGEST_CODE: usize = 20;

/// Bytes that are no acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not a message.
    #[error("the reply is not an HL7 message: {0}")]
    Unreadable(ParseProblem),
    /// No MSA, or several.
    #[error("the reply has {count} MSA segments instead of one")]
    Msa {
        /// How many there are.
        count: usize,
    },
    /// MSA-1 is not in table 0008.
    #[error("MSA-1 of the reply is not AA, AE, AR, CA, CE or CR")]
    Code,
}

impl Acknowledgement {
    /// A text for people: MSA-3, else ERR-8, else the text of ERR-3. It comes from the other side and may hold patient
    /// data: for the ledger, never for logs.
    pub fn text(&self) -> String {
        let places = [("MSA", 3, 0), ("ERR", 8, 0), ("ERR", 3, 2), ("ERR", 7, 0)];
        let texts = places.iter().filter_map(|(id, field, component)| {
            let path = Path::of_segment(id_of(id)?).with_field(*field).with_component(*component);
            let text = self.message.text(&path).into_owned();
            (!text.is_empty()).then_some(text)
        });
        texts.into_iter().next().unwrap_or_default()
    }
}

/// Reads a reply; the bytes are kept.
pub fn read(raw: Bytes) -> Result<Acknowledgement, ReadError> {
    let parsed = Message::parse(raw, &Limits::default()).map_err(|error| ReadError::Unreadable(error.problem))?;
    let message = parsed.message;
    let msa = Path::of_segment(id_of("MSA").ok_or(ReadError::Code)?);
    let count = message.count(&msa);
    if count != 1 {
        return Err(ReadError::Msa { count });
    }
    let raw = |field| message.get(&msa.with_field(field)).map_or(&[][..], |value| value.raw());
    let code = AckCode::from_bytes(raw(1)).ok_or(ReadError::Code)?;
    let control_id = message.segments().find(|segment| segment.id() == msa.segment());
    let control_id =
        control_id.and_then(|segment| segment.field_raw(2)).map_or_else(Bytes::new, Bytes::copy_from_slice);
    let error_codes = error_codes(&message);
    Ok(Acknowledgement { code, control_id, error_codes, message })
}

fn error_codes(message: &Message) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    let Some(err) = id_of("ERR").map(Path::of_segment) else { return codes };
    let err = err.with_occurrence(Index::All);
    let each = |field| err.with_field(field).with_repetition(Index::All);
    let new = message.all(&each(3).with_component(1));
    let old = message.all(&each(1).with_component(4).with_subcomponent(1));
    let msa = id_of("MSA").map(|id| Path::of_segment(id).with_field(6).with_component(1));
    let oldest = msa.and_then(|path| Some((path, message.get(&path)?)));
    for (_, value) in new.chain(old).chain(oldest) {
        let code: String = value.text().trim().chars().take(LONGEST_CODE).collect();
        if !code.is_empty() && !codes.contains(&code) && codes.len() < MOST_CODES {
            codes.push(code);
        }
    }
    codes
}

fn id_of(id: &str) -> Option<SegmentId> {
    SegmentId::new(*id.as_bytes().first_chunk::<3>()?)
}

impl fmt::Debug for Acknowledgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Acknowledgement({}, {:?})", self.code.as_str(), self.error_codes)
    }
}
