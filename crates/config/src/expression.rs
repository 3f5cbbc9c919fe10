//! An expression of a document: its text, and what it was compiled to.

use std::fmt;
use std::sync::Arc;

use barid_expr::{ExprError, Program, Scope, Type};

/// A checked expression. Two are equal when their text is: constants that it uses are compared with the snapshot.
#[derive(Clone)]
pub struct Expression {
    source: Arc<str>,
    program: Arc<Program>,
}

impl Expression {
    /// Checks an expression.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn compile(source: &str, scope: &Scope, want: Type) -> Result<Self, ExprError> {
        let program = Arc::new(Program::compile(source, scope, want)?);
        Ok(Self { source: source.into(), program })
    }

    /// Its text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it was compiled to.
    #[must_use]
    pub const fn program(&self) -> &Arc<Program> {
        &self.program
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
