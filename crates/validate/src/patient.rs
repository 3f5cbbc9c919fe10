//! Which patients a message names: for lanes (`order.by: patient`) and for search.
//!
//! A message is in the lane of every patient it names, in every PID segment and in MRG. The events that name two (swap,
//! link, merge, move, change of identifiers) are not listed here: that the second patient stands in the message is what
//! makes it two, and a merge whose event number this Barid has never heard of stays in order too.

use barid_hl7::{Message, Path, Segment, Value};
use barid_model::{LaneHasher, LaneKind, Lanes};

use crate::channel::PatientRule;

const PID: &[u8; 3] = b"PID";
const MRG: &[u8; 3] = b"MRG";
/// Between identifier and authority in what is hashed; no HL7 text contains it.
const SEPARATOR: u8 = 0x1D;

/// One identifier with the authority that assigned it (CX).
#[derive(Clone, Copy)]
struct Identifier<'a> {
    id: &'a [u8],
    authority: &'a [u8],
}

/// The lanes of a message that is kept in order by patient; the facility's own where it names none.
pub(crate) fn lanes(message: &Message, rule: &PatientRule, facility: &str, hasher: &LaneHasher) -> Lanes {
    let mut lanes = Vec::new();
    for field in patient_fields(message, &rule.path) {
        let Some(found) = identifier(field, rule) else { continue };
        let mut value = Vec::with_capacity(found.id.len() + 1 + found.authority.len());
        value.extend_from_slice(found.id);
        value.push(SEPARATOR);
        value.extend_from_slice(found.authority);
        lanes.push(hasher.lane(facility, LaneKind::Patient, &value));
    }
    if lanes.is_empty() {
        lanes.push(hasher.lane(facility, LaneKind::Facility, b""));
    }
    Lanes::of(lanes)
}

/// The text of every patient identifier in the message, up to a bound.
pub(crate) fn identifiers(message: &Message, most: usize, mut see: impl FnMut(&str)) {
    let fields = patient_fields(message, &crate::channel::PATIENT_IDENTIFIERS);
    let repetitions = fields.flat_map(|field| field.parts());
    for id in repetitions.filter_map(|repetition| repetition.component(1)).filter(is_valued).take(most) {
        see(&id.text());
    }
}

/// The fields that name patients: the rule's in each of its segments, and its counterpart in MRG.
fn patient_fields<'a>(message: &'a Message, path: &Path) -> impl Iterator<Item = Value<'a>> {
    let (own, field) = (path.segment(), path.field().unwrap_or(1));
    let prior = prior_field(path);
    message.segments().filter_map(move |segment: Segment<'a>| {
        if segment.id() == own {
            segment.field(field)
        } else if segment.id().as_bytes() == MRG {
            segment.field(prior?)
        } else {
            None
        }
    })
}

/// Where MRG has the prior value of a field.
fn prior_field(path: &Path) -> Option<u16> {
    match (path.segment().as_bytes(), path.field()?) {
        (PID, 3) => Some(1),
        (PID, 4) => Some(2),
        (PID, 18) => Some(3),
        (PID, 2) => Some(4),
        (b"PV1", 19) => Some(5),
        (b"PV1", 50) => Some(6),
        _ => None,
    }
}

/// The identifier that counts: of the wanted authority, else the first with an authority, else the first.
fn identifier<'a>(field: Value<'a>, rule: &PatientRule) -> Option<Identifier<'a>> {
    if let Some(component) = rule.path.component() {
        let value = field.component(component).filter(is_valued)?;
        return Some(Identifier { id: value.raw(), authority: &[] });
    }
    let all = field.parts().filter_map(read);
    let mut first = None;
    let mut assigned = None;
    for found in all {
        match &rule.authority {
            Some(wanted) if found.authority == wanted.as_bytes() => return Some(found),
            None if !found.authority.is_empty() => return Some(found),
            _ => {}
        }
        if !found.authority.is_empty() {
            assigned = assigned.or(Some(found));
        }
        first = first.or(Some(found));
    }
    assigned.or(first)
}

fn read(repetition: Value<'_>) -> Option<Identifier<'_>> {
    let id = repetition.component(1).filter(is_valued)?.raw();
    let authority = repetition.component(4);
    let part = |n| authority.and_then(|value| value.subcomponent(n)).map_or(&[][..], |value| value.raw());
    let namespace = part(1);
    Some(Identifier { id, authority: if namespace.is_empty() { part(2) } else { namespace } })
}

fn is_valued(value: &Value<'_>) -> bool {
    !value.is_empty() && !value.is_null()
}
