//! What waits, counted by one definition that every list, sum and status of Barid uses.
//!
//! *Set aside* (state `quarantined`) is what goes nowhere until a person decides on it: a message that the router could
//! not route and on which nobody has decided, and a delivery that is quarantined and was not run again. *Parked* is what
//! is still on its way and waits in PARK; *held* is the part of it whose lane waits for a person because of it.

use barid_model::Name;
use serde::{Deserialize, Serialize};

/// What waits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Messages set aside before routing.
    pub messages: u64,
    /// Deliveries by destination; none for routes to channels.
    pub destinations: Vec<(Option<Name>, WaitingAt)>,
}

/// What waits at one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingAt {
    /// Deliveries set aside.
    pub quarantined: u64,
    /// Deliveries in PARK, held ones included.
    pub parked: u64,
    /// Deliveries for which a lane is held.
    pub held: u64,
}

impl Waiting {
    /// Deliveries that are set aside, at all destinations.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        self.destinations.iter().map(|(_, at)| at.quarantined).sum()
    }

    /// What waits at a destination; with none, what routes to channels could not hand on.
    #[must_use]
    pub fn at(&self, destination: Option<&Name>) -> WaitingAt {
        let found = self.destinations.iter().find(|(name, _)| name.as_ref() == destination);
        found.map(|(_, at)| *at).unwrap_or_default()
    }
}
