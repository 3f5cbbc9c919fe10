//! What can be wrong with an expression: before it runs (with a remedy) and while it runs (without data).

use barid_model::ErrorClass;

/// An expression that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} (at byte {offset}); {remedy}")]
pub struct ExprError {
    /// Where in the source, in bytes from 0.
    pub offset: usize,
    /// What is wrong.
    pub text: String,
    /// What would be right.
    pub remedy: String,
}

impl ExprError {
    /// An error at a place of the source.
    #[must_use]
    pub fn at(offset: usize, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { offset, text: text.into(), remedy: remedy.into() }
    }

    /// The document is wrong, and will be until somebody changes it.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Rejected
    }
}

/// An expression that failed on a message. Names the place in the source, never a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{failure} (at byte {offset} of the expression)")]
pub struct EvalError {
    /// Where in the source, in bytes from 0.
    pub offset: usize,
    /// What happened.
    pub failure: Failure,
}

impl EvalError {
    /// The same message fails again under the same revision.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Rejected
    }
}

/// Why an evaluation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Failure {
    /// The bound on steps was reached. Nothing in the expression can catch this.
    #[error("the expression needs more steps than a message may take")]
    Steps,
    /// `int()` or `double()` of a text that is none.
    #[error("the text is not a number")]
    NotANumber,
    /// `timestamp()`, `duration()`, `date()` of a text that is none, or lacks what the pattern asks for.
    #[error("the text is not a date or time of the form asked for")]
    NotADate,
    /// A number became too large.
    #[error("the number is out of range")]
    Overflow,
    /// Division or remainder by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A list has no item of this index.
    #[error("the list has no item of this index")]
    NoSuchItem,
    /// A map has no such key.
    #[error("the map has no such key")]
    NoSuchKey,
    /// An argument that makes no sense, such as a negative width.
    #[error("an argument is out of range")]
    Argument,
}
