//! Facts as the hosts have them: about a received message, an answer, a delivery.

use std::collections::BTreeMap;

use barid_model::{Envelope, MessageUid, Name, Timestamp};

use crate::facts::{Facts, Fields, NoMessage};
use crate::value::Value;
use crate::variable::Variable;

/// What expressions can ask about a facility.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FacilityFacts {
    /// Its name; the declared MSH-4 where no Facility matched.
    pub name: String,
    /// Its namespace; empty where no Facility matched.
    pub namespace: String,
    /// What people call it.
    pub display_name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether one of its identities was proven.
    pub verified: bool,
}

/// Facts about a received message, for [`crate::Place::Message`] and [`crate::Place::Step`].
#[derive(Clone, Copy)]
pub struct MessageFacts<'a> {
    /// The message, or the draft of it.
    pub fields: &'a dyn Fields,
    /// Who sent it.
    pub facility: &'a FacilityFacts,
    /// Where it came in.
    pub listener: &'a Name,
    /// When.
    pub received: Timestamp,
    /// Its identity as text; see [`MessageUid`].
    pub uid: MessageUid,
}

impl<'a> MessageFacts<'a> {
    /// Facts from an envelope.
    #[must_use]
    pub const fn of(envelope: &'a Envelope, facility: &'a FacilityFacts, fields: &'a dyn Fields) -> Self {
        Self { fields, facility, listener: &envelope.listener, received: envelope.received, uid: envelope.uid }
    }
}

impl Facts for MessageFacts<'_> {
    fn fields(&self) -> &dyn Fields {
        self.fields
    }

    fn variable(&self, variable: Variable) -> Value<'_> {
        match variable {
            Variable::MessageUid => Value::Text(self.uid.to_string().into()),
            Variable::FacilityName => Value::text(&self.facility.name),
            Variable::FacilityNamespace => Value::text(&self.facility.namespace),
            Variable::FacilityDisplayName => Value::text(&self.facility.display_name),
            Variable::FacilityVerified => Value::Bool(self.facility.verified),
            Variable::ListenerName => Value::text(self.listener.name()),
            Variable::Received => Value::Time(self.received),
            _ => Value::text(""),
        }
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.facility.labels.get(name).map(String::as_str)
    }
}

/// Facts about a destination's answer, for [`crate::Place::Answer`].
#[derive(Debug, Clone, Copy, Default)]
pub struct AnswerFacts<'a> {
    /// MSA-1; empty where the answer has none.
    pub code: &'a str,
    /// The HTTP status; 0 where there is none.
    pub status: u16,
    /// The first error code (table 0357), or empty.
    pub error: &'a str,
    /// What it says in words.
    pub text: &'a str,
    /// How often the delivery was sent so far.
    pub attempts: u32,
}

impl Facts for AnswerFacts<'_> {
    fn variable(&self, variable: Variable) -> Value<'_> {
        match variable {
            Variable::AnswerCode => Value::text(self.code),
            Variable::AnswerStatus => Value::Int(i64::from(self.status)),
            Variable::AnswerError => Value::text(self.error),
            Variable::AnswerText => Value::text(self.text),
            Variable::Attempts => Value::Int(i64::from(self.attempts)),
            _ => Value::text(""),
        }
    }
}

/// Facts about a delivery, for [`crate::Place::Delivery`].
#[derive(Clone, Copy)]
pub struct DeliveryFacts<'a> {
    /// The message as it is sent; [`crate::Program::uses_message`] says whether it has to be read for a program.
    pub message: Option<&'a dyn Fields>,
    /// The delivery's identity as text.
    pub id: &'a str,
    /// The route's name.
    pub route: &'a str,
    /// Which piece of a split message.
    pub part: u32,
    /// Which re-run.
    pub run: u32,
    /// The message's identity.
    pub uid: MessageUid,
    /// Who sent it, as `namespace/name`.
    pub facility: &'a str,
    /// When it was received.
    pub received: Timestamp,
}

impl Facts for DeliveryFacts<'_> {
    fn fields(&self) -> &dyn Fields {
        self.message.unwrap_or(&NoMessage)
    }

    fn variable(&self, variable: Variable) -> Value<'_> {
        let (namespace, name) = self.facility.split_once('/').unwrap_or(("", self.facility));
        match variable {
            Variable::DeliveryId => Value::text(self.id),
            Variable::DeliveryRoute => Value::text(self.route),
            Variable::DeliveryPart => Value::Int(i64::from(self.part)),
            Variable::DeliveryRun => Value::Int(i64::from(self.run)),
            Variable::MessageUid => Value::Text(self.uid.to_string().into()),
            Variable::FacilityName => Value::text(name),
            Variable::FacilityNamespace => Value::text(namespace),
            Variable::Received => Value::Time(self.received),
            _ => Value::text(""),
        }
    }
}
