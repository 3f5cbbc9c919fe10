//! Where a message or a delivery stands, in one word: the closed list of the balance (G4), with in flight taken apart.

use barid_model::Outcome;
use serde::{Deserialize, Serialize};

/// Where a message or a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// A delivery on its way.
    InFlight,
    /// In flight: its lane waits for a person because of it.
    Held,
    /// In flight: it waits in PARK, because its lane stalled or one before it waits.
    Parked,
    /// Set aside for a person. Said of a message, too, that was set aside before routing.
    Quarantined,
    /// The destination refused it, and the sender that waited was told.
    Rejected,
    /// A query whose caller left.
    Expired,
    /// Given up by a person. Said of a message, too, that was set aside before routing.
    Discarded,
    /// Merged into another delivery.
    Merged,
    /// The destination has it.
    Delivered,
    /// Not wanted by the channel or the route.
    Filtered,
    /// A message that the router has not come to yet.
    NotYetRouted,
    /// A message that repeats one accepted before.
    Duplicate,
    /// A message that was set aside before routing and that a person had run again: it went on as a message of its own.
    Rerun,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::InFlight,
        Self::Held,
        Self::Parked,
        Self::Quarantined,
        Self::Rejected,
        Self::Expired,
        Self::Discarded,
        Self::Merged,
        Self::Delivered,
        Self::Filtered,
        Self::NotYetRouted,
        Self::Duplicate,
        Self::Rerun,
    ];

    /// How it is written: the same word in options, JSON and tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::InFlight => "inFlight",
            Self::Held => "held",
            Self::Parked => "parked",
            Self::Quarantined => "quarantined",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Discarded => "discarded",
            Self::Merged => "merged",
            Self::Delivered => "delivered",
            Self::Filtered => "filtered",
            Self::NotYetRouted => "notYetRouted",
            Self::Duplicate => "duplicate",
            Self::Rerun => "rerun",
        }
    }

    /// Reads the word; upper and lower case, `-`, `_` and spaces make no difference. `accepted` is one more word for
    /// a message that is not yet routed.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        let plain: String = word.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).collect();
        if plain.eq_ignore_ascii_case("accepted") {
            return Some(Self::NotYetRouted);
        }
        Self::ALL.into_iter().find(|state| state.word().eq_ignore_ascii_case(&plain))
    }

    /// Whether something can still become of it without a new message: it is not pruned and its payload is kept.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::InFlight | Self::Held | Self::Parked | Self::Quarantined | Self::NotYetRouted)
    }

    /// Its number in storage. Numbers below [`State::COMMON`] are indexed.
    #[must_use]
    pub const fn code(self) -> i64 {
        self as i64
    }

    /// From its number in storage.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// From this number on a delivery's state is so common that it is not worth an index.
    pub const COMMON: i64 = Self::Delivered as i64;
}

impl From<Outcome> for State {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Delivered => Self::Delivered,
            Outcome::Filtered => Self::Filtered,
            Outcome::Rejected => Self::Rejected,
            Outcome::Expired => Self::Expired,
            Outcome::Merged => Self::Merged,
            Outcome::Quarantined => Self::Quarantined,
            Outcome::Discarded => Self::Discarded,
        }
    }
}
