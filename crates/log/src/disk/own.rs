//! Keys of the engine's own, kept like all others: the trims of subjects. No checked name begins with `!`, so nobody else can name them.

use crate::Key;

/// The key under which a subject's trim is kept.
pub(super) fn trim_key(id: u32) -> Key {
    Key::stored(&format!("!trim.{id}"))
}

/// The subject of a trim key.
pub(super) fn trim_of(key: &Key) -> Option<u32> {
    key.as_str().strip_prefix("!trim.")?.parse().ok()
}

/// Whether a key is one of these.
pub(super) fn is_own(key: &Key) -> bool {
    key.as_str().starts_with('!')
}
