//! What the parse stage needs to know of a channel.

use std::sync::Arc;
use std::time::Duration;

use barid_expr::Program;
use barid_hl7::ack::Mode;
use barid_hl7::{Path, SegmentId};
use barid_model::{Name, Revision};

/// PID-3, the patient identifier list.
pub const PATIENT_IDENTIFIERS: Path = match SegmentId::new(*b"PID") {
    Some(id) => Path::of_segment(id).with_field(3),
    None => Path::msh(3),
};

/// A channel's rules.
#[derive(Debug, Clone)]
pub struct ChannelRules {
    /// Its document.
    pub name: Name,
    /// The revision that its messages are stamped with.
    pub revision: Revision,
    /// Of several that would take a message the highest does; then the first by namespace and name.
    pub priority: i32,
    /// The listeners it takes messages from.
    pub listeners: Vec<Name>,
    /// The facilities it takes messages from, names and labels resolved; none: any, strangers included.
    pub facilities: Option<Vec<Name>>,
    /// What else must hold (`from.when`).
    pub when: Option<Arc<Program>>,
    /// Whether it takes messages now.
    pub state: ChannelState,
    /// What makes a message wrong.
    pub checks: CheckRules,
    /// What becomes of a message with errors.
    pub on_invalid: OnInvalid,
    /// The MSH-11.1 it takes; none: any.
    pub processing_id: Option<Arc<str>>,
    /// What stays in order.
    pub order: OrderRule,
    /// Own search keys.
    pub index: Vec<IndexRule>,
    /// How it acknowledges.
    pub ack: AckRules,
    /// Whether a message without MSH-10 is taken, under an id made here.
    pub accept_without_control_id: bool,
}

/// Whether a channel takes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChannelState {
    /// It does (also while it is paused: then they wait).
    #[default]
    Open,
    /// It refuses, so that it runs empty.
    Closed,
    /// Its document is invalid and there is no good revision: its messages are refused as retryable.
    Invalid,
}

/// What makes a message wrong, besides what always does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckRules {
    /// Whether a version that is not known, or bytes outside the declared character set, are errors rather than warnings.
    pub strict: bool,
    /// What OBX-5 is where OBX-2 is empty; none: that is an error.
    pub value_type: Option<Arc<str>>,
}

/// What becomes of a message with errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnInvalid {
    /// It is accepted and the errors are recorded, as warnings.
    Log,
    /// It is accepted and set aside before it is routed.
    Quarantine,
    /// It is refused with the errors.
    #[default]
    Reject,
}

/// What stays in order.
#[derive(Debug, Clone, Default)]
pub enum OrderRule {
    /// All that a facility sends.
    #[default]
    Facility,
    /// All that concerns one patient.
    Patient(PatientRule),
    /// Nothing.
    None,
    /// What has an equal value.
    Expression(Arc<Program>),
}

/// Where a message names its patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientRule {
    /// The field with the identifiers.
    pub path: Path,
    /// The assigning authority whose identifier counts; none: the first one.
    pub authority: Option<Arc<str>>,
}

impl Default for PatientRule {
    /// The first of PID-3.
    fn default() -> Self {
        Self { path: PATIENT_IDENTIFIERS, authority: None }
    }
}

/// An own search key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexRule {
    /// What it is searched by.
    pub name: Arc<str>,
    /// Where the value stands.
    pub path: Path,
    /// Whether only a keyed hash is kept.
    pub sensitive: bool,
}

/// How a channel acknowledges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckRules {
    /// Which acknowledgement for which MSH-15 and MSH-16.
    pub mode: Mode,
    /// When the sender is answered.
    pub after: AckAfter,
    /// The route whose answer counts; none where there is one route.
    pub route: Option<Arc<str>>,
    /// Whether a destination can answer at all: there is one route to a destination, or `route` names one. Queries to a
    /// channel that nobody can answer for are acknowledged like any other message.
    pub answerable: bool,
    /// How long a sender waits for a destination's answer.
    pub timeout: Duration,
}

impl AckRules {
    /// Long enough for a registry's query, shorter than what most senders wait.
    pub const TIMEOUT: Duration = Duration::from_secs(30);
}

impl Default for AckRules {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            after: AckAfter::default(),
            route: None,
            answerable: false,
            timeout: Self::TIMEOUT,
        }
    }
}

/// When a sender is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AckAfter {
    /// When its message is durable.
    #[default]
    Accepted,
    /// When a destination has answered.
    Delivered,
}
