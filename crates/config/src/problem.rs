//! What is wrong with a document: the file, the line, the field, and what would be right.

use std::fmt;

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ProblemSeverity {
    /// The document does not take effect; its last good version stays.
    Error,
    /// It takes effect; somebody should look.
    Warning,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The file, relative to the documents' directory.
    pub file: String,
    /// Line, from 1; 0 where the problem is the file as a whole.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How much it matters.
    pub severity: ProblemSeverity,
    /// The document, as `Kind namespace/name`; empty where it could not be read so far.
    pub document: String,
    /// The field, as `spec.routes[1].when`; empty for the document or file as a whole.
    pub field: String,
    /// What is wrong.
    pub text: String,
    /// What would be right.
    pub remedy: String,
}

impl Problem {
    /// Whether the document does not take effect.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == ProblemSeverity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            ProblemSeverity::Error => "error",
            ProblemSeverity::Warning => "warning",
        };
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {word}: ")?;
        if !self.document.is_empty() {
            write!(f, "{}: ", self.document)?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.text)?;
        if !self.remedy.is_empty() {
            write!(f, ": {}", self.remedy)?;
        }
        Ok(())
    }
}
