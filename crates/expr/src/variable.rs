//! The names an expression may use, where, and what they mean: one table for the checker, "did you mean" and the docs.

use barid_hl7::Path;

use crate::kind::Type;
use crate::scope::Place;

/// A name that stands for one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is described in VARIABLES, which the reference page is made from")]
pub enum Variable {
    MsgType,
    MsgEvent,
    MsgStructure,
    MsgVersion,
    MsgControlId,
    MsgProcessingId,
    MsgSendingApplication,
    MsgSendingFacility,
    MsgReceivingApplication,
    MsgReceivingFacility,
    MessageUid,
    FacilityName,
    FacilityNamespace,
    FacilityDisplayName,
    FacilityVerified,
    ListenerName,
    Received,
    Value,
    Index,
    AnswerCode,
    AnswerStatus,
    AnswerError,
    AnswerText,
    Attempts,
    DeliveryId,
    DeliveryRoute,
    DeliveryPart,
    DeliveryRun,
}

impl Variable {
    /// The field it is, where it is one.
    pub(crate) const fn path(self) -> Option<Path> {
        Some(match self {
            Self::MsgType => Path::msh(9).with_component(1),
            Self::MsgEvent => Path::msh(9).with_component(2),
            Self::MsgStructure => Path::msh(9).with_component(3),
            Self::MsgVersion => Path::msh(12).with_component(1),
            Self::MsgControlId => Path::msh(10),
            Self::MsgProcessingId => Path::msh(11).with_component(1),
            Self::MsgSendingApplication => Path::msh(3).with_component(1),
            Self::MsgSendingFacility => Path::msh(4).with_component(1),
            Self::MsgReceivingApplication => Path::msh(5).with_component(1),
            Self::MsgReceivingFacility => Path::msh(6).with_component(1),
            _ => return None,
        })
    }

    /// The type of its value.
    pub(crate) const fn kind(self) -> Type {
        match self {
            Self::FacilityVerified => Type::Bool,
            Self::Received => Type::Time,
            Self::Index | Self::AnswerStatus | Self::Attempts | Self::DeliveryPart | Self::DeliveryRun => Type::Int,
            _ => Type::Text,
        }
    }
}

/// One name in the reference.
#[derive(Debug, Clone, Copy)]
pub struct VariableEntry {
    /// As it is written.
    pub name: &'static str,
    /// What it stands for.
    pub variable: Variable,
    /// Where it is known.
    pub places: &'static [Place],
    /// What it means.
    pub text: &'static str,
}

const MESSAGE: &[Place] = &[Place::Message, Place::Step, Place::Delivery];
const RECEIVED: &[Place] = &[Place::Message, Place::Step];
const STEP: &[Place] = &[Place::Step];
const ANSWER: &[Place] = &[Place::Answer];
const DELIVERY: &[Place] = &[Place::Delivery];

const fn entry(name: &'static str, variable: Variable, places: &'static [Place], text: &'static str) -> VariableEntry {
    VariableEntry { name, variable, places, text }
}

/// All names but `const.<name>` (the Exchange's constants), `facility.labels['name']` and the items of `forEach`.
pub const VARIABLES: &[VariableEntry] = &[
    entry("msg.type", Variable::MsgType, MESSAGE, "MSH-9.1, such as `ADT`"),
    entry("msg.event", Variable::MsgEvent, MESSAGE, "MSH-9.2, such as `A01`"),
    entry("msg.structure", Variable::MsgStructure, MESSAGE, "MSH-9.3, such as `ADT_A01`"),
    entry("msg.version", Variable::MsgVersion, MESSAGE, "MSH-12.1, such as `2.5.1`"),
    entry("msg.controlId", Variable::MsgControlId, MESSAGE, "MSH-10"),
    entry("msg.processingId", Variable::MsgProcessingId, MESSAGE, "MSH-11.1: `P`, `T` or `D`"),
    entry("msg.sendingApplication", Variable::MsgSendingApplication, MESSAGE, "MSH-3.1"),
    entry("msg.sendingFacility", Variable::MsgSendingFacility, MESSAGE, "MSH-4.1"),
    entry("msg.receivingApplication", Variable::MsgReceivingApplication, MESSAGE, "MSH-5.1"),
    entry("msg.receivingFacility", Variable::MsgReceivingFacility, MESSAGE, "MSH-6.1"),
    entry("message.uid", Variable::MessageUid, MESSAGE, "the identity Barid gave the message"),
    entry("facility.name", Variable::FacilityName, MESSAGE, "the name of the Facility that sent it"),
    entry("facility.namespace", Variable::FacilityNamespace, MESSAGE, "the namespace of that Facility"),
    entry("facility.displayName", Variable::FacilityDisplayName, RECEIVED, "its `displayName`"),
    entry("facility.verified", Variable::FacilityVerified, RECEIVED, "whether one of its identities was proven"),
    entry("listener.name", Variable::ListenerName, RECEIVED, "the name of the Listener where it came in"),
    entry("received", Variable::Received, MESSAGE, "when it was received: the only clock there is"),
    entry("value", Variable::Value, STEP, "the text at the step's own path"),
    entry("index", Variable::Index, STEP, "inside `forEach`: the number of the item at hand, from 1"),
    entry("answer.code", Variable::AnswerCode, ANSWER, "MSA-1 such as `AE`; empty where the answer has none"),
    entry("answer.status", Variable::AnswerStatus, ANSWER, "the HTTP status; 0 where there is none"),
    entry(
        "answer.error",
        Variable::AnswerError,
        ANSWER,
        "the first error code (HL7 table 0357) of the answer, or empty",
    ),
    entry("answer.text", Variable::AnswerText, ANSWER, "what the answer says in words (ERR-8, ERR-7, MSA-3)"),
    entry("attempts", Variable::Attempts, ANSWER, "how often the delivery was sent so far"),
    entry("delivery.id", Variable::DeliveryId, DELIVERY, "the identity of the delivery: its idempotency key"),
    entry("delivery.route", Variable::DeliveryRoute, DELIVERY, "the route's name"),
    entry("delivery.part", Variable::DeliveryPart, DELIVERY, "which piece of a split message, from 0"),
    entry("delivery.run", Variable::DeliveryRun, DELIVERY, "which re-run, from 0"),
];
