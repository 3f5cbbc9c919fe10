//! The rows of deliveries: read, and written back once a batch.

use barid_model::{MessageUid, Timestamp};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use crate::codes::{outcome_of, parked, parked_code};
use crate::fold::{At, Delivery, Ending, Waiting};
use crate::gather::{Deliveries, Key, Origin};
use crate::sqlite::fault::Fault;
use crate::{State, key};

/// The columns of [`delivery`], after the key and the state.
macro_rules! columns {
    () => {
        "destination, known, set_aside, out_partition, out_position, park_subject, park_position,
    park_why, parked_at, outcome, outcome_subject, outcome_position, outcome_at, attempts, possible_duplicate, answer,
    findings, routed_findings, actor, reason, chained"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO delivery(uid, route, part, run, state, ",
    columns!(),
    ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
    ?24, ?25, ?26)"
);

const UPDATE: &str = concat!(
    "UPDATE delivery SET (state, ",
    columns!(),
    ") = (?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)
    WHERE uid = ?1 AND route = ?2 AND part = ?3 AND run = ?4"
);

const LOAD: &str =
    concat!("SELECT ", columns!(), " FROM delivery WHERE uid = ?1 AND route = ?2 AND part = ?3 AND run = ?4");

/// Writes the rows, and collects what the deliveries are to be found by.
pub(in crate::sqlite) fn write(
    tx: &Transaction<'_>,
    deliveries: Deliveries,
    keys: &mut Vec<(i64, MessageUid)>,
) -> Result<(), Fault> {
    let mut insert = tx.prepare_cached(INSERT)?;
    let mut update = tx.prepare_cached(UPDATE)?;
    for (key, slot) in &deliveries.into_slots() {
        store(if slot.stored { &mut update } else { &mut insert }, key, &slot.delivery)?;
        if !slot.stored {
            keys.push((key::delivery(slot.id), key.uid));
        }
    }
    Ok(())
}

fn store(statement: &mut rusqlite::Statement<'_>, key: &Key, d: &Delivery) -> Result<(), Fault> {
    let (waiting, ending) = (d.waiting.as_ref(), d.ending.as_ref());
    let why = waiting.and_then(|waiting| waiting.why);
    statement.execute(params![
        key.uid.as_bytes().as_slice(),
        key.route,
        key.part,
        key.run,
        d.state().code(),
        d.destination,
        d.known,
        d.set_aside,
        d.out.map(|out| out.0),
        d.out.map(|out| out.1),
        waiting.and_then(|waiting| waiting.place.subject),
        waiting.map(|waiting| waiting.place.position),
        why.map(|(why, _)| parked_code(why)),
        why.map(|(_, at)| at.micros()),
        ending.map(|ending| State::from(ending.outcome).code()),
        ending.and_then(|ending| ending.place.subject),
        ending.map(|ending| ending.place.position),
        ending.map(|ending| ending.at.micros()),
        d.attempts,
        d.possible_duplicate,
        ending.and_then(|ending| ending.answer),
        ending.and_then(|ending| ending.findings.as_deref()),
        d.routed_findings,
        ending.and_then(|ending| ending.actor.as_deref()),
        ending.and_then(|ending| ending.reason.as_deref()),
        d.chained.as_ref().map(|uid| uid.as_bytes().as_slice()),
    ])?;
    Ok(())
}

/// The delivery that waits at a place in PARK.
pub(in crate::sqlite) fn at_place(tx: &Transaction<'_>, place: Origin) -> Result<Option<Key>, Fault> {
    let mut statement =
        tx.prepare_cached("SELECT uid, route, part, run FROM delivery WHERE park_subject = ?1 AND park_position = ?2")?;
    let key = |row: &Row<'_>| {
        let uid = MessageUid::from_bytes(row.get(0)?);
        Ok(Key { uid, route: row.get(1)?, part: row.get(2)?, run: row.get(3)? })
    };
    Ok(statement.query_row((place.subject, place.position), key).optional()?)
}

/// What is stored of a delivery.
pub(in crate::sqlite) fn load(tx: &Transaction<'_>, key: Key) -> Result<Option<Delivery>, Fault> {
    let mut statement = tx.prepare_cached(LOAD)?;
    Ok(statement
        .query_row(params![key.uid.as_bytes().as_slice(), key.route, key.part, key.run], delivery)
        .optional()?)
}

/// A row of [`columns`].
fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let out: Option<i64> = row.get(3)?;
    let park: Option<i64> = row.get(6)?;
    let why = row.get::<_, Option<i64>>(7)?.and_then(parked);
    let since = row.get::<_, Option<i64>>(8)?.unwrap_or(0);
    let outcome = row.get::<_, Option<i64>>(9)?.and_then(outcome_of);
    let place = At { subject: row.get(10)?, position: row.get::<_, Option<i64>>(11)?.unwrap_or(0) };
    let at = Timestamp::from_micros(row.get::<_, Option<i64>>(12)?.unwrap_or(0));
    let (answer, findings, actor, reason) = (row.get(15)?, row.get(16)?, row.get(18)?, row.get(19)?);
    let park_subject = row.get(5)?;
    let out_position: Option<i64> = row.get(4)?;
    Ok(Delivery {
        destination: row.get(0)?,
        known: row.get(1)?,
        set_aside: row.get(2)?,
        out: out.zip(out_position),
        waiting: park.map(|position| Waiting {
            place: At { subject: park_subject, position },
            why: why.map(|why| (why, Timestamp::from_micros(since))),
        }),
        ending: outcome.map(|outcome| Ending { outcome, place, at, answer, findings, actor, reason }),
        attempts: row.get(13)?,
        possible_duplicate: row.get(14)?,
        routed_findings: row.get(17)?,
        chained: row.get::<_, Option<[u8; 16]>>(20)?.map(MessageUid::from_bytes),
    })
}
