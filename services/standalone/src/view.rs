//! What the compiler and a probe say, in the words of the control protocol: the same whether an engine answers or the tool reads documents by itself.

use barid_config::{Problem, ProblemSeverity};
pub use barid_delivery::probed::view as met;
pub use barid_ledger_service::view::{explanation, snapshot};
use barid_model::Name;
use barid_runtime::control::protocol::ProblemView;

/// A problem of a document.
#[must_use]
pub fn problem(problem: &Problem) -> ProblemView {
    ProblemView {
        document: problem.document.clone(),
        file: problem.file.clone(),
        line: u32::try_from(problem.line).unwrap_or(u32::MAX),
        column: u32::try_from(problem.column).unwrap_or(u32::MAX),
        field: problem.field.clone(),
        text: problem.text.clone(),
        remedy: problem.remedy.clone(),
        severity: match problem.severity {
            ProblemSeverity::Error => "error",
            ProblemSeverity::Warning => "warning",
        }
        .to_owned(),
    }
}

/// That there is no document of this kind and name, and which there are.
pub fn unknown<'a>(kind: &str, name: &Name, known: impl Iterator<Item = &'a Name>) -> String {
    let known: Vec<String> = known.map(Name::short).collect();
    let known = if known.is_empty() { "there is none".to_owned() } else { format!("there are: {}", known.join(", ")) };
    format!("no such {kind} {}; {known}", name.short())
}
