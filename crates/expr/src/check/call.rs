//! Calls: functions of the table, and those of the message and its items.

use jiff::tz::TimeZone;
use regex::RegexBuilder;

use super::{Checked, Checker, node, remedy_for};
use crate::date::Pattern;
use crate::error::ExprError;
use crate::function::{Arg, FUNCTIONS, Function, FunctionEntry};
use crate::kind::Type;
use crate::node::{Node, NodeKind};
use crate::suggest::did_you_mean;
use crate::syntax::{Expr, Kind, Name};

/// Longest regular expression, in bytes; the longest published for a national identifier has about 200.
const REGEX_BYTES_MAX: usize = 1_000;
/// Memory of one compiled regular expression; `\w{50}` over all of Unicode takes about a fifth.
const REGEX_MEMORY_MAX: usize = 1 << 20;

/// What the message and items can be asked.
const QUERIES: [(&str, &str); 4] = [
    ("all", "the texts at each place"),
    ("count", "how many there are"),
    ("has", "whether anything is there"),
    ("isNull", "whether the delete indicator is there"),
];

impl Checker<'_> {
    pub(super) fn call(&mut self, expr: &Expr, target: Option<&Expr>, name: &Name, args: &[Expr]) -> Checked {
        if let Some(Kind::Name(root)) = target.map(|target| &target.kind)
            && !self.is_local(root)
            && (root == "msg" || self.item(root).is_some())
        {
            return self.query(expr, root, name, args);
        }
        if let Some(found) = self.macro_call(expr, target, name, args)? {
            return Ok(found);
        }
        self.function(expr, target, name, args)
    }

    /// `msg.all('OBX[*]-5')` and its kin.
    fn query(&mut self, expr: &Expr, root: &str, name: &Name, args: &[Expr]) -> Checked {
        let at = name.span.start();
        if !QUERIES.iter().any(|(known, _)| *known == name.text) {
            let remedy = match did_you_mean(&name.text, QUERIES.iter().map(|(known, _)| *known)) {
                Some(near) => format!("did you mean {root}.{near}('..')?"),
                None => format!(
                    "it has all, count, has, isNull; text functions go behind a field: {root}['..'].{}()",
                    name.text
                ),
            };
            return Err(ExprError::at(at, format!("`{root}` has no function `{}`", name.text), remedy));
        }
        let [path] = args else {
            let remedy = format!("write {root}.{}('PID-3')", name.text);
            return Err(ExprError::at(at, format!("`{}` takes one path", name.text), remedy));
        };
        let Some(address) = self.address(root, path)? else {
            // `msg` where there is no message; `name` says so.
            return Err(self
                .name(expr, root)
                .err()
                .unwrap_or_else(|| ExprError::at(at, "there is no message", "remove it")));
        };
        self.note(&address);
        let (kind, found) = match name.text.as_str() {
            "all" => (NodeKind::All(address), Type::texts()),
            "count" => (NodeKind::Count(address), Type::Int),
            "has" => (NodeKind::Has(address), Type::Bool),
            _ => (NodeKind::IsNull(address), Type::Bool),
        };
        Ok((node(expr, kind), found))
    }

    fn function(&mut self, expr: &Expr, target: Option<&Expr>, name: &Name, args: &[Expr]) -> Checked {
        let entries = || FUNCTIONS.iter().filter(|entry| entry.name == name.text);
        let Some(entry) = entries().find(|entry| entry.is_method() == target.is_some()) else {
            return Err(no_function(name, target.is_some(), entries().next()));
        };
        let at = name.span.start();
        let least = entry.args.len() - entry.optional;
        if args.len() < least || args.len() > entry.args.len() {
            let takes =
                if entry.optional == 0 { least.to_string() } else { format!("{least} to {}", entry.args.len()) };
            let text = format!("`{}` takes {takes} arguments, not {}", entry.name, args.len());
            return Err(ExprError::at(at, text, format!("as in {}", entry.example)));
        }
        let wanted = entry.target.iter().chain(entry.args);
        let mut nodes = Vec::with_capacity(args.len() + 1);
        for (given, want) in target.into_iter().chain(args).zip(wanted) {
            nodes.push(self.argument(entry, given, *want)?);
        }
        let kind = match entry.function {
            Function::Matches => matches_node(target, args, nodes)?,
            Function::Date => date_node(args, nodes)?,
            function => NodeKind::Call(function, nodes),
        };
        Ok((node(expr, kind), entry.gives.kind()))
    }

    fn argument(&mut self, entry: &FunctionEntry, given: &Expr, want: Arg) -> Result<Node, ExprError> {
        let at = given.span.start();
        if want == Arg::Literal && !matches!(given.kind, Kind::Text(_)) {
            let text = format!("`{}` takes text in quotes here, so that it can be checked now", entry.name);
            return Err(ExprError::at(at, text, format!("as in {}", entry.example)));
        }
        let (node, found) = self.check(given)?;
        if want.takes(&found) {
            return Ok(node);
        }
        let text = format!("`{}` takes {}, and this is {found}", entry.name, want.words());
        let remedy = match want {
            Arg::Int => remedy_for(&Type::Int, &found),
            Arg::Text | Arg::Literal | Arg::Plain | Arg::Moment => remedy_for(&Type::Text, &found),
            _ => format!("as in {}", entry.example),
        };
        Err(ExprError::at(at, text, remedy))
    }
}

fn no_function(name: &Name, method: bool, other: Option<&FunctionEntry>) -> ExprError {
    let at = name.span.start();
    if let Some(other) = other {
        let (text, remedy) = match method {
            true => (format!("`{}` is not called on a value", name.text), format!("write {}", other.example)),
            false => (format!("`{}` is called on a value", name.text), format!("write {}", other.example)),
        };
        return ExprError::at(at, text, remedy);
    }
    let known = || {
        let macros = ["all", "exists", "exists_one", "map", "filter"];
        let functions = FUNCTIONS.iter().filter(move |entry| entry.is_method() == method).map(|entry| entry.name);
        functions.chain(macros.into_iter().filter(move |_| method)).chain(["has"].into_iter().filter(move |_| !method))
    };
    let remedy = match did_you_mean(&name.text, known()) {
        Some(near) => format!("did you mean {near}()?"),
        None => {
            let mut names: Vec<&str> = known().collect();
            names.dedup();
            format!("there are {}", names.join(", "))
        }
    };
    ExprError::at(at, format!("there is no function `{}`", name.text), remedy)
}

fn literal(expr: Option<&Expr>) -> (&str, usize) {
    match expr.map(|expr| (&expr.kind, expr.span.start())) {
        Some((Kind::Text(text), at)) => (text, at),
        _ => ("", 0),
    }
}

fn matches_node(target: Option<&Expr>, args: &[Expr], mut nodes: Vec<Node>) -> Result<NodeKind, ExprError> {
    let (pattern, at) = literal(args.get(usize::from(target.is_none())));
    nodes.pop();
    let remedy = "see the syntax of Rust's regex crate: no look-around and no back-references";
    if pattern.len() > REGEX_BYTES_MAX {
        let text = format!("the regular expression is longer than {REGEX_BYTES_MAX} bytes");
        return Err(ExprError::at(at, text, "split it into several conditions"));
    }
    let built = RegexBuilder::new(pattern).size_limit(REGEX_MEMORY_MAX).dfa_size_limit(REGEX_MEMORY_MAX).build();
    let regex =
        built.map_err(|error| ExprError::at(at, format!("not a regular expression: {}", last_line(&error)), remedy))?;
    let subject = nodes.pop().ok_or_else(|| ExprError::at(at, "`matches` takes text", remedy))?;
    Ok(NodeKind::Matches(Box::new(subject), Box::new(regex)))
}

/// The crate's errors draw a picture first.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn date_node(args: &[Expr], nodes: Vec<Node>) -> Result<NodeKind, ExprError> {
    let (pattern, at) = literal(args.get(1));
    let pattern = Pattern::compile(pattern).map_err(|error| ExprError::at(at, error.text, error.remedy))?;
    let zone = match args.get(2) {
        None => TimeZone::UTC,
        Some(zone) => {
            let (name, at) = literal(Some(zone));
            TimeZone::get(name).map_err(|_| {
                let text = format!("`{name}` is no time zone");
                ExprError::at(at, text, "write its name in the IANA database, such as 'Africa/Nouakchott'")
            })?
        }
    };
    let remedy = "as in date(received, 'yyyyMMdd')";
    let subject = nodes.into_iter().next().ok_or_else(|| ExprError::at(at, "`date` takes a time or text", remedy))?;
    Ok(NodeKind::Date(Box::new(subject), Box::new((pattern, zone))))
}
