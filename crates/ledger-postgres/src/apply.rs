//! A batch of changes into the tables, in one transaction.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeSet, HashMap};

use barid_ledger::store::{Gathered, Origin, place, whole};
use barid_ledger::{Applied, Change, Entry};
use barid_model::MessageUid;
use barid_model::record::ParkEvent;

use crate::fault::Fault;
use crate::partitions::day;
use crate::row::Columns as _;
use crate::session::Session;
use crate::write::{self, Stored};
use crate::writer::Writing;

/// The message a change is about.
fn uid(entry: &Entry<'_>) -> Option<MessageUid> {
    match entry {
        Entry::In { envelope, .. } => Some(envelope.uid),
        Entry::Out(record) => Some(record.uid),
        Entry::Routed(record) => Some(record.uid),
        Entry::Outcome(record) => Some(record.uid),
        Entry::Park(ParkEvent::Parked(record)) => Some(record.delivery.uid),
        Entry::Park(_) | Entry::Refused(_) => None,
        Entry::Command(record) => write::given_up(record),
    }
}

/// The days of a batch's messages.
pub(crate) fn days(batch: &[Change<'_>]) -> BTreeSet<i64> {
    batch.iter().filter_map(|change| uid(&change.entry)).map(|uid| day(uid.as_bytes())).collect()
}

/// Applies a batch and the reader's positions.
pub(crate) fn apply(
    writing: &mut Writing<'_>,
    batch: &[Change<'_>],
    positions: &[(&str, u64)],
) -> Result<Applied, Fault> {
    let mut applied = Applied::default();
    let session = writing.session;
    let mut known: HashMap<&str, (i64, i64)> = HashMap::new();
    let stored_positions = stored(session)?;
    let mut taken = Vec::with_capacity(batch.len());
    for change in batch {
        let (subject, stored) = match known.entry(change.subject) {
            Slot::Occupied(slot) => *slot.get(),
            Slot::Vacant(slot) => {
                let id = writing.names.text(session, change.subject)?;
                *slot.insert((id, stored_positions.get(&id).copied().unwrap_or(0)))
            }
        };
        let position = place(change.position)?;
        if position <= stored {
            applied.skipped += 1;
            continue;
        }
        applied.taken += 1;
        taken.push((Origin { subject, position }, &change.entry));
    }
    fold(writing, &taken)?;
    for (text, position) in positions {
        let id = writing.names.text(session, text)?;
        session.execute(
            "INSERT INTO position AS p (subject, position) VALUES ($1, $2)
             ON CONFLICT (subject) DO UPDATE SET position = greatest(p.position, excluded.position)",
            &[&id, &whole(*position)?],
        )?;
    }
    Ok(applied)
}

fn stored(session: &Session) -> Result<HashMap<i64, i64>, Fault> {
    let rows = session.query("SELECT subject, position FROM position", &[])?;
    rows.iter().map(|row| Ok((row.at(0)?, row.at(1)?))).collect()
}

fn fold(writing: &mut Writing<'_>, taken: &[(Origin, &Entry<'_>)]) -> Result<(), Fault> {
    let session = writing.session;
    let mut touched: BTreeSet<MessageUid> = BTreeSet::new();
    let mut places = Vec::new();
    for (origin, entry) in taken {
        match entry {
            Entry::Park(ParkEvent::Held { position, .. }) => {
                places.push(Origin { position: whole(*position)?, ..*origin });
            }
            Entry::In { .. } => {}
            other => touched.extend(uid(other)),
        }
    }
    let places = write::at_places(session, &places)?;
    touched.extend(places.values().map(|key| key.uid));
    let uids: Vec<&[u8]> = touched.iter().map(|uid| uid.as_bytes().as_slice()).collect();
    let loaded = write::take_deliveries(session, &uids)?;
    let mut stored = Stored { session, names: writing.names, loaded, places };
    let mut gathered = Gathered::default();
    for (origin, entry) in taken {
        gathered.take(&mut stored, *origin, entry)?;
    }
    put(stored, gathered)
}

fn put(mut stored: Stored<'_>, gathered: Gathered<'_>) -> Result<(), Fault> {
    let session = stored.session;
    let mut keys = Vec::new();
    let mut notes = gathered.notes;
    let mut messages: Vec<_> = gathered.messages.into_iter().collect();
    messages.sort_unstable_by_key(|(uid, _)| *uid);
    write::messages(&mut stored, &messages, &mut keys, &mut notes)?;
    let slots = gathered.deliveries.into_slots();
    keys.extend(slots.iter().filter(|(_, slot)| !slot.stored).map(|(key, slot)| {
        let hash = barid_ledger::store::keys::delivery(slot.id);
        (hash, key.uid)
    }));
    // What was taken out beside what the batch tells of goes back as it was.
    let beside = std::mem::take(&mut stored.loaded);
    let rows = slots.into_iter().map(|(key, slot)| (key, slot.delivery)).chain(beside).collect();
    write::put_deliveries(session, rows)?;
    write::steps(session, &notes)?;
    write::keys(session, &keys)?;
    write::refused(&mut stored, &gathered.refused)?;
    write::commands(session, &gathered.commands)?;
    for (facility, last) in gathered.seen {
        session.execute(
            "INSERT INTO facility AS f (name, last) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET last = greatest(f.last, excluded.last)",
            &[&facility, &last],
        )?;
    }
    Ok(())
}
