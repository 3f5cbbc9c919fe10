//! What a receiver answers: acknowledgements, and responses to queries.
//!
//! The answer's own control id (MSH-10) is `R` and the place of what it answers in the order of arrival, so that a test
//! that gets an answer passed on knows which arrival it was given for.

use std::fmt::Write as _;

use barid_hl7::ack::{AckCode, Answer};
use barid_hl7::{Finding, Header};
use bytes::Bytes;

/// MSH-9.1 of queries that are answered with a response, and what the response is.
const QUERY: (&[u8], &str) = (b"QBP", "RSP");

/// Writes the answers to one message.
pub(super) struct Replier<'a> {
    pub(super) header: &'a Header,
    pub(super) payload: &'a [u8],
    /// Its place in the order of arrival.
    pub(super) order: u64,
}

impl Replier<'_> {
    /// That it was taken; to a query the response, which says that nothing was found.
    pub(super) fn accepted(&self) -> Bytes {
        let ack = self.acknowledgement(AckCode::AA, None);
        self.response(&ack).unwrap_or(ack)
    }

    /// The acknowledgement; with a number its error of table 0357.
    pub(super) fn acknowledgement(&self, code: AckCode, error: Option<u16>) -> Bytes {
        acknowledgement(self.header, &format!("R{}", self.order), code, error)
    }

    /// The same, naming another message.
    pub(super) fn of_another(&self) -> Bytes {
        let other = Bytes::from_static(b"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|ANOTHER-MESSAGE|P|2.5\r");
        let version = self.header.version_text().into_owned();
        let other = if version.is_empty() { other } else { replaced_version(&other, &version) };
        acknowledgement(&Header::read(&other), &format!("R{}", self.order), AckCode::AA, None)
    }

    /// The acknowledgement with the segments of a query's response, in the usual delimiters only: QBP^Q22 becomes
    /// RSP^K22.
    fn response(&self, ack: &[u8]) -> Option<Bytes> {
        let (ack, query) = (std::str::from_utf8(ack).ok()?, std::str::from_utf8(self.payload).ok()?);
        let kind = self.header.field(9)?;
        let is_query = kind.component(1).is_some_and(|code| code.raw() == QUERY.0);
        let trigger = std::str::from_utf8(kind.component(2)?.raw()).ok()?.strip_prefix('Q')?;
        let asked = query.split('\r').find(|segment| segment.starts_with("QPD|")).filter(|_| is_query)?;
        let (msh, msa) = ack.split_once('\r')?;
        let mut fields: Vec<&str> = msh.split('|').collect();
        let response = format!("{0}^K{trigger}^{0}_K{trigger}", QUERY.1);
        *fields.get_mut(8)? = &response;
        let mut text = format!("{}\r{msa}", fields.join("|"));
        let tag = asked.split('|').nth(2).unwrap_or_default();
        // Writing to a string cannot fail.
        write!(text, "QAK|{tag}|NF\r{asked}\r").unwrap_or_default();
        Some(text.into())
    }
}

fn acknowledgement(header: &Header, control_id: &str, code: AckCode, error: Option<u16>) -> Bytes {
    let findings: Vec<Finding> =
        error.map(|error| Finding::error(error, "receiver.asked", "refused as it was asked for")).into_iter().collect();
    let now = jiff::Timestamp::now().strftime("%Y%m%d%H%M%S+0000").to_string();
    Answer {
        request: header,
        code,
        findings: &findings,
        application: "RECEIVER",
        facility: "TEST",
        control_id,
        timestamp: &now,
    }
    .build()
}

fn replaced_version(header: &[u8], version: &str) -> Bytes {
    let text = String::from_utf8_lossy(header).replace("|P|2.5", &format!("|P|{version}"));
    Bytes::from(text.into_bytes())
}
