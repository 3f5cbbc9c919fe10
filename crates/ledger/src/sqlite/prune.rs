//! Retention: rows that are past it go, in steps of bounded size; payloads past theirs only get a date.

use barid_model::{MessageUid, Timestamp};
use rusqlite::{Transaction, params};

use super::fault::Fault;
use super::names::Names;
use super::read::time;
use super::read::waiting::{KEEPS_DECIDED, decision};
use super::{keys, schema};
use crate::fold::NameId;
use crate::{Cursor, Pruned, Retention};

/// Refusals, commands and key segments removed a call.
const ASIDE_MAX: usize = 10_000;
/// Key segments removed a call: each has 65,536 keys.
const SEGMENTS_MAX: usize = 2;

/// Looks at the next `rows` messages, oldest first, and removes those past their retention.
pub(super) fn prune(
    tx: &Transaction<'_>,
    names: &mut Names,
    retention: &Retention,
    after: Option<&Cursor>,
    rows: usize,
) -> Result<Pruned, Fault> {
    let channels = channels(tx, names, retention)?;
    let before = |channel: Option<NameId>| {
        channels.iter().find(|(id, _)| Some(*id) == channel).map_or(retention.before, |(_, time)| *time)
    };
    let start = after.map_or(Ok(vec![]), |cursor| time::read_uid(cursor).map(|uid| uid.as_bytes().to_vec()))?;
    let end = time::floor(retention.latest());
    let mut pruned = Pruned::default();
    let mut looked = 0;
    let mut last = None;
    let found: Vec<(MessageUid, Option<NameId>)> = tx
        .prepare_cached("SELECT uid, channel FROM message WHERE uid > ?1 AND uid < ?2 ORDER BY uid LIMIT ?3")?
        .query_map(params![start, end.as_slice(), rows.max(1)], |row| {
            Ok((MessageUid::from_bytes(row.get(0)?), row.get(1)?))
        })?
        .collect::<Result<_, _>>()?;
    for (uid, channel) in found {
        (looked, last) = (looked + 1, Some(uid));
        if time::of(uid) >= before(channel) {
            continue;
        }
        if is_open(tx, uid)? {
            pruned.kept += 1;
            continue;
        }
        remove(tx, uid, &mut pruned)?;
    }
    if looked >= rows.max(1) {
        pruned.next = last.map(|uid| Cursor(uid.to_string()));
    }
    if pruned.messages > 0 {
        schema::raise(tx, schema::INCOMPLETE_BEFORE, retention.latest())?;
    }
    if after.is_none() {
        aside(tx, retention)?;
    }
    Ok(pruned)
}

fn channels(tx: &Transaction<'_>, names: &mut Names, retention: &Retention) -> Result<Vec<(NameId, Timestamp)>, Fault> {
    retention.channels.iter().map(|(name, before)| Ok((names.name(tx, name)?, *before))).collect()
}

/// Whether something of a message is under way or waits for a person, or would without it. A person's word about a message
/// settles only that it was set aside before routing, never what is under way.
fn is_open(tx: &Transaction<'_>, uid: MessageUid) -> Result<bool, Fault> {
    let key = [uid.as_bytes().as_slice()];
    let deliveries: bool = tx
        .prepare_cached(
            "SELECT EXISTS(SELECT 1 FROM delivery d WHERE uid = ?1 AND state < 4 AND NOT EXISTS(SELECT 1 FROM delivery n
             WHERE n.uid = d.uid AND n.route = d.route AND n.part = d.part AND n.run = d.run + 1))",
        )?
        .query_row(key, |row| row.get(0))?;
    let disposition: Option<i64> =
        tx.prepare_cached("SELECT disposition FROM message WHERE uid = ?1")?.query_row(key, |row| row.get(0))?;
    Ok(match disposition {
        _ if deliveries => true,
        None => true,
        Some(3) if decision(tx, uid)?.is_none() => true,
        Some(_) => tx.prepare_cached(KEEPS_DECIDED)?.query_row(key, |row| row.get(0))?,
    })
}

fn remove(tx: &Transaction<'_>, uid: MessageUid, pruned: &mut Pruned) -> Result<(), Fault> {
    let key = [uid.as_bytes().as_slice()];
    tx.prepare_cached("DELETE FROM message WHERE uid = ?1")?.execute(key)?;
    let deliveries = tx.prepare_cached("DELETE FROM delivery WHERE uid = ?1")?.execute(key)?;
    tx.prepare_cached("DELETE FROM step WHERE uid = ?1")?.execute(key)?;
    pruned.messages += 1;
    pruned.deliveries += deliveries as u64;
    Ok(())
}

/// What does not belong to a message: refusals, commands, and the keys of messages that are gone.
fn aside(tx: &Transaction<'_>, retention: &Retention) -> Result<(), Fault> {
    // A command may be about a message of any channel. One that decided on a message goes after it: without its command
    // that message would wait for a person again, and keep all of its partition.
    let decides = "EXISTS(SELECT 1 FROM message m WHERE m.disposition = 3 AND m.uid = unhex(replace(target, '-', '')))";
    for (table, before, keep) in [("refused", retention.before, "0"), ("command", retention.earliest(), decides)] {
        let sql = format!(
            "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE at < ?1 AND NOT {keep} ORDER BY id LIMIT ?2)"
        );
        tx.prepare_cached(&sql)?.execute(params![before.micros(), ASIDE_MAX])?;
    }
    let oldest: Option<Vec<u8>> = tx.query_row("SELECT min(uid) FROM message", [], |row| row.get(0))?;
    let oldest = oldest.unwrap_or_else(|| time::floor(retention.latest()).to_vec());
    keys::drop_below(tx, &oldest, SEGMENTS_MAX)
}

/// Says up to when payloads are past their retention. Channel 0 stands for all that are not named.
pub(super) fn expire(tx: &Transaction<'_>, names: &mut Names, retention: &Retention) -> Result<(), Fault> {
    let named = channels(tx, names, retention)?;
    // A channel that is gone is kept to what holds for all.
    tx.prepare_cached("DELETE FROM expiry")?.execute([])?;
    for (channel, before) in named.into_iter().chain([(0, retention.before)]) {
        tx.prepare_cached(
            "INSERT INTO expiry(channel, before) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET before = excluded.before",
        )?
        .execute(params![channel, before.micros()])?;
    }
    Ok(())
}
