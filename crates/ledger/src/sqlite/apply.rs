//! A batch of changes into the tables: gathered by message and delivery first, then written in the order of uids.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use barid_model::Name;
use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::fault::Fault;
use super::keys::Tail;
use super::names::Names;
use super::write::{aside, delivery, message, steps};
use crate::fold::{Delivery, NameId};
use crate::gather::{Gathered, Key, Origin, Rows, place, whole};
use crate::{Applied, Change};

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
        gathered.take(&mut Stored { tx, names }, Origin { subject, position }, &change.entry)?;
    }
    write(gathered, tx, names, tail)?;
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

/// What the file says while a batch is gathered.
struct Stored<'a, 'c> {
    tx: &'a Transaction<'c>,
    names: &'a mut Names,
}

impl Rows for Stored<'_, '_> {
    type Fault = Fault;

    fn text(&mut self, text: &str) -> Result<NameId, Fault> {
        self.names.text(self.tx, text)
    }

    fn name(&mut self, name: &Name) -> Result<NameId, Fault> {
        self.names.name(self.tx, name)
    }

    fn load(&mut self, key: Key) -> Result<Option<Delivery>, Fault> {
        delivery::load(self.tx, key)
    }

    fn at_place(&mut self, place: Origin) -> Result<Option<Key>, Fault> {
        delivery::at_place(self.tx, place)
    }
}

fn write(gathered: Gathered<'_>, tx: &Transaction<'_>, names: &mut Names, tail: &mut Tail) -> Result<(), Fault> {
    let mut keys = Vec::new();
    let mut notes = gathered.notes;
    let mut messages: Vec<_> = gathered.messages.into_iter().collect();
    messages.sort_unstable_by_key(|(uid, _)| *uid);
    message::write(tx, names, &messages, &mut keys, &mut notes)?;
    delivery::write(tx, gathered.deliveries, &mut keys)?;
    steps::write(tx, &notes)?;
    tail.append(tx, &keys)?;
    aside::refused(tx, names, &gathered.refused)?;
    aside::commands(tx, &gathered.commands)?;
    for (facility, last) in gathered.seen {
        tx.prepare_cached(
            "INSERT INTO facility(name, last) VALUES(?1, ?2)
             ON CONFLICT DO UPDATE SET last = max(last, excluded.last)",
        )?
        .execute((facility, last))?;
    }
    Ok(())
}

fn subject(tx: &Transaction<'_>, names: &mut Names, text: &str) -> Result<(NameId, i64), Fault> {
    let id = names.text(tx, text)?;
    let stored: Option<i64> = tx
        .prepare_cached("SELECT position FROM position WHERE subject = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok((id, stored.unwrap_or(0)))
}

/// How far each subject was applied.
pub(super) fn positions(conn: &Connection) -> Result<Vec<(String, u64)>, Fault> {
    let mut statement = conn
        .prepare_cached("SELECT text, position FROM position JOIN name ON name.id = position.subject ORDER BY text")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
