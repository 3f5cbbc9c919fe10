//! The parse stage: what is this message, who sent it, which channel takes it, and is it acceptable?
//!
//! [`Parse`] is a pure function of the bytes, the peer and a [`ParseTable`] that the compiler of documents built; it
//! reads no clock, keeps nothing and waits for nothing, so that the same message gives the same [`Verdict`] on every
//! replica and in every rerun. Everything a sender is told and everything later stages know (channel, revision, lanes,
//! search keys) is decided here, once.
//!
//! Left to others: framing and sockets, custody, the duplicate judge, and the text of an acknowledgement.

mod address;
mod channel;
mod choose;
mod conform;
mod facility;
mod finding;
mod identity;
mod intern;
mod keys;
mod listener;
mod parse;
mod patient;
mod peer;
mod recognise;
mod sender;
mod table;
mod verdict;

#[cfg(test)]
mod tests;

pub use address::{Network, NetworkError};
pub use channel::{
    AckAfter, AckRules, ChannelRules, ChannelState, CheckRules, IndexRule, OnInvalid, OrderRule, PATIENT_IDENTIFIERS,
    PatientRule,
};
pub use facility::FacilityRules;
pub use finding::{from_hl7, to_hl7};
pub use identity::{CertificateMatch, Identity, MshMatch, Proof};
pub use listener::{ListenerRules, OnStranger};
pub use parse::{Known, Parse, ParseInput};
pub use peer::{CertificateFacts, Peer};
pub use table::ParseTable;
pub use verdict::{Accepted, Refusal, Rejected, Unanswered, Verdict};
