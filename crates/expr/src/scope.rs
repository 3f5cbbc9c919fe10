//! Where an expression stands, and so which names it may use.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::address::Item;

/// The Exchange's constants, by name. They are written into a program when it is compiled.
pub type Constants = BTreeMap<String, String>;

/// Where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// About a message as a whole: `from.when`, `filter`, a route's `when`, `order`, predicates of a profile.
    Message,
    /// In a mapping step.
    Step,
    /// In a destination's `answers`.
    Answer,
    /// In what a destination sends along: HTTP headers, file names.
    Delivery,
}

impl Place {
    /// For people: "in a mapping step".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Message => "in a condition on a message",
            Self::Step => "in a mapping step",
            Self::Answer => "in `answers`",
            Self::Delivery => "in a header or file name",
        }
    }
}

/// The names an expression may use.
#[derive(Debug, Clone)]
pub struct Scope {
    pub(crate) place: Place,
    pub(crate) constants: Arc<Constants>,
    pub(crate) items: Vec<Item>,
}

impl Scope {
    /// The scope of a place, without constants.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self { place, constants: Arc::default(), items: Vec::new() }
    }

    /// The same with the Exchange's constants.
    #[must_use]
    pub fn with_constants(mut self, constants: Arc<Constants>) -> Self {
        self.constants = constants;
        self
    }

    /// The same inside one more `forEach`.
    #[must_use]
    pub fn with_item(mut self, item: Item) -> Self {
        self.items.push(item);
        self
    }

    /// The items of the enclosing `forEach`, the innermost last.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Where it stands.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }
}
