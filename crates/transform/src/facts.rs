//! What expressions in steps can ask: the draft as it is now, the item at hand, and what is known of the message.

use barid_expr::{FacilityFacts, Facts, Fields, MessageFacts, Value, Variable};
use barid_hl7::{Draft, Path};
use barid_model::Envelope;

/// What is known of the message that a mapping runs on.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Its envelope; `received` is the only clock there is.
    pub envelope: &'a Envelope,
    /// Who sent it.
    pub facility: &'a FacilityFacts,
}

impl<'a> Context<'a> {
    /// Facts over some fields.
    pub(crate) fn facts(self, fields: &'a dyn Fields) -> MessageFacts<'a> {
        MessageFacts::of(self.envelope, self.facility, fields)
    }
}

/// The facts of one step.
pub(crate) struct StepFacts<'a, 'm> {
    pub(crate) message: MessageFacts<'a>,
    pub(crate) draft: &'a Draft<'m>,
    /// Where the items of the enclosing loops stand.
    pub(crate) items: &'a [Path],
    pub(crate) index: i64,
    /// The step's own place.
    pub(crate) subject: Option<Path>,
}

impl Facts for StepFacts<'_, '_> {
    fn fields(&self) -> &dyn Fields {
        self.message.fields
    }

    fn variable(&self, variable: Variable) -> Value<'_> {
        match variable {
            Variable::Value => Value::Text(self.subject.map(|path| self.draft.text(&path)).unwrap_or_default()),
            Variable::Index => Value::Int(self.index),
            other => self.message.variable(other),
        }
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.message.label(name)
    }

    fn items(&self) -> &[Path] {
        self.items
    }
}
