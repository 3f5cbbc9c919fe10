//! A batch of changes, gathered by message and delivery before anything is written: the same for every database.
//!
//! Most messages come through a batch whole (IN, ROUTED, OUTCOME within milliseconds), and then their rows are written
//! once instead of three times. A database says through [`Rows`] which numbers names have and what it knows already.
#![allow(missing_docs, reason = "fields are what the record they come from says")]

mod delivery;

use std::collections::HashMap;

use barid_model::record::{CommandRecord, ParkEvent, RefusedRecord, RoutedRecord};
use barid_model::{Cause, Disposition, Envelope, MessageUid, Name};

use crate::fold::{Delivery, NameId};
use crate::{Entry, key};
pub use delivery::{Deliveries, Key, Note, STEP_ACCEPTED_AGAIN, STEP_OUTCOME, STEP_PARKED, Slot};

/// A change that no database can keep.
#[derive(Debug)]
pub struct Invalid(pub String);

/// What a database says while a batch is gathered.
pub trait Rows {
    /// What goes wrong in it.
    type Fault: From<Invalid>;

    /// The number of a text, given to it now where it has none.
    ///
    /// # Errors
    /// Of the database.
    fn text(&mut self, text: &str) -> Result<NameId, Self::Fault>;

    /// As [`Rows::text`], of a document's name.
    ///
    /// # Errors
    /// Of the database.
    fn name(&mut self, name: &Name) -> Result<NameId, Self::Fault>;

    /// What is stored of a delivery.
    ///
    /// # Errors
    /// Of the database.
    fn load(&mut self, key: Key) -> Result<Option<Delivery>, Self::Fault>;

    /// The delivery that waits at a place in PARK.
    ///
    /// # Errors
    /// Of the database.
    fn at_place(&mut self, place: Origin) -> Result<Option<Key>, Self::Fault>;
}

/// A message's IN record and its place.
pub struct In<'a> {
    pub envelope: &'a Envelope,
    pub bytes: u64,
    pub subject: NameId,
    pub position: i64,
}

/// What a batch says of a message.
#[derive(Default)]
pub struct Said<'a> {
    pub accepted: Option<In<'a>>,
    pub routed: Option<&'a RoutedRecord>,
}

/// Where in the log a change is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    pub subject: NameId,
    pub position: i64,
}

/// Everything a batch says, by what it is about.
#[derive(Default)]
pub struct Gathered<'a> {
    pub messages: HashMap<MessageUid, Said<'a>>,
    pub deliveries: Deliveries,
    pub notes: Vec<Note>,
    pub refused: Vec<(Origin, &'a RefusedRecord)>,
    pub commands: Vec<(Origin, &'a CommandRecord)>,
    pub seen: HashMap<NameId, i64>,
}

impl<'a> Gathered<'a> {
    /// Takes one change in.
    ///
    /// # Errors
    /// Of the rows.
    pub fn take<R: Rows>(&mut self, rows: &mut R, origin: Origin, entry: &Entry<'a>) -> Result<(), R::Fault> {
        match *entry {
            Entry::In { envelope, bytes } => self.accepted(rows, origin, envelope, bytes)?,
            Entry::Routed(record) => {
                let said = self.messages.entry(record.uid).or_default();
                said.routed = Some(later(said.routed, record));
                self.deliveries.routed(rows, record)?;
            }
            Entry::Out(record) => self.deliveries.out(rows, origin, record)?,
            Entry::Outcome(record) => self.notes.extend(self.deliveries.outcome(rows, origin, record)?),
            Entry::Park(ParkEvent::Parked(record)) => {
                self.notes.push(self.deliveries.parked(rows, origin, record)?);
            }
            Entry::Park(ParkEvent::Held { position, .. }) => {
                self.deliveries.held(rows, Origin { position: whole(*position)?, ..origin })?;
            }
            Entry::Park(ParkEvent::Ended(_) | ParkEvent::Released(_)) => {}
            Entry::Refused(record) => self.refused.push((origin, record)),
            Entry::Command(record) => {
                self.deliveries.given_up(rows, record)?;
                self.commands.push((origin, record));
            }
        }
        Ok(())
    }

    fn accepted<R: Rows>(
        &mut self,
        rows: &mut R,
        origin: Origin,
        envelope: &'a Envelope,
        bytes: u64,
    ) -> Result<(), R::Fault> {
        if envelope.cause == Cause::Received {
            let facility = rows.text(&envelope.facility.name)?;
            let last = self.seen.entry(facility).or_insert(i64::MIN);
            *last = (*last).max(envelope.received.micros());
        }
        let said = self.messages.entry(envelope.uid).or_default();
        let new = In { envelope, bytes, subject: origin.subject, position: origin.position };
        match &said.accepted {
            None => said.accepted = Some(new),
            Some(first) if (first.subject, first.position) == (new.subject, new.position) => {}
            Some(_) => self.notes.push(Note::accepted_again(envelope, origin)),
        }
        Ok(())
    }
}

/// Of two ROUTED records the one that counts: the first, but a message that was set aside may be routed after all.
fn later<'a>(first: Option<&'a RoutedRecord>, second: &'a RoutedRecord) -> &'a RoutedRecord {
    match first {
        Some(first) if first.disposition != Disposition::Quarantined || second.disposition != Disposition::Routed => {
            first
        }
        _ => second,
    }
}

/// What a message can be found by, from its IN record.
pub fn found_by(envelope: &Envelope, keys: &mut Vec<(i64, MessageUid)>) {
    if !envelope.control_id.is_empty() {
        keys.push((key::control_id(&envelope.control_id), envelope.uid));
    }
    keys.extend(envelope.keys.iter().map(|key| (key::search(&key.name, &key.value), envelope.uid)));
    keys.extend(envelope.parents.iter().map(|parent| (key::parent(*parent), envelope.uid)));
}

/// What it can be found by, from its ROUTED record.
pub fn routed_keys(routed: &RoutedRecord, keys: &mut Vec<(i64, MessageUid)>) {
    keys.extend(routed.duplicate_of.map(|first| (key::duplicate_of(first), routed.uid)));
}

/// A record's position as a database stores it; 0 is before the first record.
///
/// # Errors
/// Where it is 0 or too large.
pub fn place(position: u64) -> Result<i64, Invalid> {
    match whole(position)? {
        0 => Err(Invalid("a change has position 0: positions start at 1".to_owned())),
        position => Ok(position),
    }
}

/// An unsigned number as a database stores it.
///
/// # Errors
/// Where it is too large.
pub fn whole(number: u64) -> Result<i64, Invalid> {
    i64::try_from(number).map_err(|_| Invalid(format!("the number {number} is too large for a ledger")))
}
