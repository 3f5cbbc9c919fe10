//! How what the log says of one delivery becomes one row: the rules of G4, apart from any database.
//!
//! The result depends on the records alone. Between subjects their order makes no difference; within a subject they
//! come in order, possibly again from an earlier place. The first terminal outcome counts, except that a quarantined
//! delivery may be delivered or discarded by a person.
#![allow(missing_docs, reason = "fields are what the record they come from says")]

#[cfg(test)]
mod tests;

use barid_model::record::Parked;
use barid_model::{MessageUid, Outcome, Timestamp};

use crate::State;

/// Which kinds of records told of a delivery.
pub mod known {
    /// ROUTED.
    pub const ROUTED: u8 = 1;
    /// OUT.
    pub const OUT: u8 = 2;
    /// PARK.
    pub const PARK: u8 = 4;
    /// OUTCOME.
    pub const OUTCOME: u8 = 8;
}

/// Numbers the store gave to names.
pub type NameId = i64;

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// The subject, where it is known.
    pub subject: Option<NameId>,
    /// The position there.
    pub position: i64,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    pub outcome: Outcome,
    /// Its OUTCOME record; position 0 without a subject where ROUTED already said it.
    pub place: At,
    pub at: Timestamp,
    pub answer: Option<NameId>,
    pub findings: Option<String>,
    pub actor: Option<String>,
    pub reason: Option<String>,
}

/// Where a delivery waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub place: At,
    /// Why and since when, once PARK itself was read.
    pub why: Option<(Parked, Timestamp)>,
}

/// What is known of one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivery {
    pub destination: Option<NameId>,
    pub known: u8,
    pub chained: Option<MessageUid>,
    /// Findings of the router or of OUT: why it was set aside or filtered.
    pub routed_findings: Option<String>,
    /// The router itself ended it as quarantined: it stands until an OUTCOME says otherwise.
    pub set_aside: bool,
    /// Partition and position in OUT.
    pub out: Option<(i64, i64)>,
    pub waiting: Option<Waiting>,
    pub ending: Option<Ending>,
    pub attempts: u32,
    pub possible_duplicate: bool,
}

/// What a ROUTED record says of a delivery.
pub struct Routed {
    pub destination: Option<NameId>,
    pub out: Option<(i64, i64)>,
    pub outcome: Option<Outcome>,
    pub at: Timestamp,
    pub chained: Option<MessageUid>,
    pub findings: Option<String>,
}

/// What a PARK record says of a delivery.
pub struct Parking {
    pub destination: NameId,
    pub out: (i64, i64),
    pub waiting: Waiting,
    pub attempts: u32,
    pub possible_duplicate: bool,
}

/// What an OUTCOME record says of a delivery.
pub struct Told {
    pub destination: NameId,
    pub out: (i64, i64),
    pub park: Option<i64>,
    pub attempts: u32,
    pub possible_duplicate: bool,
    /// None while it is parked.
    pub ending: Option<Ending>,
}

/// What an OUTCOME record changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Took {
    /// It says how the delivery ended.
    Ended,
    /// It was known already.
    Again,
    /// The delivery had ended before, or has not ended yet: worth a line in its story only.
    Noted,
}

impl Delivery {
    /// ROUTED told of it.
    pub fn routed(&mut self, routed: Routed) {
        if self.known & known::ROUTED != 0 {
            return;
        }
        self.known |= known::ROUTED;
        self.destination = self.destination.or(routed.destination);
        self.out = self.out.or(routed.out);
        self.chained = routed.chained;
        self.routed_findings = self.routed_findings.take().or(routed.findings);
        match routed.outcome {
            None => {}
            Some(Outcome::Quarantined) => self.set_aside = true,
            // The router's word is the first there is, whatever was read before.
            Some(outcome) => {
                let place = At { subject: None, position: 0 };
                self.ending = Some(Ending {
                    outcome,
                    place,
                    at: routed.at,
                    answer: None,
                    findings: None,
                    actor: None,
                    reason: None,
                });
            }
        }
    }

    /// OUT has it.
    pub fn out(&mut self, destination: NameId, place: (i64, i64), findings: Option<String>) {
        self.known |= known::OUT;
        self.destination = self.destination.or(Some(destination));
        self.out = self.out.or(Some(place));
        self.routed_findings = self.routed_findings.take().or(findings);
    }

    /// PARK has it; the latest place counts.
    pub fn parked(&mut self, parked: Parking) {
        self.known |= known::PARK;
        self.destination = self.destination.or(Some(parked.destination));
        self.out = self.out.or(Some(parked.out));
        self.attempts = self.attempts.max(parked.attempts);
        self.possible_duplicate |= parked.possible_duplicate;
        // What stands at this place already may be known to be held since.
        let newer =
            |before: Waiting| (before.place.position, before.why.is_some()) < (parked.waiting.place.position, true);
        if self.waiting.is_none_or(newer) {
            self.waiting = Some(parked.waiting);
        }
    }

    /// It came back from its place in PARK, was refused, and its lanes wait for a person. (Whether its destination may
    /// have it twice is told when it ends.)
    pub fn held(&mut self) {
        if let Some(Waiting { why: Some((why, _)), .. }) = &mut self.waiting {
            *why = Parked::Held;
        }
    }

    /// OUTCOME told of it.
    pub fn outcome(&mut self, told: Told) -> Took {
        self.known |= known::OUTCOME;
        self.destination = self.destination.or(Some(told.destination));
        self.out = self.out.or(Some(told.out));
        self.attempts = self.attempts.max(told.attempts);
        self.possible_duplicate |= told.possible_duplicate;
        if let Some(position) = told.park
            && self.waiting.is_none_or(|before| before.place.position < position)
        {
            self.waiting = Some(Waiting { place: At { subject: None, position }, why: None });
        }
        let Some(ending) = told.ending else { return Took::Noted };
        match &self.ending {
            Some(before) if ending.place.position == before.place.position => Took::Again,
            Some(before) if ending.place.position < before.place.position => Took::Noted,
            Some(before) if !before.outcome.may_become(ending.outcome) => Took::Noted,
            _ => {
                self.ending = Some(ending);
                Took::Ended
            }
        }
    }

    /// A person gave up what no destination has.
    pub fn given_up(&mut self, at: Timestamp, actor: &str, reason: &str) {
        self.ending.get_or_insert_with(|| Ending {
            outcome: Outcome::Discarded,
            place: At { subject: None, position: 0 },
            at,
            answer: None,
            findings: None,
            actor: Some(actor.to_owned()),
            reason: Some(reason.to_owned()),
        });
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        match (&self.ending, &self.waiting) {
            (Some(ending), _) => ending.outcome.into(),
            (None, _) if self.set_aside => State::Quarantined,
            (None, None) => State::InFlight,
            (None, Some(waiting)) => match waiting.why {
                Some((Parked::Held, _)) => State::Held,
                // Its outcome comes behind it, or is older than what the log still had.
                Some((Parked::Quarantined, _)) => State::Quarantined,
                _ => State::Parked,
            },
        }
    }
}
