//! A finding as it is recorded: what was wrong, where, by which rule, and never with data of the message.

use serde::{Deserialize, Serialize};

/// How much a finding matters (HL7 table 0516).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// For information.
    Information,
    /// Accepted, but somebody should look.
    Warning,
    /// Not acceptable where findings reject.
    Error,
}

/// What was found in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// HL7 table 0357 code.
    pub code: u16,
    /// Where, as an HL7 path such as `OBX[2]-5[1].1`; empty where it concerns the whole message.
    pub path: String,
    /// The rule that found it.
    pub rule: String,
    /// In words, without data values.
    pub text: String,
}

impl Finding {
    /// An error.
    #[must_use]
    pub fn error(code: u16, path: impl Into<String>, rule: &str, text: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, path: path.into(), rule: rule.into(), text: text.into() }
    }

    /// A warning.
    #[must_use]
    pub fn warning(code: u16, path: impl Into<String>, rule: &str, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, path, rule, text) }
    }
}
