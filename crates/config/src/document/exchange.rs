//! Exchange: what holds for the whole installation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Ack, Backlog, Duplicates, Period, Retention, Retry, Validate, is_empty};

/// The installation. At most one document; without one the built-in defaults hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exchange {
    /// What MSH-11 of a message has to be: P (production), T (training) or D (debugging). Default: not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processing_id: Option<ProcessingId>,
    /// Barid's own MSH-3, where an acknowledgement cannot mirror the message's MSH-5. Default `BARID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// Barid's own MSH-4, where an acknowledgement cannot mirror the message's MSH-6. Default empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
    /// What holds where a listener, channel or destination says nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defaults: Option<Defaults>,
    /// `const.<name>` in expressions. At most 256.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub constants: BTreeMap<String, String>,
}

/// Defaults of the installation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Defaults {
    /// How long messages and their history are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// How senders are answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack: Option<Ack>,
    /// How messages are checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate: Option<Validate>,
    /// How resends are recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Duplicates>,
    /// How long a destination may take to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
    /// How a destination that cannot be reached is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How much may wait for a destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backlog: Option<Backlog>,
}

/// What a message is for (HL7 table 0103).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessingId {
    /// Production.
    P,
    /// Training.
    T,
    /// Debugging.
    D,
}

impl ProcessingId {
    /// The code of table 0103.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::P => "P",
            Self::T => "T",
            Self::D => "D",
        }
    }
}
