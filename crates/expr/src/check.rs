//! The check: a syntax tree against a scope, into nodes whose types are known to fit.
//!
//! Everything that can be wrong with an expression is found here, with the place, what is wrong, and what would be
//! right: unknown names (with the nearest known one), wrong types, HL7 paths, patterns and time zones that cannot be
//! read. What passes needs no look-up and no test of types at run time.

mod access;
mod call;
mod macros;

use crate::error::ExprError;
use crate::kind::Type;
use crate::node::{Node, NodeKind};
use crate::scope::Scope;
use crate::syntax::{Expr, Kind, Op};
use crate::value::Value;
use crate::variable::Variable;

/// What an expression was found to need.
#[derive(Debug, Clone, Default)]
pub(crate) struct Needs {
    /// Whether it reads fields of the message.
    pub(crate) message: bool,
    /// The names it uses.
    pub(crate) variables: Vec<Variable>,
    /// Whether it reads the item at hand.
    pub(crate) item: bool,
}

/// Checks one expression.
pub(crate) struct Checker<'s> {
    scope: &'s Scope,
    locals: Vec<(String, Type)>,
    pub(crate) needs: Needs,
}

type Checked = Result<(Node, Type), ExprError>;

impl<'s> Checker<'s> {
    pub(crate) fn new(scope: &'s Scope) -> Self {
        Self { scope, locals: Vec::new(), needs: Needs::default() }
    }

    pub(crate) fn check(&mut self, expr: &Expr) -> Checked {
        let (kind, found) = match &expr.kind {
            // HL7's delete indicator: what a mapping sets, and what a field with it reads as.
            Kind::Null => (NodeKind::Constant(Value::text("\"\"")), Type::Text),
            Kind::Bool(value) => (NodeKind::Constant(Value::Bool(*value)), Type::Bool),
            Kind::Int(value) => (NodeKind::Constant(Value::Int(*value)), Type::Int),
            Kind::Double(value) => (NodeKind::Constant(Value::Double(*value)), Type::Double),
            Kind::Text(value) => (NodeKind::Constant(Value::Text(value.clone().into())), Type::Text),
            Kind::Name(name) => self.name(expr, name)?,
            Kind::Select(of, name) => self.select(of, name)?,
            Kind::Index(of, at) => self.index(of, at)?,
            Kind::Call(target, name, args) => return self.call(expr, target.as_deref(), name, args),
            Kind::List(items) => self.list(items)?,
            Kind::Map(entries) => self.map(entries)?,
            Kind::Not(inner) => (NodeKind::Not(Box::new(self.of_type(inner, &Type::Bool, "`!`")?)), Type::Bool),
            Kind::Negate(inner) => self.negate(inner)?,
            Kind::And(parts) => (NodeKind::And(self.all_bool(parts, "`&&`")?), Type::Bool),
            Kind::Or(parts) => (NodeKind::Or(self.all_bool(parts, "`||`")?), Type::Bool),
            Kind::Conditional(parts) => self.conditional(parts)?,
            Kind::Binary(Op::In, needle, range) => self.is_in(needle, range)?,
            Kind::Binary(op, left, right) => self.binary(expr, *op, left, right)?,
        };
        Ok((node(expr, kind), found))
    }

    /// Checks an operand that has to be of a type.
    fn of_type(&mut self, expr: &Expr, want: &Type, who: &str) -> Result<Node, ExprError> {
        let (node, found) = self.check(expr)?;
        if found == *want {
            return Ok(node);
        }
        let text = format!("{who} needs {want}, and this is {found}");
        Err(ExprError::at(expr.span.start(), text, remedy_for(want, &found)))
    }

    fn all_bool(&mut self, parts: &[Expr], who: &str) -> Result<Vec<Node>, ExprError> {
        parts.iter().map(|part| self.of_type(part, &Type::Bool, who)).collect()
    }

    /// Checks parts that have to be of one type, and gives it.
    fn alike<'e>(&mut self, parts: impl Iterator<Item = &'e Expr>, who: &str) -> Result<(Vec<Node>, Type), ExprError> {
        let mut nodes = Vec::new();
        let mut all = Type::Any;
        for part in parts {
            let (node, found) = self.check(part)?;
            all = all.unify(&found).ok_or_else(|| {
                let text = format!("{who} are of one type; this is {found}, the one before is {all}");
                ExprError::at(part.span.start(), text, remedy_for(&all, &found))
            })?;
            nodes.push(node);
        }
        Ok((nodes, all))
    }

    fn list(&mut self, items: &[Expr]) -> Result<(NodeKind, Type), ExprError> {
        let (nodes, item) = self.alike(items.iter(), "the items of a list")?;
        Ok((NodeKind::List(nodes), Type::List(Box::new(item))))
    }

    fn map(&mut self, entries: &[(Expr, Expr)]) -> Result<(NodeKind, Type), ExprError> {
        let mut keys = Vec::with_capacity(entries.len());
        for (key, _) in entries {
            keys.push(self.of_type(key, &Type::Text, "the key of a map")?);
        }
        let (values, item) = self.alike(entries.iter().map(|(_, value)| value), "the values of a map")?;
        Ok((NodeKind::Map(keys.into_iter().zip(values).collect()), Type::Map(Box::new(item))))
    }

    fn negate(&mut self, inner: &Expr) -> Result<(NodeKind, Type), ExprError> {
        let (node, found) = self.check(inner)?;
        if !found.is_number() && found != Type::Duration {
            let text = format!("`-` needs a number, and this is {found}");
            return Err(ExprError::at(inner.span.start(), text, remedy_for(&Type::Int, &found)));
        }
        Ok((NodeKind::Negate(Box::new(node)), found))
    }

    fn conditional(&mut self, parts: &[Expr; 3]) -> Result<(NodeKind, Type), ExprError> {
        let [condition, then, otherwise] = parts;
        let condition = self.of_type(condition, &Type::Bool, "the condition before `?`")?;
        let (a, left) = self.check(then)?;
        let (b, right) = self.check(otherwise)?;
        let found = left.unify(&right).ok_or_else(|| {
            let text = format!("both results of `? :` are of one type; this is {right}, the other is {left}");
            ExprError::at(otherwise.span.start(), text, remedy_for(&left, &right))
        })?;
        Ok((NodeKind::Conditional(Box::new([condition, a, b])), found))
    }

    fn is_in(&mut self, needle: &Expr, range: &Expr) -> Result<(NodeKind, Type), ExprError> {
        if access::is_labels(range) {
            let key = self.of_type(needle, &Type::Text, "a label's name")?;
            self.require_labels(range)?;
            return Ok((NodeKind::HasLabel(Box::new(key)), Type::Bool));
        }
        let (node, found) = self.check(needle)?;
        let (list, range_type) = self.check(range)?;
        let fits = match &range_type {
            Type::List(item) => item.unify(&found).is_some(),
            Type::Map(_) => found == Type::Text,
            _ => {
                let text = format!("`in` needs a list on its right, and this is {range_type}");
                return Err(ExprError::at(range.span.start(), text, "write for instance ['A01', 'A04']"));
            }
        };
        if !fits {
            let text = format!("{found} is never in {range_type}");
            return Err(ExprError::at(needle.span.start(), text, "compare values of one type"));
        }
        Ok((member(node, list), Type::Bool))
    }

    fn binary(&mut self, expr: &Expr, op: Op, left: &Expr, right: &Expr) -> Result<(NodeKind, Type), ExprError> {
        let (a, left_type) = self.check(left)?;
        let (b, right_type) = self.check(right)?;
        let Some(found) = result_of(op, &left_type, &right_type) else {
            return Err(mismatch(expr, op, &left_type, &right_type));
        };
        Ok((NodeKind::Binary(op, Box::new(a), Box::new(b)), found))
    }
}

/// `x in [..]`; a list of literal texts becomes a plain search.
fn member(needle: Node, list: Node) -> NodeKind {
    if let NodeKind::List(items) = &list.kind {
        let texts: Option<Box<[Box<str>]>> = items
            .iter()
            .map(|item| match &item.kind {
                NodeKind::Constant(Value::Text(text)) => Some(Box::from(&**text)),
                _ => None,
            })
            .collect();
        if let Some(texts) = texts {
            return NodeKind::InTexts(Box::new(needle), texts);
        }
    }
    NodeKind::Binary(Op::In, Box::new(needle), Box::new(list))
}

fn node(expr: &Expr, kind: NodeKind) -> Node {
    Node { at: expr.span.start, kind }
}

/// The type an operator gives, where it takes these two.
fn result_of(op: Op, left: &Type, right: &Type) -> Option<Type> {
    let numbers = left.is_number() && right.is_number();
    let same = left.unify(right);
    match op {
        Op::Equal | Op::NotEqual => (numbers || same.is_some()).then_some(Type::Bool),
        Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => {
            let ordered = matches!(same, Some(Type::Text | Type::Time | Type::Duration | Type::Bool));
            (numbers || ordered).then_some(Type::Bool)
        }
        Op::In => None,
        Op::Add => match (left, right) {
            (Type::Text, Type::Text) => Some(Type::Text),
            (Type::List(_), Type::List(_)) => same,
            (Type::Time, Type::Duration) | (Type::Duration, Type::Time) => Some(Type::Time),
            (Type::Duration, Type::Duration) => Some(Type::Duration),
            _ => same.filter(Type::is_number),
        },
        Op::Subtract => match (left, right) {
            (Type::Time, Type::Time) | (Type::Duration, Type::Duration) => Some(Type::Duration),
            (Type::Time, Type::Duration) => Some(Type::Time),
            _ => same.filter(Type::is_number),
        },
        Op::Multiply | Op::Divide => same.filter(Type::is_number),
        Op::Remainder => same.filter(|found| *found == Type::Int),
    }
}

fn mismatch(expr: &Expr, op: Op, left: &Type, right: &Type) -> ExprError {
    let text = format!("`{}` does not take {left} and {right}", op.sign());
    let remedy = match (left, right) {
        (Type::Text, Type::Int | Type::Double) | (Type::Int | Type::Double, Type::Text) if op == Op::Add => {
            "make text of the number with string()".to_owned()
        }
        (Type::Text, Type::Int | Type::Double) | (Type::Int | Type::Double, Type::Text) => {
            "put the number in quotes, or make a number of the text with int()".to_owned()
        }
        (Type::Int, Type::Double) | (Type::Double, Type::Int) => "make both numbers with double()".to_owned(),
        (Type::Time, Type::Text) | (Type::Text, Type::Time) => "write the time as text with date()".to_owned(),
        (Type::Bool, Type::Text) | (Type::Text, Type::Bool) => {
            "use the condition by itself, without comparing it".to_owned()
        }
        _ => "use values of one type".to_owned(),
    };
    ExprError::at(expr.span.start(), text, remedy)
}

/// How one type becomes another, in words.
pub(crate) fn remedy_for(want: &Type, found: &Type) -> String {
    match (want, found) {
        (Type::Bool, Type::Text) => "compare it, for instance != ''".to_owned(),
        (Type::Bool, Type::Int | Type::Double) => "compare it, for instance > 0".to_owned(),
        (Type::Text, Type::Int | Type::Double | Type::Duration) => "make text of it with string()".to_owned(),
        (Type::Text, Type::Time) => "write it as text with date(.., 'yyyyMMddHHmmss')".to_owned(),
        (Type::Text, Type::Bool) => "choose a text, as in condition ? 'Y' : 'N'".to_owned(),
        (Type::Text, Type::List(_)) => {
            "make one text of the list with .join(' '), or take one item with [0]".to_owned()
        }
        (Type::Int | Type::Double, Type::Text) => "make a number of it with int()".to_owned(),
        (Type::Int, Type::Double) => "make a whole number of it with int()".to_owned(),
        (Type::Time, Type::Text) => "make a time of it with timestamp()".to_owned(),
        _ => format!("give {want}"),
    }
}
