//! Whether a message that could be read is also as it should be: what every message of its kind needs, and what a
//! strict channel does not forgive.
//!
//! Reading guesses rather than refuses (a version nobody knows, bytes that the declared character set lacks) and says
//! so with a warning. Whether a guess is good enough is for the channel to say. What an error then does to the message
//! is `onInvalid`, and not decided here.

use barid_hl7::{Message, varies};
use barid_model::{Finding, Severity};

use crate::channel::CheckRules;
use crate::finding::from_hl7;

/// Guesses of the reader that a strict channel takes for errors. Undeclared bytes are none of them: the facility says
/// what those are.
const GUESSES: [&str; 5] =
    ["charset.invalid", "charset.unknown", "charset.unsupported", "charset.unframable", "version.unknown"];

/// Adds what is wrong with a message of a channel with these rules.
pub(crate) fn conform(message: &Message, rules: &CheckRules, findings: &mut Vec<Finding>) {
    if rules.strict {
        let guesses = findings.iter_mut().filter(|finding| GUESSES.contains(&finding.rule.as_str()));
        guesses.for_each(|finding| finding.severity = Severity::Error);
    }
    findings.extend(varies::check_observations(message, rules.value_type.as_deref()).iter().map(from_hl7));
}
