//! Judges what both ends of an exchange saw: was anything acknowledged lost, reordered, doubled or altered?
//!
//! Knows nothing of how the exchange works. The test says what it sent and which acknowledgement it got, each
//! destination what arrived, the ledger which messages it set aside or marks as possible duplicates; the rules are the
//! guarantees as the README states them:
//! * a message that was acknowledged arrives at each destination it was meant for, unless the ledger accounts for it;
//! * in a lane, a message that was acknowledged before another was sent arrives first, and so does what was sent first
//!   on the same connection (first arrivals count; repeats come after);
//! * nothing arrives twice unless the repeat is marked;
//! * nothing arrives that nobody sent, and bytes arrive as they were expected.

mod judge;
#[cfg(test)]
mod recorded;
mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use barid_model::Digest;

pub use judge::{Violation, ViolationKind};
pub use report::Report;

/// A message as both ends name it: the facility, since control ids are unique within one only, and MSH-10.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The sending facility.
    pub facility: String,
    /// The control id.
    pub control_id: String,
}

impl Key {
    /// A facility's message.
    #[must_use]
    pub fn new(facility: impl Into<String>, control_id: impl Into<String>) -> Self {
        Self { facility: facility.into(), control_id: control_id.into() }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.facility, self.control_id)
    }
}

/// A message that was sent, acknowledged or not.
#[derive(Debug, Clone)]
pub struct SentMessage {
    /// Which.
    pub key: Key,
    /// The lanes it has to stay in order in; names only have to differ.
    pub lanes: Vec<String>,
    /// The connection or client it went out on: within one, the order of `sequence` must hold.
    pub connection: u64,
    /// Its place in the order of sending on its connection.
    pub sequence: u64,
    /// When it was first sent, in any unit that is the same for all.
    pub sent: u64,
    /// When its positive acknowledgement came; none: never, so it may be there or not.
    pub acknowledged: Option<u64>,
    /// The destinations it was meant for.
    pub destinations: Vec<String>,
    /// SHA-256 it has to arrive with; none where a mapping changes it.
    pub expected: Option<Digest>,
}

/// A message that arrived at a destination.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Which.
    pub key: Key,
    /// SHA-256 of what arrived.
    pub digest: Digest,
    /// Whether it was marked as a possible duplicate where it arrived.
    pub is_marked: bool,
}

/// What both ends saw.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// What was sent.
    pub sent: Vec<SentMessage>,
    /// What arrived, by destination, in the order of arrival.
    pub arrived: BTreeMap<String, Vec<Arrival>>,
    /// Deliveries that the ledger marks as possible duplicates.
    pub marked: BTreeSet<(String, Key)>,
    /// Deliveries that the ledger accounts for without an arrival: filtered, quarantined, discarded, in flight.
    pub accounted: BTreeSet<(String, Key)>,
}

impl History {
    /// Records a message as the sender of this crate saw it end; none of its bytes are expected in particular.
    pub fn sent(&mut self, done: &crate::sender::Done, facility: &str, lanes: Vec<String>, destinations: &[&str]) {
        let micros = |at: std::time::Duration| u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        self.sent.push(SentMessage {
            key: Key::new(facility, String::from_utf8_lossy(&done.control_id)),
            lanes,
            connection: done.connection as u64,
            sequence: done.sequence,
            sent: micros(done.sent),
            acknowledged: done.answered.filter(|_| done.is_accepted).map(micros),
            destinations: destinations.iter().map(|&name| name.to_owned()).collect(),
            expected: None,
        });
    }

    /// Records an arrival as a receiver of this crate saw it.
    pub fn arrived(&mut self, destination: &str, received: &crate::receiver::Received) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let arrival = Arrival {
            key: Key::new(text(&received.facility), text(&received.control_id)),
            digest: received.digest,
            is_marked: received.is_possible_duplicate,
        };
        self.arrived.entry(destination.to_owned()).or_default().push(arrival);
    }

    /// Everything that breaks a rule.
    #[must_use]
    pub fn judge(&self) -> Report {
        judge::judge(self)
    }
}
