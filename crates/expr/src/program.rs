//! A compiled expression.

use std::fmt;

use crate::address::Address;
use crate::budget::Budget;
use crate::check::{Checker, Needs, remedy_for};
use crate::error::{EvalError, ExprError};
use crate::facts::Facts;
use crate::kind::Type;
use crate::node::{Node, NodeKind};
use crate::parse::parse;
use crate::run::Run;
use crate::scope::Scope;
use crate::value::Value;
use crate::variable::Variable;

/// Longest source, in bytes. The longest that a person can review has a few hundred.
pub const SOURCE_BYTES_MAX: usize = 4 * 1024;

/// An expression that was read and checked: cheap to evaluate, safe to share.
#[derive(Clone)]
pub struct Program {
    node: Node,
    kind: Type,
    needs: Needs,
}

impl Program {
    /// Compiles an expression that has to give `want`. [`Type::Text`] also takes a whole number, which is written as
    /// text; [`Type::Any`] takes everything.
    ///
    /// # Errors
    /// The first thing that is wrong, where, and what would be right.
    pub fn compile(source: &str, scope: &Scope, want: Type) -> Result<Self, ExprError> {
        if source.len() > SOURCE_BYTES_MAX {
            let text = format!("the expression is longer than {SOURCE_BYTES_MAX} bytes");
            return Err(ExprError::at(0, text, "split it into several steps or conditions"));
        }
        let expr = parse(source)?;
        let mut checker = Checker::new(scope);
        let (node, kind) = checker.check(&expr)?;
        let fits = match (&want, &kind) {
            (Type::Any, _) | (Type::Text, Type::Int) => true,
            (want, kind) => want.unify(kind).is_some(),
        };
        if !fits {
            let text = format!("the expression gives {kind}, and {want} is wanted");
            return Err(ExprError::at(expr.span.start(), text, remedy_for(&want, &kind)));
        }
        Ok(Self { node, kind, needs: checker.needs })
    }

    /// The type of its value.
    #[must_use]
    pub const fn kind(&self) -> &Type {
        &self.kind
    }

    /// Its value, where that is a text that depends on nothing.
    #[must_use]
    pub fn constant(&self) -> Option<&str> {
        match &self.node.kind {
            NodeKind::Constant(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The place it reads, where it is the text of one field and nothing else.
    #[must_use]
    pub fn bare_field(&self) -> Option<Address> {
        match &self.node.kind {
            NodeKind::Field(path) => Some(Address::absolute(*path)),
            NodeKind::Relative(address) => Some(*address),
            _ => None,
        }
    }

    /// Whether it reads the message.
    #[must_use]
    pub const fn uses_message(&self) -> bool {
        self.needs.message
    }

    /// Whether it reads the item at hand of a `forEach`.
    #[must_use]
    pub const fn uses_item(&self) -> bool {
        self.needs.item
    }

    /// Whether it uses a name.
    #[must_use]
    pub fn uses(&self, variable: Variable) -> bool {
        self.needs.variables.contains(&variable)
    }

    /// Its value, within [`Budget::EXPRESSION`] steps.
    ///
    /// # Errors
    /// Where it fails on these facts, or needs more steps.
    pub fn eval<'v>(&'v self, facts: &'v dyn Facts) -> Result<Value<'v>, EvalError> {
        self.eval_within(facts, &mut Budget::default())
    }

    /// Its value, within a budget that others share.
    ///
    /// # Errors
    /// As [`Self::eval`].
    pub fn eval_within<'v>(&'v self, facts: &'v dyn Facts, budget: &mut Budget) -> Result<Value<'v>, EvalError> {
        Run::new(facts, budget).eval(&self.node)
    }

    /// Whether a condition holds.
    ///
    /// # Errors
    /// As [`Self::eval`].
    pub fn test(&self, facts: &dyn Facts) -> Result<bool, EvalError> {
        self.test_within(facts, &mut Budget::default())
    }

    /// Whether a condition holds, within a budget that others share.
    ///
    /// # Errors
    /// As [`Self::eval`].
    pub fn test_within(&self, facts: &dyn Facts, budget: &mut Budget) -> Result<bool, EvalError> {
        Run::new(facts, budget).test(&self.node)
    }
}

/// The source may hold codes of a site but no patient data; it is not kept, so only the type shows.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program({})", self.kind)
    }
}
