//! Who sent how much since the start, and when last: what the status shows of senders and channels.
//!
//! Counted when a message is durable or refused. The ledger knows the same of longer times, but later.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use barid_model::{Envelope, Name, Timestamp};
use barid_volatile::Resends;
use parking_lot::Mutex;

/// Facilities counted: far more than a country has; undeclared senders beyond are not counted one by one.
const FACILITIES_MAX: usize = 10_000;

/// What one facility sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    /// Messages accepted.
    pub accepted: u64,
    /// Messages refused for their content.
    pub refused: u64,
    /// Resends that were recognised.
    pub resent: u64,
    /// When the last accepted one was received.
    pub last: Option<Timestamp>,
    /// Whether a declared identity matched.
    pub verified: bool,
}

#[derive(Default)]
struct Counts {
    facilities: HashMap<Arc<str>, Sent>,
    channels: HashMap<Name, u64>,
}

/// Counts since the start.
#[derive(Default)]
pub struct Traffic(Mutex<Counts>, OnceLock<Resends>);

impl Traffic {
    /// A message is durable.
    pub fn accepted(&self, envelope: &Envelope) {
        // A sender that is told of a rejection sends again on purpose.
        if let Some(resends) = self.1.get().filter(|_| !envelope.control_id.is_empty() && envelope.waits.is_none()) {
            resends.note(&envelope.facility.name, &envelope.control_id, envelope.digest.as_bytes());
        }
        let mut counts = self.0.lock();
        if let Some(channel) = &envelope.channel {
            match counts.channels.get_mut(channel) {
                Some(count) => *count += 1,
                None => drop(counts.channels.insert(channel.clone(), 1)),
            }
        }
        if let Some(sent) = counts.facility(&envelope.facility.name) {
            sent.accepted += 1;
            sent.last = sent.last.max(Some(envelope.received));
            sent.verified = envelope.facility.verified;
        }
    }

    /// A message was refused.
    pub fn refused(&self, facility: Option<&Arc<str>>) {
        let Some(facility) = facility else { return };
        if let Some(sent) = self.0.lock().facility(facility) {
            sent.refused += 1;
        }
    }

    /// A resend was recognised.
    pub fn resent(&self, facility: &Arc<str>) {
        if let Some(sent) = self.0.lock().facility(facility) {
            sent.resent += 1;
        }
    }

    /// Tells others of what is durable from now on; once.
    pub fn tell(&self, resends: Resends) {
        drop(self.1.set(resends));
    }

    /// By channel.
    #[must_use]
    pub fn channels(&self) -> HashMap<Name, u64> {
        self.0.lock().channels.clone()
    }

    /// By facility.
    #[must_use]
    pub fn facilities(&self) -> HashMap<Arc<str>, Sent> {
        self.0.lock().facilities.clone()
    }

    /// Messages of a channel.
    #[must_use]
    pub fn channel(&self, name: &Name) -> u64 {
        self.0.lock().channels.get(name).copied().unwrap_or(0)
    }
}

impl Counts {
    fn facility(&mut self, name: &Arc<str>) -> Option<&mut Sent> {
        if !self.facilities.contains_key(name) {
            if self.facilities.len() >= FACILITIES_MAX {
                return None;
            }
            self.facilities.insert(Arc::clone(name), Sent::default());
        }
        self.facilities.get_mut(name)
    }
}
