//! Compilation: documents into mappings, with every fault named by its place in the document.
//!
//! Applied mappings are compiled where they are applied, so that they can use the items around them and so that their
//! faults are found in the channel that meets them. Depth and the number of steps in all are bounded, since mappings
//! that apply each other multiply.

mod format;
mod path;
pub(crate) use path::partner;
mod verb;

use std::sync::Arc;

use barid_expr::{Address, ExprError, Item, ItemKind, Program, Scope, Type, Variable, did_you_mean};
use barid_hl7::Index;
use barid_model::Name;

use crate::document::{self, Reference};
use crate::mapping::{Loop, Mapping, Step, Verb};
use crate::table::Table;

/// How deep mappings apply each other; people read three levels.
pub const APPLY_DEPTH_MAX: usize = 8;
/// Steps of a mapping with all that it applies: beyond this nobody knows what it does, and it takes 10 MB.
pub const STEPS_MAX: usize = 10_000;

/// Gives what steps refer to. `from` is the namespace of the document that the step stands in.
pub trait Library {
    /// A code table.
    ///
    /// # Errors
    /// What is wrong with the reference, and what would be right.
    fn table(&self, from: &str, reference: &Reference) -> Result<Arc<Table>, Unresolved>;

    /// A mapping's full name and steps.
    ///
    /// # Errors
    /// What is wrong with the reference, and what would be right.
    fn mapping(&self, from: &str, reference: &Reference) -> Result<(Name, Arc<[document::Step]>), Unresolved>;
}

/// A reference that leads nowhere, or where it may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}; {remedy}")]
pub struct Unresolved {
    /// What is wrong.
    pub text: String,
    /// What would be right.
    pub remedy: String,
}

/// What steps are compiled against.
#[derive(Clone, Copy)]
pub struct CompileEnv<'e> {
    /// [`barid_expr::Place::Step`], with the Exchange's constants.
    pub scope: &'e Scope,
    /// The namespace of the document.
    pub namespace: &'e str,
    /// What steps refer to.
    pub library: &'e dyn Library,
}

/// A step that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {text}; {remedy}")]
pub struct StepError {
    /// The field in the document, such as `transform[2].lookup.path`.
    pub place: String,
    /// Where in that field's text, in bytes from 0, if it is an expression.
    pub offset: Option<usize>,
    /// What is wrong.
    pub text: String,
    /// What would be right.
    pub remedy: String,
}

impl Mapping {
    /// Compiles steps that stand in the field `at` of a document (`transform`, `routes[0].transform`, `steps`).
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn compile(steps: &[document::Step], at: &str, env: &CompileEnv<'_>) -> Result<Self, Vec<StepError>> {
        let mut compiler = Compiler { env: *env, errors: Vec::new(), applied: Vec::new(), steps: 0 };
        let mapping = compiler.mapping(steps, at, env.namespace, env.scope);
        if compiler.errors.is_empty() { Ok(mapping) } else { Err(compiler.errors) }
    }
}

/// Where a step stands, and what it may use.
struct Around<'a> {
    /// `transform[2]`
    place: &'a str,
    namespace: &'a str,
    scope: &'a Scope,
}

struct Compiler<'e> {
    env: CompileEnv<'e>,
    errors: Vec<StepError>,
    /// The mappings being compiled, outermost first.
    applied: Vec<Name>,
    steps: usize,
}

impl Compiler<'_> {
    fn mapping(&mut self, steps: &[document::Step], at: &str, namespace: &str, scope: &Scope) -> Mapping {
        let mut compiled = Vec::with_capacity(steps.len());
        for (i, step) in steps.iter().enumerate() {
            let place = format!("{at}[{i}]");
            self.steps += 1;
            if self.steps > STEPS_MAX {
                if self.steps == STEPS_MAX + 1 {
                    let text = format!("the mapping and what it applies have more than {STEPS_MAX} steps");
                    self.error(place, text, "apply less, or split the channel");
                }
                break;
            }
            compiled.extend(self.step(step, &Around { place: &place, namespace, scope }));
        }
        Mapping { steps: compiled.into() }
    }

    fn step(&mut self, step: &document::Step, around: &Around<'_>) -> Option<Step> {
        let verb_name = self.verb_name(step, around.place)?;
        let for_each = match &step.for_each {
            Some(text) => Some(self.for_each(text, step.r#as.as_deref(), around)?),
            None if step.r#as.is_some() => {
                self.error(
                    format!("{}.as", around.place),
                    "`as` names the item of `forEach`",
                    "add forEach, or remove `as`",
                );
                return None;
            }
            None => None,
        };
        let scope = match &for_each {
            Some((item, _)) => around.scope.clone().with_item(item.clone()),
            None => around.scope.clone(),
        };
        let inner = Around { scope: &scope, ..*around };
        let when = step.when.as_ref().map(|source| {
            let place = format!("{}.when", around.place);
            self.program(source, &place, &scope, Type::Bool)
        });
        let verb = self.verb(step, verb_name, &inner);
        let (when, verb) = (when.map_or(Some(None), |when| when.map(Some))?, verb?);
        let asks_value = when.as_ref().is_some_and(|when| when.uses(Variable::Value));
        let has_path = !matches!(verb, Verb::AddSegment(_) | Verb::Apply(_));
        if asks_value && !has_path {
            let text = format!("`value` is the text at the step's path, and `{verb_name}` has none");
            self.error(format!("{}.when", around.place), text, "write msg['..'] for a field");
            return None;
        }
        Some(Step {
            at: format!("{}.{verb_name}", around.place).into(),
            when,
            asks_each_place: asks_value,
            for_each: for_each.map(|(_, over)| over),
            verb,
        })
    }

    /// The one verb of a step.
    fn verb_name(&mut self, step: &document::Step, place: &str) -> Option<&'static str> {
        let verbs = [
            ("set", step.set.is_some()),
            ("copy", step.copy.is_some()),
            ("move", step.r#move.is_some()),
            ("delete", step.delete.is_some()),
            ("lookup", step.lookup.is_some()),
            ("format", step.format.is_some()),
            ("addSegment", step.add_segment.is_some()),
            ("apply", step.apply.is_some()),
        ];
        let mut given = verbs.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
        match (given.next(), given.next()) {
            (Some(verb), None) => Some(verb),
            (Some(first), Some(second)) => {
                self.error(
                    place.to_owned(),
                    format!("the step has two verbs, `{first}` and `{second}`"),
                    "make two steps",
                );
                None
            }
            (None, _) => {
                let all: Vec<&str> = verbs.iter().map(|(name, _)| *name).collect();
                self.error(place.to_owned(), "the step does nothing", format!("give it one of {}", all.join(", ")));
                None
            }
        }
    }

    fn for_each(&mut self, text: &str, name: Option<&str>, around: &Around<'_>) -> Option<(Item, Loop)> {
        let place = format!("{}.forEach", around.place);
        let over = self.address(text, &place, around.scope)?;
        let path = over.path();
        let wild_segment = path.occurrence() == Index::All;
        let wild_field = path.repetition() == Index::All;
        let kind = match (path.field(), wild_segment, wild_field) {
            (None, true, _) => ItemKind::Segment(path.segment()),
            (Some(field), false, true) if path.component().is_none() => ItemKind::Repetition(path.segment(), field),
            _ => {
                let remedy = "write a segment such as `OBX[*]`, or a field such as `PID-3[*]`; one [*] at a time";
                self.error(place, format!("`{text}` is nothing to go through"), remedy);
                return None;
            }
        };
        let name = name.unwrap_or("item");
        self.check_item_name(name, &format!("{}.as", around.place))?;
        Some((Item { name: name.to_owned(), kind }, Loop { over, kind }))
    }

    fn check_item_name(&mut self, name: &str, place: &str) -> Option<()> {
        let mut chars = name.chars();
        let plain = chars.next().is_some_and(|c| c.is_ascii_lowercase()) && chars.all(|c| c.is_ascii_alphanumeric());
        let taken = barid_expr::VARIABLES.iter().any(|entry| entry.name.split('.').next() == Some(name))
            || matches!(name, "const" | "in" | "true" | "false" | "null");
        if plain && !taken {
            return Some(());
        }
        let text = if taken {
            format!("`{name}` is already the name of something else")
        } else {
            format!("`{name}` is no name")
        };
        self.error(place.to_owned(), text, "use small letters, as in `obx`");
        None
    }

    fn apply(&mut self, apply: &document::Apply, around: &Around<'_>) -> Option<Verb> {
        let place = format!("{}.apply.mapping", around.place);
        let (name, steps) = match self.env.library.mapping(around.namespace, &apply.mapping) {
            Ok(found) => found,
            Err(error) => {
                self.error(place, error.text, error.remedy);
                return None;
            }
        };
        if self.applied.contains(&name) {
            let way: Vec<String> = self.applied.iter().map(Name::short).collect();
            let text = format!("Mapping {} applies itself: {} > {}", name.short(), way.join(" > "), name.short());
            self.error(place, text, "remove one of these `apply` steps");
            return None;
        }
        if self.applied.len() >= APPLY_DEPTH_MAX {
            let text = format!("mappings apply each other more than {APPLY_DEPTH_MAX} deep");
            self.error(place, text, "put the steps of the innermost where they are applied");
            return None;
        }
        let inside = format!("{}.apply({}).steps", around.place, name.short());
        let namespace = name.namespace().to_owned();
        self.applied.push(name);
        let mapping = self.mapping(&steps, &inside, &namespace, around.scope);
        self.applied.pop();
        Some(Verb::Apply(mapping))
    }

    fn program(&mut self, source: &str, place: &str, scope: &Scope, want: Type) -> Option<Program> {
        match Program::compile(source, scope, want) {
            Ok(program) => Some(program),
            Err(ExprError { offset, text, remedy }) => {
                self.errors.push(StepError { place: place.to_owned(), offset: Some(offset), text, remedy });
                None
            }
        }
    }

    fn address(&mut self, text: &str, place: &str, scope: &Scope) -> Option<Address> {
        match Address::parse(text, scope.items()) {
            Ok(address) => Some(address),
            Err((text, remedy)) => {
                self.error(place.to_owned(), text, remedy);
                None
            }
        }
    }

    fn error(&mut self, place: String, text: impl Into<String>, remedy: impl Into<String>) {
        self.errors.push(StepError { place, offset: None, text: text.into(), remedy: remedy.into() });
    }
}

impl Unresolved {
    /// A document that does not exist, with the nearest of those that do.
    #[must_use]
    pub fn unknown<'a>(kind: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let remedy = match did_you_mean(name, known) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("add a {kind} of this name"),
        };
        Self { text: format!("there is no {kind} {name}"), remedy }
    }
}
