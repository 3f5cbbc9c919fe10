//! Findings as `hl7` makes them and as they are recorded, each way.

use barid_hl7 as hl7;
use barid_model::{Finding, Severity};

/// As it is recorded. A place that is only a line is told in the text.
#[must_use]
pub fn from_hl7(finding: &hl7::Finding) -> Finding {
    let text = match (finding.path, finding.line) {
        (None, Some(line)) => format!("line {line}: {}", finding.text),
        _ => finding.text.clone().into_owned(),
    };
    let severity = match finding.severity {
        hl7::Severity::Information => Severity::Information,
        hl7::Severity::Warning => Severity::Warning,
        hl7::Severity::Error => Severity::Error,
    };
    let path = finding.path.map(|path| path.to_string()).unwrap_or_default();
    Finding { severity, code: finding.code, path, rule: finding.rule.clone().into_owned(), text }
}

/// As an acknowledgement tells it.
#[must_use]
pub fn to_hl7(finding: &Finding) -> hl7::Finding {
    let severity = match finding.severity {
        Severity::Information => hl7::Severity::Information,
        Severity::Warning => hl7::Severity::Warning,
        Severity::Error => hl7::Severity::Error,
    };
    let made = hl7::Finding::new(severity, finding.code, finding.rule.clone(), finding.text.clone());
    match hl7::Path::parse(&finding.path) {
        Ok(path) => made.at(path),
        Err(_) => made,
    }
}
