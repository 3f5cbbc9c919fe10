//! The standard's names of segments, fields and components, for people who read a message.
//!
//! Names are facts of the standard, kept as text in `names.txt`; what a message should contain is not said here but by profiles.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The names as they are kept.
const TEXT: &str = include_str!("names.txt");

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::read(TEXT));

struct Names {
    segments: HashMap<&'static str, Vec<&'static str>>,
    types: HashMap<&'static str, Vec<&'static str>>,
}

impl Names {
    fn read(text: &'static str) -> Self {
        let (mut segments, mut types) = (HashMap::new(), HashMap::new());
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((id, names)) = line.split_once('|') else { continue };
            let names = names.split('|').collect();
            match id.strip_prefix('=') {
                Some(data_type) => types.insert(data_type, names),
                None => segments.insert(id, names),
            };
        }
        Self { segments, types }
    }
}

/// A segment's name.
pub(super) fn segment(id: &str) -> Option<&'static str> {
    NAMES.segments.get(id)?.first().copied()
}

/// A field's name and data type.
pub(super) fn field(segment: &str, number: u16) -> Option<(&'static str, &'static str)> {
    let text = NAMES.segments.get(segment)?.get(usize::from(number))?;
    text.split_once(':')
}

/// A component's name.
pub(super) fn component(data_type: &str, number: u16) -> Option<&'static str> {
    NAMES.types.get(data_type)?.get(usize::from(number).checked_sub(1)?).copied()
}
