//! What the parse stage needs to know of a listener.

use barid_hl7::{Limits, ack};
use barid_model::Name;

use crate::identity::Proof;

/// A listener's rules.
#[derive(Debug, Clone)]
pub struct ListenerRules {
    /// Its document.
    pub name: Name,
    /// The weakest proof of identity that it takes.
    pub identify: Proof,
    /// What becomes of a message whose sender is no declared facility.
    pub unknown_facility: OnStranger,
    /// What becomes of a message that no channel takes.
    pub on_unmatched: OnStranger,
    /// Which acknowledgements are sent where no channel says it.
    pub ack: ack::Mode,
    /// Bounds of a message.
    pub limits: Limits,
}

/// What becomes of a message that nothing declared fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnStranger {
    /// It is refused, with a finding.
    #[default]
    Reject,
    /// It is accepted, kept and visible.
    Accept,
}
