//! An expression of a document: its text, and what it was compiled to.

use std::fmt;

/// An expression as written. Two are equal when their text is.
#[derive(Clone)]
pub struct Expression {
    source: String,
}

impl Expression {
    /// Its text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.source)
    }
}
