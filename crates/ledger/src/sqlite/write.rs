//! Rows out of what a batch said.

pub(super) mod aside;
pub(super) mod delivery;
pub(super) mod message;
pub(super) mod steps;

use barid_model::Finding;

/// Findings as they are stored: nothing for none, so that most rows are short.
pub(super) fn findings_text(findings: &[Finding]) -> Option<String> {
    if findings.is_empty() { None } else { serde_json::to_string(findings).ok() }
}
