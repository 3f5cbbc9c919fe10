//! What the reader of the log hands over: one record, with its place, without its payload.

use barid_model::record::{CommandRecord, OutRecord, OutcomeRecord, ParkEvent, RefusedRecord, RoutedRecord};
use barid_model::{Envelope, MessageUid};
use serde::{Deserialize, Serialize};

/// The detail of a command that gives a delivery up which stands nowhere but in ROUTED: the order itself is what ends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenUp {
    /// The message.
    pub uid: MessageUid,
    /// The route.
    pub route: String,
    /// The piece.
    pub part: u32,
    /// The run.
    pub run: u32,
}

/// One record of the log, with its place.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The subject it was read from.
    pub subject: &'a str,
    /// Its position there; positions start at 1.
    pub position: u64,
    /// What it says.
    pub entry: Entry<'a>,
}

/// What a record says.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    /// IN: a message was accepted.
    In {
        /// What is known of it.
        envelope: &'a Envelope,
        /// The size of its payload in bytes.
        bytes: u64,
    },
    /// OUT: a piece is ready for its destination. Need not be followed where ROUTED names the places in OUT.
    Out(&'a OutRecord),
    /// ROUTED: what became of a message.
    Routed(&'a RoutedRecord),
    /// OUTCOME: how a delivery ended, or that it waits.
    Outcome(&'a OutcomeRecord),
    /// PARK: a delivery waits. (That a parked one waits no more changes nothing: an outcome tells how it went on.)
    Park(&'a ParkEvent),
    /// REFUSED: a message was not accepted.
    Refused(&'a RefusedRecord),
    /// COMMAND: a person told the engine to do something.
    Command(&'a CommandRecord),
}
