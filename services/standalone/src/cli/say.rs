//! How things are said to people: ages, sizes, names, findings and problems, in one line each.

use barid_config::Problem;
use barid_model::{Finding, Timestamp};
use barid_runtime::control::protocol::ProblemView;
use barid_runtime::time;

use super::out::clean;

/// How long ago; empty where never.
pub(super) fn age(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map(|at| time::human(now.since(at))).unwrap_or_default()
}

/// A name without the default namespace.
pub(super) fn short(name: &str) -> String {
    name.strip_prefix("default/").unwrap_or(name).to_owned()
}

/// Bytes in the largest unit that leaves a whole number.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes;
    let mut rest = 0;
    for (place, unit) in UNITS.iter().enumerate() {
        if value < 1024 || place + 1 == UNITS.len() {
            return if value < 10 && place > 0 {
                format!("{value}.{} {unit}", rest * 10 / 1024)
            } else {
                format!("{value} {unit}")
            };
        }
        rest = value % 1024;
        value /= 1024;
    }
    String::new()
}

/// A problem of a document in one line.
pub(super) fn problem(problem: &ProblemView) -> String {
    let place = if problem.line > 0 { format!("{}:{}", problem.file, problem.line) } else { problem.file.clone() };
    let field = if problem.field.is_empty() { String::new() } else { format!("{}: ", problem.field) };
    let remedy = if problem.remedy.is_empty() { String::new() } else { format!(": {}", problem.remedy) };
    clean(&format!("{place}: {}: {field}{}{remedy}", problem.severity, problem.text))
}

/// The line that ends a list of problems.
pub(super) fn count(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    format!("{}, {}", counted(errors, "error", "errors"), counted(problems.len() - errors, "warning", "warnings"))
}

/// A count with its word.
pub(super) fn counted<N: std::fmt::Display + PartialEq + From<u8>>(count: N, one: &str, more: &str) -> String {
    format!("{count} {}", if count == N::from(1) { one } else { more })
}

/// Findings in one line.
pub(super) fn findings(findings: &[Finding]) -> String {
    let said: Vec<String> = findings.iter().map(finding).collect();
    said.join("; ")
}

/// A finding in words: its code, place and text.
pub(super) fn finding(finding: &Finding) -> String {
    let place = if finding.path.is_empty() { String::new() } else { format!("{}: ", finding.path) };
    format!("{} {place}{}", finding.code, finding.text)
}
