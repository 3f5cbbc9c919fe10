//! The abstract message structure of a message (tables 0003 and 0354): which name its grammar has.
//!
//! Several events share a structure, and senders write MSH-9.3 wrongly or not at all; where the table knows the event,
//! the table decides. Only events whose structure is not simply `TYPE_EVENT` are listed.

use crate::{Finding, Header, Path, Version, error_code};

/// Message code, events, structure, and the version from which it holds.
type Row = (&'static str, &'static [&'static str], &'static str, Version);

/// Later versions first: the first row that fits counts.
const TABLE: &[Row] = &[
    ("ADT", &["A01", "A04", "A08", "A13"], "ADT_A01", Version::V2_1),
    ("ADT", &["A05", "A14", "A28", "A31"], "ADT_A05", Version::V2_4),
    ("ADT", &["A05", "A14", "A28", "A31"], "ADT_A01", Version::V2_1),
    ("ADT", &["A06", "A07"], "ADT_A06", Version::V2_1),
    ("ADT", &["A09", "A10", "A11"], "ADT_A09", Version::V2_1),
    ("ADT", &["A12"], "ADT_A12", Version::V2_5),
    ("ADT", &["A12"], "ADT_A09", Version::V2_1),
    ("ADT", &["A21", "A22", "A23", "A25", "A26", "A27", "A29", "A32", "A33"], "ADT_A21", Version::V2_1),
    ("ADT", &["A30", "A34", "A35", "A36", "A46", "A47", "A48", "A49"], "ADT_A30", Version::V2_1),
    ("ADT", &["A39", "A40", "A41", "A42"], "ADT_A39", Version::V2_1),
    ("ADT", &["A43", "A44"], "ADT_A43", Version::V2_1),
    ("ADT", &["A50", "A51"], "ADT_A50", Version::V2_1),
    ("ADT", &["A52", "A53", "A55"], "ADT_A52", Version::V2_1),
    ("ADT", &["A61", "A62"], "ADT_A61", Version::V2_1),
    ("MDM", &["T01", "T03", "T05", "T07", "T09", "T11"], "MDM_T01", Version::V2_1),
    ("MDM", &["T02", "T04", "T06", "T08", "T10"], "MDM_T02", Version::V2_1),
    (
        "SIU",
        &["S12", "S13", "S14", "S15", "S16", "S17", "S18", "S19", "S20", "S21", "S22", "S23", "S24", "S26"],
        "SIU_S12",
        Version::V2_1,
    ),
    ("SRM", &["S01", "S02", "S03", "S04", "S05", "S06", "S07", "S08", "S09", "S10", "S11"], "SRM_S01", Version::V2_1),
    ("SRR", &["S01", "S02", "S03", "S04", "S05", "S06", "S07", "S08", "S09", "S10", "S11"], "SRR_S01", Version::V2_1),
    ("REF", &["I12", "I13", "I14", "I15"], "REF_I12", Version::V2_1),
    ("RRI", &["I12", "I13", "I14", "I15"], "RRI_I12", Version::V2_1),
    ("QBP", &["Q21", "Q22", "Q23", "Q24", "Q25"], "QBP_Q21", Version::V2_1),
    ("PPR", &["PC1", "PC2", "PC3"], "PPR_PC1", Version::V2_1),
    ("RDE", &["O11", "O25"], "RDE_O11", Version::V2_1),
];

/// Events of ADT whose structure is their own name.
const OWN: &[&str] = &["A02", "A03", "A15", "A16", "A17", "A18", "A20", "A24", "A37", "A38", "A45", "A54", "A60"];

/// The structure's name, such as `ADT_A01`, and a warning where MSH-9.3 contradicts it.
pub fn of(header: &Header) -> (String, Option<Finding>) {
    let (code, event, declared) = (header.message_code(), header.event(), header.structure());
    let Some(known) = by_event(&code, &event, header.version()) else {
        let name = match (declared.is_empty(), event.is_empty()) {
            (false, _) => declared.into_owned(),
            (true, true) => code.into_owned(),
            (true, false) => format!("{code}_{event}"),
        };
        return (name, None);
    };
    let wrong = !declared.is_empty() && declared != known.as_str();
    let finding = wrong.then(|| {
        let text = format!("MSH-9.3 contradicts the event; read as {known}");
        Finding::warning(error_code::TABLE_VALUE, "structure.contradicts", text).at(Path::msh(9).with_component(3))
    });
    (known, finding)
}

/// What table 0354 says of an event; none for events that are not listed here.
pub fn by_event(code: &str, event: &str, version: Version) -> Option<String> {
    if code == "ADT" && OWN.contains(&event) {
        return Some(format!("ADT_{event}"));
    }
    let fits = |(known, events, _, since): &&Row| *known == code && events.contains(&event) && *since <= version;
    TABLE.iter().find(fits).map(|(_, _, structure, _)| (*structure).to_owned())
}

#[cfg(test)]
mod tests;
