//! How a delivery ended, and what became of a message before it was routed: the closed lists of the balance (G4).

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

/// How a delivery ended. Everything that was routed and has none of these is in flight (held included).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The destination has it.
    Delivered,
    /// The channel or the route did not want it.
    Filtered,
    /// The destination refused it and the refusal was passed to a sender that waited: custody was given back.
    Rejected,
    /// A query whose caller left.
    Expired,
    /// Merged into another delivery.
    Merged,
    /// Set aside for a person, payload kept; a re-run is a new delivery, a discard ends it.
    Quarantined,
    /// Given up by a person, with a reason.
    Discarded,
}

impl Outcome {
    /// All of them, in the order of the balance.
    pub const ALL: [Self; 7] = [
        Self::Delivered,
        Self::Filtered,
        Self::Rejected,
        Self::Expired,
        Self::Merged,
        Self::Quarantined,
        Self::Discarded,
    ];

    /// The word in text, metrics and the ledger.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Filtered => "filtered",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Merged => "merged",
            Self::Quarantined => "quarantined",
            Self::Discarded => "discarded",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }

    /// Whether `later` may replace this one in the ledger: only a quarantined delivery is opened again, by a person.
    #[must_use]
    pub const fn may_become(self, later: Self) -> bool {
        matches!(self, Self::Quarantined) && matches!(later, Self::Discarded | Self::Delivered)
    }
}

/// What became of an accepted message at the router: exactly one a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Disposition {
    /// Its deliveries are named in the ROUTED record (none where no route wanted it).
    Routed,
    /// A resend of a message that was accepted before.
    Duplicate,
    /// Set aside before routing, payload in IN.
    Quarantined,
}

impl Disposition {
    /// The word in text, metrics and the ledger.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Routed => "routed",
            Self::Duplicate => "duplicate",
            Self::Quarantined => "quarantined",
        }
    }
}
