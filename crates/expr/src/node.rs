//! What is left of an expression after the check: nodes that need no look-up by name and no test of types.

use barid_hl7::Path;
use jiff::tz::TimeZone;
use regex::Regex;

use crate::address::Address;
use crate::date::Pattern;
use crate::function::Function;
use crate::syntax::Op;
use crate::value::Value;
use crate::variable::Variable;

/// A node and where it stands in the source.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: u32,
    pub(crate) kind: NodeKind,
}

#[derive(Debug, Clone)]
pub(crate) enum NodeKind {
    Constant(Value<'static>),
    /// The text of a field; the common case of an absolute path.
    Field(Path),
    Relative(Address),
    All(Address),
    Count(Address),
    Has(Address),
    IsNull(Address),
    Variable(Variable),
    Label(Box<Node>),
    HasLabel(Box<Node>),
    /// The variable of a macro.
    Local(usize),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Conditional(Box<[Node; 3]>),
    Binary(Op, Box<Node>, Box<Node>),
    /// `x in ['A01', 'A04']`
    InTexts(Box<Node>, Box<[Box<str>]>),
    Negate(Box<Node>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Index(Box<Node>, Box<Node>),
    HasKey(Box<Node>, Box<str>),
    Call(Function, Vec<Node>),
    Matches(Box<Node>, Box<Regex>),
    Date(Box<Node>, Box<(Pattern, TimeZone)>),
    Macro(Box<Macro>),
}

/// `range.all(x, test)` and its kin.
#[derive(Debug, Clone)]
pub(crate) struct Macro {
    pub(crate) kind: MacroKind,
    pub(crate) range: Node,
    /// The place of its variable among the locals.
    pub(crate) slot: usize,
    pub(crate) test: Option<Node>,
    pub(crate) map: Option<Node>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MacroKind {
    All,
    Exists,
    ExistsOne,
    /// Items that pass the test, mapped where there is a map.
    Select,
}
