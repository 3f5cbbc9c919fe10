//! Names: `msg.event`, `msg['PID-3.1']`, `facility.labels['region']`, `const.country`, `item['5.1']`, macro variables.

use barid_hl7::Path;

use super::Checker;
use crate::address::{Address, ItemKind, Wrong};
use crate::error::ExprError;
use crate::kind::Type;
use crate::node::NodeKind;
use crate::scope::Place;
use crate::suggest::did_you_mean;
use crate::syntax::{Expr, Kind, Name};
use crate::value::Value;
use crate::variable::{VARIABLES, Variable, VariableEntry};

type Found = Result<(NodeKind, Type), ExprError>;

/// Names that have members.
const ROOTS: [&str; 7] = ["msg", "facility", "const", "listener", "message", "answer", "delivery"];

impl Checker<'_> {
    /// A name by itself.
    pub(super) fn name(&mut self, expr: &Expr, name: &str) -> Found {
        let at = expr.span.start();
        if let Some(slot) = self.locals.iter().rposition(|(local, _)| local == name) {
            let found = self.locals.get(slot).map_or(Type::Any, |(_, found)| found.clone());
            return Ok((NodeKind::Local(slot), found));
        }
        if let Some((_, kind)) = self.item(name) {
            let (what, part) = match kind {
                ItemKind::Segment(_) => ("segment", "5.1"),
                ItemKind::Repetition(..) => ("repetition", "4.1"),
            };
            let text = format!("`{name}` is a whole {what}");
            return Err(ExprError::at(at, text, format!("read a part with {name}['{part}'], or all with {name}.text")));
        }
        if let Some(entry) = self.known().find(|entry| entry.name == name) {
            return self.variable(at, entry);
        }
        if ROOTS.contains(&name) && self.root_is_known(name) {
            let example = match name {
                "msg" => "msg['PID-3.1']".to_owned(),
                "const" => format!("const.{}", self.scope.constants.keys().next().map_or("name", String::as_str)),
                _ => self.known().find(|entry| root_of(entry.name) == name).map_or(name, |entry| entry.name).to_owned(),
            };
            let text = format!("`{name}` by itself is no value");
            return Err(ExprError::at(at, text, format!("read something of it, such as {example}")));
        }
        Err(self.unknown(at, name))
    }

    /// `of.name`
    pub(super) fn select(&mut self, of: &Expr, name: &Name) -> Found {
        if is_labels(of) {
            self.require_labels(of)?;
            let key = super::node(of, NodeKind::Constant(Value::Text(name.text.clone().into())));
            return Ok((NodeKind::Label(Box::new(key)), Type::Text));
        }
        if let Kind::Name(root) = &of.kind
            && !self.is_local(root)
        {
            return self.member_of(of, root, name);
        }
        let (node, found) = self.check(of)?;
        match found {
            Type::Map(item) => {
                let key = super::node(of, NodeKind::Constant(Value::Text(name.text.clone().into())));
                Ok((NodeKind::Index(Box::new(node), Box::new(key)), *item))
            }
            _ => {
                let text = format!("{found} has no part `{}`", name.text);
                Err(ExprError::at(name.span.start(), text, format!("if a function is meant, write .{}()", name.text)))
            }
        }
    }

    fn member_of(&mut self, of: &Expr, root: &str, name: &Name) -> Found {
        let at = name.span.start();
        if let Some((level, kind)) = self.item(root) {
            if name.text == "text" {
                let address = self.item_itself(level, kind);
                return Ok((self.field(address), Type::Text));
            }
            let text = format!("`{root}` has no part `{}`", name.text);
            return Err(ExprError::at(at, text, format!("write {root}['5.1'] for a part, {root}.text for all of it")));
        }
        if root == "const" {
            return self.constant(at, &name.text);
        }
        let full = format!("{root}.{}", name.text);
        if let Some(entry) = self.known().find(|entry| entry.name == full) {
            return self.variable(at, entry);
        }
        if !self.root_is_known(root) {
            return Err(self.unknown(of.span.start(), root));
        }
        if full == "facility.labels" {
            return Err(ExprError::at(
                at,
                "the labels are no value by themselves",
                "read one, as in facility.labels['region']",
            ));
        }
        let members = self.known().map(|entry| entry.name).filter(|known| root_of(known) == root);
        let members: Vec<&str> = members.filter_map(|known| known.get(root.len() + 1..)).chain(labels(root)).collect();
        let elsewhere = VARIABLES.iter().find(|entry| entry.name == full);
        let remedy = match (elsewhere, did_you_mean(&name.text, members.iter().copied())) {
            (Some(_), _) => format!("it is not known {}", self.scope.place.words()),
            (None, Some(near)) => format!("did you mean {root}.{near}?"),
            (None, None) if root == "msg" => "for a field write msg['PID-3.1']".to_owned(),
            (None, None) => format!("it has {}", members.join(", ")),
        };
        Err(ExprError::at(at, format!("`{root}` has no `{}`", name.text), remedy))
    }

    fn constant(&mut self, at: usize, name: &str) -> Found {
        if let Some(value) = self.scope.constants.get(name) {
            return Ok((NodeKind::Constant(Value::Text(value.clone().into())), Type::Text));
        }
        let known = self.scope.constants.keys().map(String::as_str);
        let remedy = match did_you_mean(name, known.clone()) {
            Some(near) => format!("did you mean const.{near}?"),
            None if self.scope.constants.is_empty() => "declare it in `constants` of the Exchange".to_owned(),
            None => {
                format!("declare it in `constants` of the Exchange, which has {}", known.collect::<Vec<_>>().join(", "))
            }
        };
        Err(ExprError::at(at, format!("there is no constant `{name}`"), remedy))
    }

    /// `of[at]`
    pub(super) fn index(&mut self, of: &Expr, at: &Expr) -> Found {
        if is_labels(of) {
            self.require_labels(of)?;
            let key = self.of_type(at, &Type::Text, "a label's name")?;
            return Ok((NodeKind::Label(Box::new(key)), Type::Text));
        }
        if let Kind::Name(root) = &of.kind
            && !self.is_local(root)
            && let Some(address) = self.address(root, at)?
        {
            return Ok((self.field(address), Type::Text));
        }
        let (node, found) = self.check(of)?;
        match found {
            Type::List(item) => {
                let index = self.of_type(at, &Type::Int, "the index of a list")?;
                Ok((NodeKind::Index(Box::new(node), Box::new(index)), *item))
            }
            Type::Map(item) => {
                let key = self.of_type(at, &Type::Text, "the key of a map")?;
                Ok((NodeKind::Index(Box::new(node), Box::new(key)), *item))
            }
            _ => {
                let remedy = "a part of text is taken with .substring(0, 4) or .charAt(0)";
                Err(ExprError::at(at.span.start(), format!("{found} has no parts in brackets"), remedy))
            }
        }
    }

    /// The address in `msg[path]`, `item[path]` and in calls on them; none where the name is neither.
    pub(super) fn address(&mut self, root: &str, path: &Expr) -> Result<Option<Address>, ExprError> {
        let item = self.item(root);
        if item.is_none() && (root != "msg" || !self.root_is_known("msg")) {
            return Ok(None);
        }
        let Kind::Text(text) = &path.kind else {
            let (text, remedy) = match item {
                None => {
                    ("a path is text in quotes", "write msg['PID-3.1']; to go through segments use forEach".to_owned())
                }
                Some(_) => ("a place in an item is text in quotes", format!("write {root}['5.1']")),
            };
            return Err(ExprError::at(path.span.start(), text, remedy));
        };
        // The literal's first character: behind its quote.
        let at = path.span.start() + 1;
        let wrong = |(text, remedy): Wrong| ExprError::at(at, text, remedy);
        match item {
            Some((level, kind)) => Address::inside(text, level, kind).map(Some).map_err(wrong),
            None => match Path::parse(text) {
                Ok(path) => Ok(Some(Address::absolute(path))),
                Err(error) => {
                    let text = format!("`{}` is not an HL7 path", error.path);
                    Err(ExprError::at(at + error.column.saturating_sub(1), text, error.problem))
                }
            },
        }
    }

    /// The text at an address.
    fn field(&mut self, address: Address) -> NodeKind {
        self.note(&address);
        if address.is_relative() { NodeKind::Relative(address) } else { NodeKind::Field(address.path()) }
    }

    pub(super) fn note(&mut self, address: &Address) {
        self.needs.message = true;
        self.needs.item |= address.is_relative();
    }

    fn item_itself(&self, level: usize, kind: ItemKind) -> Address {
        let name = self.scope.items.get(level).map_or("item", |item| item.name.as_str());
        // The item's bare name is an address by definition.
        let whole = match kind {
            ItemKind::Segment(id) => Path::of_segment(id),
            ItemKind::Repetition(id, field) => Path::of_segment(id).with_field(field),
        };
        Address::parse(name, &self.scope.items).unwrap_or(Address::absolute(whole))
    }

    fn variable(&mut self, at: usize, entry: &VariableEntry) -> Found {
        let variable = entry.variable;
        if variable == Variable::Index && self.scope.items.is_empty() {
            return Err(ExprError::at(
                at,
                "`index` is known only inside forEach",
                "add forEach to the step, or remove it",
            ));
        }
        if let Some(path) = variable.path() {
            self.needs.message = true;
            return Ok((NodeKind::Field(path), Type::Text));
        }
        if !self.needs.variables.contains(&variable) {
            self.needs.variables.push(variable);
        }
        Ok((NodeKind::Variable(variable), variable.kind()))
    }

    /// The innermost item of a name.
    pub(super) fn item(&self, name: &str) -> Option<(usize, ItemKind)> {
        let items = &self.scope.items;
        items.iter().rposition(|item| item.name == name).and_then(|level| Some((level, items.get(level)?.kind)))
    }

    pub(super) fn is_local(&self, name: &str) -> bool {
        self.locals.iter().any(|(local, _)| local == name)
    }

    /// Whether a macro's variable may not have this name.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        ROOTS.contains(&name) || self.item(name).is_some() || VARIABLES.iter().any(|entry| entry.name == name)
    }

    pub(super) fn require_labels(&self, expr: &Expr) -> Result<(), ExprError> {
        if matches!(self.scope.place, Place::Message | Place::Step) {
            return Ok(());
        }
        let text = "`facility` has no `labels` here";
        Err(ExprError::at(expr.span.start(), text, format!("they are not known {}", self.scope.place.words())))
    }

    fn known(&self) -> impl Iterator<Item = &'static VariableEntry> + use<> {
        let place = self.scope.place;
        VARIABLES.iter().filter(move |entry| entry.places.contains(&place))
    }

    fn root_is_known(&self, root: &str) -> bool {
        root == "const" || self.known().any(|entry| root_of(entry.name) == root)
    }

    fn unknown(&self, at: usize, name: &str) -> ExprError {
        let mut known: Vec<&str> = self.known().map(|entry| root_of(entry.name)).collect();
        known.push("const");
        known.extend(self.scope.items.iter().map(|item| item.name.as_str()));
        known.extend(self.locals.iter().map(|(local, _)| local.as_str()));
        known.sort_unstable();
        known.dedup();
        let elsewhere = ROOTS.contains(&name) || VARIABLES.iter().any(|entry| entry.name == name);
        let remedy = match did_you_mean(name, known.iter().copied()) {
            _ if elsewhere => {
                format!("it is not known {}, where there are {}", self.scope.place.words(), known.join(", "))
            }
            _ if Path::parse(name).is_ok() => format!("put text in quotes; for a field write msg['{name}']"),
            Some(near) => format!("did you mean {near}?"),
            None => format!("put text in quotes; known names are {}", known.join(", ")),
        };
        ExprError::at(at, format!("`{name}` is not known"), remedy)
    }
}

fn labels(root: &str) -> Option<&'static str> {
    (root == "facility").then_some("labels")
}

fn root_of(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// `facility.labels`
pub(super) fn is_labels(expr: &Expr) -> bool {
    matches!(&expr.kind, Kind::Select(of, name)
        if name.text == "labels" && matches!(&of.kind, Kind::Name(root) if root == "facility"))
}
