//! The acknowledgements a receiver writes.

use std::sync::atomic::{AtomicU64, Ordering};

use barid_hl7::ack::{AckCode, Answer};
use barid_hl7::{Finding, Header};
use bytes::Bytes;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The acknowledgement of a message; with a number its error of table 0357.
pub(super) fn acknowledgement(header: &Header, code: AckCode, error: Option<u16>) -> Bytes {
    let findings: Vec<Finding> =
        error.map(|error| Finding::error(error, "receiver.asked", "refused as it was asked for")).into_iter().collect();
    let control_id = format!("R{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let now = jiff::Timestamp::now().strftime("%Y%m%d%H%M%S+0000").to_string();
    Answer {
        request: header,
        code,
        findings: &findings,
        application: "RECEIVER",
        facility: "TEST",
        control_id: &control_id,
        timestamp: &now,
    }
    .build()
}

/// The same, naming another message.
pub(super) fn of_another(header: &Header) -> Bytes {
    let other = Bytes::from_static(b"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|ANOTHER-MESSAGE|P|2.5\r");
    let version = header.version_text().into_owned();
    let other = if version.is_empty() { other } else { replaced_version(&other, &version) };
    acknowledgement(&Header::read(&other), AckCode::AA, None)
}

fn replaced_version(header: &[u8], version: &str) -> Bytes {
    let text = String::from_utf8_lossy(header).replace("|P|2.5", &format!("|P|{version}"));
    Bytes::from(text.into_bytes())
}
