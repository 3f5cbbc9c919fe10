//! Fields whose data type another field names: OBX-5 by OBX-2, MFE-4 by MFE-5, MFA-5 by MFA-6, the columns of RDT by
//! RDF-2; QPD-3 and later by the query's own definition.
//!
//! What a type means in detail is for `barid-validate`; here is only what every reader of such a field needs.

use std::borrow::Cow;

use crate::{Finding, Index, Message, Path, Presence, Segment, SegmentId, Value, error_code};

const OBX: SegmentId = id(*b"OBX");
const RDF: SegmentId = id(*b"RDF");

const fn id(text: [u8; 3]) -> SegmentId {
    match SegmentId::new(text) {
        Some(id) => id,
        None => SegmentId::MSH,
    }
}

/// How the type of a field is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldType<'a> {
    /// By its position: the dictionary knows.
    Fixed,
    /// By another field, which says this; empty if that field is.
    Named(Cow<'a, str>),
    /// By an agreement outside the message (QPD).
    Agreed,
}

/// Most findings of one message: a table of ten thousand rows without types is one fault, not ten thousand.
const MOST_FINDINGS: usize = 16;

/// Value types of table 0125 over all versions, sorted.
pub const VALUE_TYPES: &[&str] = &[
    "AD", "AUI", "CCD", "CCP", "CD", "CE", "CF", "CK", "CN", "CNE", "CP", "CQ", "CSU", "CWE", "CX", "DDI", "DIN",
    "DLD", "DLN", "DLT", "DR", "DT", "DTM", "DTN", "ED", "EI", "EIP", "ELD", "FC", "FN", "FT", "GTS", "HD", "ICD",
    "ID", "IS", "JCC", "LA1", "LA2", "MA", "MO", "MOC", "MOP", "MSG", "NA", "NDL", "NM", "NR", "OCD", "OSD", "OSP",
    "PIP", "PL", "PLN", "PN", "PPN", "PRL", "PT", "PTA", "QIP", "QSC", "RCD", "RFR", "RI", "RMC", "RP", "RPT", "SAD",
    "SCV", "SI", "SN", "SPD", "SPS", "SRT", "ST", "TM", "TN", "TQ", "TS", "TX", "UVC", "VH", "VID", "VR", "WVI", "WVS",
    "XAD", "XCN", "XON", "XPN", "XTN",
];

/// How the type of a field of a segment is settled. For RDT give the message, whose RDF names the columns.
pub fn field_type<'a>(message: &'a Message, segment: &Segment<'a>, field: u16) -> FieldType<'a> {
    let named = |by: u16| {
        let value = segment.field(by).and_then(|value| value.component(1));
        FieldType::Named(value.map(|value| value.text()).unwrap_or_default())
    };
    match (segment.id().as_str(), field) {
        ("OBX", 5) => named(2),
        ("MFE", 4) => named(5),
        ("MFA", 5) => named(6),
        ("QPD", 3..) => FieldType::Agreed,
        ("RDT", column) => {
            let path = Path::of_segment(RDF).with_field(2).with_repetition(Index::At(u32::from(column)));
            FieldType::Named(message.text(&path.with_component(2)))
        }
        _ => FieldType::Fixed,
    }
}

/// What is wrong with the types of observations: OBX-5 valued without a type (unless a default is agreed), a type that
/// is not in table 0125, a number that is none. At most 16 are told.
pub fn check_observations(message: &Message, default_type: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (segment, n) in message.segments_of(OBX).zip(1u32..) {
        if findings.len() == MOST_FINDINGS {
            break;
        }
        let path = Path::of_segment(OBX).with_occurrence(Index::At(n));
        check_observation(&segment, path, default_type, &mut findings);
    }
    findings
}

fn check_observation(segment: &Segment<'_>, path: Path, default_type: Option<&str>, findings: &mut Vec<Finding>) {
    let Some(value) = segment.field(5).filter(|value| !value.is_empty()) else { return };
    let declared = segment.field(2).map(|value| value.text()).unwrap_or_default();
    let kind = match (declared.is_empty(), default_type) {
        (false, _) => declared.as_ref(),
        (true, Some(default)) => default,
        (true, None) => {
            let text = "OBX-5 has a value, and OBX-2 does not name its type";
            let finding = Finding::error(error_code::REQUIRED_FIELD_MISSING, "observation.type-missing", text);
            findings.push(finding.at(path.with_field(2)));
            return;
        }
    };
    if VALUE_TYPES.binary_search(&kind).is_err() {
        let text = "OBX-2 is no value type of table 0125";
        let finding = Finding::error(error_code::TABLE_VALUE, "observation.type-unknown", text);
        findings.push(finding.at(path.with_field(2)));
    } else if kind == "NM" {
        let wrong = value.parts().zip(1u32..).filter(|(value, _)| !is_number(value));
        let room = MOST_FINDINGS.saturating_sub(findings.len());
        findings.extend(wrong.take(room).map(|(_, n)| {
            let place = path.with_field(5).with_repetition(Index::At(n));
            let text = "OBX-2 says NM, and this is no number";
            Finding::error(error_code::DATA_TYPE, "observation.number", text).at(place)
        }));
    }
}

/// NM: sign, digits, optional point with a digit before it. Empty and null pass.
fn is_number(value: &Value<'_>) -> bool {
    let raw = value.raw();
    let digits = raw.strip_prefix(b"+").or_else(|| raw.strip_prefix(b"-")).unwrap_or(raw);
    let mut halves = digits.splitn(2, |&byte| byte == b'.');
    let whole = halves.next().unwrap_or_default();
    let fraction = halves.next().unwrap_or_default();
    let number = !whole.is_empty() && whole.iter().chain(fraction).all(u8::is_ascii_digit);
    number || value.presence() != Presence::Valued
}

#[cfg(test)]
mod tests;
