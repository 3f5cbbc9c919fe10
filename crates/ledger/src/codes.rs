//! How a ledger's rows keep what is no number: the same in every database.

use barid_model::record::Parked;
use barid_model::{Disposition, Envelope, Finding, Lanes, MessageUid, Outcome};

use crate::State;
use crate::filter::Key;

/// A disposition's number in storage.
pub const fn disposition_code(disposition: Disposition) -> i64 {
    match disposition {
        Disposition::Routed => 1,
        Disposition::Duplicate => 2,
        Disposition::Quarantined => 3,
    }
}

/// From its number.
pub const fn disposition(code: i64) -> Option<Disposition> {
    match code {
        1 => Some(Disposition::Routed),
        2 => Some(Disposition::Duplicate),
        3 => Some(Disposition::Quarantined),
        _ => None,
    }
}

/// An outcome from its state's number.
pub fn outcome_of(code: i64) -> Option<Outcome> {
    let state = State::from_code(code)?;
    Outcome::ALL.into_iter().find(|outcome| State::from(*outcome) == state)
}

/// In the order of their numbers in storage, from 1.
const PARKED: [Parked; 6] =
    [Parked::Held, Parked::Stalled, Parked::Follows, Parked::Quarantined, Parked::Rerun, Parked::Paused];

/// The number of why a delivery is parked.
pub fn parked_code(why: Parked) -> i64 {
    PARKED.iter().zip(1..).find(|(known, _)| **known == why).map_or(0, |(_, code)| code)
}

/// The number of the word for why a delivery is parked.
pub fn parked_word_code(word: &str) -> Option<i64> {
    PARKED.into_iter().find(|why| why.word() == word).map(parked_code)
}

/// Why a delivery is parked, from its number.
pub fn parked(code: i64) -> Option<Parked> {
    PARKED.into_iter().find(|why| parked_code(*why) == code)
}

/// Findings as they are stored: nothing for none, so that most rows are short.
pub fn findings_text(findings: &[Finding]) -> Option<String> {
    if findings.is_empty() { None } else { serde_json::to_string(findings).ok() }
}

/// Findings out of their text; what cannot be read is none.
pub fn findings(text: Option<&str>) -> Vec<Finding> {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Lanes as they are stored: eight bytes each, none of them for a barrier, nothing where no order is asked for.
pub fn lanes_bytes(lanes: &Lanes) -> Option<Vec<u8>> {
    match lanes {
        Lanes::None => None,
        Lanes::Barrier => Some(Vec::new()),
        Lanes::Of(lanes) => Some(lanes.iter().flat_map(|lane| lane.raw().to_be_bytes()).collect()),
    }
}

/// Search keys as they are stored: pairs of name and value; nothing for none.
pub fn keys_text(envelope: &Envelope) -> Option<String> {
    if envelope.keys.is_empty() {
        return None;
    }
    let pairs: Vec<(&str, &str)> = envelope.keys.iter().map(|key| (&*key.name, &*key.value)).collect();
    serde_json::to_string(&pairs).ok()
}

/// The uids of what a message was made from, as they are stored.
pub fn parents_bytes(envelope: &Envelope) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = envelope.parents.iter().flat_map(|uid| *uid.as_bytes()).collect();
    if bytes.is_empty() { None } else { Some(bytes) }
}

/// What a message was made from, from its bytes.
pub fn parents(bytes: &[u8]) -> Vec<MessageUid> {
    bytes.chunks_exact(16).filter_map(|chunk| chunk.try_into().ok().map(MessageUid::from_bytes)).collect()
}

/// Lanes as people see them.
pub fn lanes(bytes: Option<&[u8]>) -> Vec<String> {
    match bytes {
        None => Vec::new(),
        Some([]) => vec!["barrier".to_owned()],
        Some(bytes) => {
            let lane = |chunk: &[u8]| chunk.iter().map(|byte| format!("{byte:02x}")).collect();
            bytes.chunks_exact(8).map(lane).collect()
        }
    }
}

/// Search keys out of their text.
pub fn keys(text: Option<&str>) -> Vec<Key> {
    let pairs: Vec<(String, String)> = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    pairs.into_iter().map(|(name, value)| Key { name, value }).collect()
}
