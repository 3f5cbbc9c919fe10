//! CEL's macros: `has(..)`, and `all`, `exists`, `exists_one`, `map`, `filter` over lists.

use super::{Checked, Checker, access, node};
use crate::error::ExprError;
use crate::kind::Type;
use crate::node::{Macro, MacroKind, Node, NodeKind};
use crate::syntax::{Expr, Kind, Name};
use crate::value::Value;

/// Macros inside each other. Work is bounded by steps in any case; more than two levels nobody can read.
const NESTED_MAX: usize = 4;

impl Checker<'_> {
    /// A macro, if the call is one.
    pub(super) fn macro_call(
        &mut self,
        expr: &Expr,
        target: Option<&Expr>,
        name: &Name,
        args: &[Expr],
    ) -> Result<Option<(Node, Type)>, ExprError> {
        let kind = match (name.text.as_str(), target) {
            ("has", None) => return self.has(expr, args).map(Some),
            ("all", Some(_)) => MacroKind::All,
            ("exists", Some(_)) => MacroKind::Exists,
            ("exists_one" | "existsOne", Some(_)) => MacroKind::ExistsOne,
            ("map" | "filter", Some(_)) => MacroKind::Select,
            _ => return Ok(None),
        };
        let Some(range) = target else { return Ok(None) };
        let mapped = name.text == "map";
        let (variable, test, map) = match args {
            [variable, body] if mapped => (variable, None, Some(body)),
            [variable, test, body] if mapped => (variable, Some(test), Some(body)),
            [variable, test] => (variable, Some(test), None),
            _ => {
                let text = format!("`{}` takes a name and an expression", name.text);
                return Err(ExprError::at(
                    name.span.start(),
                    text,
                    format!("as in msg.all('OBX[*]-5').{}", example(mapped)),
                ));
            }
        };
        self.over(expr, kind, range, variable, test, map).map(Some)
    }

    fn over(
        &mut self,
        expr: &Expr,
        kind: MacroKind,
        range: &Expr,
        variable: &Expr,
        test: Option<&Expr>,
        map: Option<&Expr>,
    ) -> Checked {
        let (range_node, found) = self.check(range)?;
        let item = match found {
            Type::List(item) => *item,
            // As CEL has it: the keys.
            Type::Map(_) => Type::Text,
            _ => {
                let remedy = "a list comes from msg.all('OBX[*]-5'), text.split(','), or brackets";
                return Err(ExprError::at(
                    range.span.start(),
                    format!("this goes over a list, and this is {found}"),
                    remedy,
                ));
            }
        };
        let slot = self.bind(variable, item.clone())?;
        let checked = self.bodies(test, map);
        self.locals.pop();
        let (test, map) = checked?;
        let gives = match (kind, &map) {
            (MacroKind::Select, Some((_, found))) => Type::List(Box::new(found.clone())),
            (MacroKind::Select, None) => Type::List(Box::new(item)),
            _ => Type::Bool,
        };
        let map = map.map(|(node, _)| node);
        Ok((node(expr, NodeKind::Macro(Box::new(Macro { kind, range: range_node, slot, test, map }))), gives))
    }

    #[expect(clippy::type_complexity, reason = "two optional parts, used once")]
    fn bodies(
        &mut self,
        test: Option<&Expr>,
        map: Option<&Expr>,
    ) -> Result<(Option<Node>, Option<(Node, Type)>), ExprError> {
        let test = test.map(|test| self.of_type(test, &Type::Bool, "the test for each item")).transpose()?;
        let map = map.map(|map| self.check(map)).transpose()?;
        Ok((test, map))
    }

    /// Makes a macro's variable known.
    fn bind(&mut self, variable: &Expr, item: Type) -> Result<usize, ExprError> {
        let at = variable.span.start();
        let Kind::Name(name) = &variable.kind else {
            return Err(ExprError::at(at, "a name for the item is missing", "as in list.exists(x, x == 'A')"));
        };
        if self.is_taken(name) {
            return Err(ExprError::at(
                at,
                format!("`{name}` is already the name of something else"),
                "choose another, such as x",
            ));
        }
        if self.locals.len() >= NESTED_MAX {
            return Err(ExprError::at(
                at,
                format!("more than {NESTED_MAX} of these inside each other"),
                "split it into steps",
            ));
        }
        self.locals.push((name.clone(), item));
        Ok(self.locals.len() - 1)
    }

    /// `has(map.key)`, `has(facility.labels.region)`
    fn has(&mut self, expr: &Expr, args: &[Expr]) -> Checked {
        let wrong = || {
            let remedy = "as in has(facility.labels.region); for a field write msg.has('PID-19')";
            ExprError::at(expr.span.start(), "`has` takes a part of a map", remedy)
        };
        let [Expr { kind: Kind::Select(of, name), .. }] = args else { return Err(wrong()) };
        if access::is_labels(of) {
            self.require_labels(of)?;
            let key = node(of, NodeKind::Constant(Value::Text(name.text.clone().into())));
            return Ok((node(expr, NodeKind::HasLabel(Box::new(key))), Type::Bool));
        }
        let (map, found) = self.check(of).map_err(|_| wrong())?;
        if !matches!(found, Type::Map(_)) {
            return Err(wrong());
        }
        Ok((node(expr, NodeKind::HasKey(Box::new(map), name.text.clone().into())), Type::Bool))
    }
}

const fn example(mapped: bool) -> &'static str {
    if mapped { "map(x, x.trim())" } else { "exists(x, x == 'A')" }
}
