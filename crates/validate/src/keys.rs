//! What a message can be searched by: its patients, always as keyed hashes, and the channel's own keys.

use std::sync::Arc;

use barid_hl7::Message;
use barid_model::{LaneHasher, SearchKey};

use crate::channel::IndexRule;
use crate::patient;

/// The key that patient identifiers are searched by.
const PATIENT: &str = "patient";
/// Most patient identifiers of one message that are searchable: enough for a merge of two with eight each.
const PATIENTS_MAX: usize = 16;
/// Most values of one own key of one message.
const VALUES_MAX: usize = 8;
/// Longest value that is kept as it is, in characters.
const VALUE_CHARS_MAX: usize = 128;

/// The keys of a message.
pub(crate) fn keys(message: &Message, index: &[IndexRule], hasher: &LaneHasher, patient: &Arc<str>) -> Vec<SearchKey> {
    let mut keys = Vec::with_capacity(2 + index.len());
    patient::identifiers(message, PATIENTS_MAX, |id| push(&mut keys, patient, hashed(hasher, PATIENT, id)));
    for rule in index {
        let values =
            message.all(&rule.path).map(|(_, value)| value).filter(|value| !value.is_empty() && !value.is_null());
        for value in values.take(VALUES_MAX) {
            let text = value.text();
            let value = if rule.sensitive {
                hashed(hasher, &rule.name, &text)
            } else {
                text.chars().take(VALUE_CHARS_MAX).collect()
            };
            push(&mut keys, &rule.name, value);
        }
    }
    keys
}

/// The keyed hash of a value, as it is stored and searched for.
fn hashed(hasher: &LaneHasher, name: &str, value: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let hash = hasher.search_key(name, value.as_bytes());
    let mut text = String::with_capacity(2 * hash.len());
    for byte in hash {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(*DIGITS.get(usize::from(nibble)).unwrap_or(&b'0')));
        }
    }
    text
}

fn push(keys: &mut Vec<SearchKey>, name: &Arc<str>, value: String) {
    if !keys.iter().any(|key| key.value == value && key.name == *name) {
        keys.push(SearchKey { name: Arc::clone(name), value });
    }
}
