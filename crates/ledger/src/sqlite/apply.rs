//! A batch of changes into the tables: gathered by message and delivery first, then written in the order of uids.
//!
//! Most messages come through a batch whole (IN, ROUTED, OUTCOME within milliseconds), and then their rows are written
//! once instead of three times.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use barid_model::record::{CommandRecord, ParkEvent, RefusedRecord, RoutedRecord};
use barid_model::{Cause, Envelope, MessageUid};
use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::fault::Fault;
use super::keys::Tail;
use super::names::Names;
use super::write::delivery::{Deliveries, Note};
use super::write::{aside, message, steps};
use crate::fold::NameId;
use crate::{Applied, Change, Entry};

/// A message's IN record and its place.
pub(super) struct In<'a> {
    pub(super) envelope: &'a Envelope,
    pub(super) bytes: u64,
    pub(super) subject: NameId,
    pub(super) position: i64,
}

/// What a batch says of a message.
#[derive(Default)]
pub(super) struct Said<'a> {
    pub(super) accepted: Option<In<'a>>,
    pub(super) routed: Option<&'a RoutedRecord>,
}

/// Where in the log a change is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) subject: NameId,
    pub(super) position: i64,
}

#[derive(Default)]
struct Gathered<'a> {
    messages: HashMap<MessageUid, Said<'a>>,
    deliveries: Deliveries,
    notes: Vec<Note>,
    refused: Vec<(Origin, &'a RefusedRecord)>,
    commands: Vec<(Origin, &'a CommandRecord)>,
    seen: HashMap<NameId, i64>,
}

/// Applies a batch and the reader's positions.
pub(super) fn apply(
    tx: &Transaction<'_>,
    names: &mut Names,
    tail: &mut Tail,
    batch: &[Change<'_>],
    positions: &[(&str, u64)],
) -> Result<Applied, Fault> {
    let mut applied = Applied::default();
    let mut gathered = Gathered::default();
    let mut known: HashMap<&str, (NameId, i64)> = HashMap::new();
    for change in batch {
        let (subject, stored) = match known.entry(change.subject) {
            Slot::Occupied(slot) => *slot.get(),
            Slot::Vacant(slot) => *slot.insert(subject(tx, names, change.subject)?),
        };
        let position = place(change.position)?;
        if position <= stored {
            applied.skipped += 1;
            continue;
        }
        applied.taken += 1;
        gathered.take(tx, names, Origin { subject, position }, &change.entry)?;
    }
    gathered.write(tx, names, tail)?;
    for (text, position) in positions {
        let id = names.text(tx, text)?;
        tx.prepare_cached(
            "INSERT INTO position(subject, position) VALUES(?1, ?2)
             ON CONFLICT DO UPDATE SET position = max(position, excluded.position)",
        )?
        .execute((id, whole(*position)?))?;
    }
    Ok(applied)
}

impl<'a> Gathered<'a> {
    fn take(
        &mut self,
        tx: &Transaction<'_>,
        names: &mut Names,
        origin: Origin,
        entry: &Entry<'a>,
    ) -> Result<(), Fault> {
        match *entry {
            Entry::In { envelope, bytes } => self.accepted(tx, names, origin, envelope, bytes)?,
            Entry::Routed(record) => {
                let said = self.messages.entry(record.uid).or_default();
                said.routed = Some(message::later(said.routed, record));
                self.deliveries.routed(tx, names, record)?;
            }
            Entry::Out(record) => self.deliveries.out(tx, names, origin, record)?,
            Entry::Outcome(record) => self.notes.extend(self.deliveries.outcome(tx, names, origin, record)?),
            Entry::Park(ParkEvent::Parked(record)) => {
                self.notes.push(self.deliveries.parked(tx, names, origin, record)?);
            }
            Entry::Park(ParkEvent::Held { position, .. }) => {
                self.deliveries.held(tx, Origin { position: whole(*position)?, ..origin })?;
            }
            Entry::Park(ParkEvent::Ended(_) | ParkEvent::Released(_)) => {}
            Entry::Refused(record) => self.refused.push((origin, record)),
            Entry::Command(record) => {
                self.deliveries.given_up(tx, names, record)?;
                self.commands.push((origin, record));
            }
        }
        Ok(())
    }

    fn accepted(
        &mut self,
        tx: &Transaction<'_>,
        names: &mut Names,
        origin: Origin,
        envelope: &'a Envelope,
        bytes: u64,
    ) -> Result<(), Fault> {
        if envelope.cause == Cause::Received {
            let facility = names.text(tx, &envelope.facility.name)?;
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

    fn write(self, tx: &Transaction<'_>, names: &mut Names, tail: &mut Tail) -> Result<(), Fault> {
        let mut keys = Vec::new();
        let mut notes = self.notes;
        let mut messages: Vec<_> = self.messages.into_iter().collect();
        messages.sort_unstable_by_key(|(uid, _)| *uid);
        message::write(tx, names, &messages, &mut keys, &mut notes)?;
        self.deliveries.write(tx, &mut keys)?;
        steps::write(tx, &notes)?;
        tail.append(tx, &keys)?;
        aside::refused(tx, names, &self.refused)?;
        aside::commands(tx, &self.commands)?;
        for (facility, last) in self.seen {
            tx.prepare_cached(
                "INSERT INTO facility(name, last) VALUES(?1, ?2)
                 ON CONFLICT DO UPDATE SET last = max(last, excluded.last)",
            )?
            .execute((facility, last))?;
        }
        Ok(())
    }
}

fn subject(tx: &Transaction<'_>, names: &mut Names, text: &str) -> Result<(NameId, i64), Fault> {
    let id = names.text(tx, text)?;
    let stored: Option<i64> = tx
        .prepare_cached("SELECT position FROM position WHERE subject = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok((id, stored.unwrap_or(0)))
}

/// A record's position as SQLite stores it; 0 is before the first record.
fn place(position: u64) -> Result<i64, Fault> {
    match whole(position)? {
        0 => Err(Fault::invalid("a change has position 0: positions start at 1")),
        position => Ok(position),
    }
}

/// An unsigned number as SQLite stores it.
pub(super) fn whole(number: u64) -> Result<i64, Fault> {
    i64::try_from(number).map_err(|_| Fault::invalid(format!("the number {number} is too large for a ledger")))
}

/// How far each subject was applied.
pub(super) fn positions(conn: &Connection) -> Result<Vec<(String, u64)>, Fault> {
    let mut statement = conn
        .prepare_cached("SELECT text, position FROM position JOIN name ON name.id = position.subject ORDER BY text")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
