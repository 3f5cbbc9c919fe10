//! The balance (G4): what was accepted equals what became of it.

use barid_model::Timestamp;
use serde::{Deserialize, Serialize};

/// Asks for the balance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AuditRequest {
    /// Reads every record of the log again, instead of trusting what the ledger folded.
    pub deep: bool,
}

/// The balance, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// When it was taken.
    #[serde(with = "crate::time")]
    pub at: Timestamp,
    /// Whether everything adds up and nothing differs.
    pub holds: bool,
    /// Per message.
    pub messages: MessageBalance,
    /// Per delivery.
    pub deliveries: DeliveryBalance,
    /// Messages refused, as far back as they are kept.
    pub refused: u64,
    /// Records the ledger has not read yet; the balance is of what it has.
    pub behind: u64,
    /// What does not add up; at most 1,000.
    pub differences: Vec<Difference>,
}

/// accepted = routed + duplicate + quarantined + waiting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageBalance {
    /// Accepted.
    pub accepted: u64,
    /// Routed.
    pub routed: u64,
    /// Resends of a message accepted before.
    pub duplicate: u64,
    /// Set aside before routing, whatever a person decided since.
    pub quarantined: u64,
    /// Of these, those that wait for a person: nobody has decided on them.
    #[serde(default)]
    pub set_aside: u64,
    /// Not yet routed.
    pub waiting: u64,
}

/// routed = the outcomes + in flight.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryBalance {
    /// Deliveries that were routed.
    pub routed: u64,
    /// Delivered.
    pub delivered: u64,
    /// Filtered.
    pub filtered: u64,
    /// Rejected, custody given back.
    pub rejected: u64,
    /// Expired.
    pub expired: u64,
    /// Merged.
    pub merged: u64,
    /// Quarantined, run again since or not.
    pub quarantined: u64,
    /// Of these, those that wait for a person: they were not run again.
    #[serde(default)]
    pub set_aside: u64,
    /// Discarded.
    pub discarded: u64,
    /// In flight, held included.
    pub in_flight: u64,
    /// Parked, part of those in flight; held ones included.
    #[serde(default)]
    pub parked: u64,
    /// Held, part of those parked.
    pub held: u64,
    /// Delivered ones that the destination may have twice.
    pub possible_duplicates: u64,
}

/// One thing that does not add up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Which message, delivery or place of the log.
    pub id: String,
    /// What is wrong.
    pub what: String,
}
