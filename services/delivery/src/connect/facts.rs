//! What header and file name expressions see of a delivery.

use std::fmt;
use std::sync::Arc;

use barid_expr::{DeliveryFacts, Place, Program, Scope, Type, Value};
use barid_hl7::{Limits, Message};
use barid_model::record::OutRecord;

/// An expression that gives a text for each delivery. Cheap to clone.
#[derive(Clone)]
pub struct Expression(Arc<Program>);

impl Expression {
    /// A program compiled in the scope of deliveries.
    #[must_use]
    pub fn new(program: Arc<Program>) -> Self {
        Self(program)
    }

    /// Compiles an expression without constants.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn compile(source: &str) -> Result<Self, barid_expr::ExprError> {
        Program::compile(source, &Scope::new(Place::Delivery), Type::Text).map(|program| Self(Arc::new(program)))
    }

    /// Whether it reads the message, which then has to be parsed once more.
    pub(super) fn uses_message(&self) -> bool {
        self.0.uses_message()
    }

    pub(super) fn text(&self, seen: &Seen<'_>) -> Result<String, String> {
        match self.0.eval(&seen.facts()) {
            Ok(Value::Text(text)) => Ok(text.into_owned()),
            Ok(_) => Err("the expression gives no text".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expression")
    }
}

/// A delivery as expressions see it.
pub(super) struct Seen<'a> {
    record: &'a OutRecord,
    id: String,
    message: Option<Message>,
}

impl<'a> Seen<'a> {
    /// `parse` says whether some expression reads the message. What is no HL7 reads as empty.
    pub(super) fn of(record: &'a OutRecord, parse: bool) -> Self {
        let message = parse.then(|| Message::parse(record.payload.bytes(), &Limits::default()).ok()).flatten();
        Self { record, id: record.id.to_string(), message: message.map(|parsed| parsed.message) }
    }

    fn facts(&self) -> DeliveryFacts<'_> {
        DeliveryFacts {
            message: self.message.as_ref().map(|message| message as _),
            id: &self.id,
            route: &self.record.route,
            part: self.record.part,
            run: self.record.run,
            uid: self.record.uid,
            facility: &self.record.facility,
            received: self.record.received,
        }
    }
}
