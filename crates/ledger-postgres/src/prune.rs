//! Retention: days of which everything is past it are dropped whole, other messages go by rows in steps of bounded size.
//!
//! What is under way or waits for a person is never dropped: before a day goes, its open messages move to the default
//! partition, with their deliveries and steps, where they are found and followed as before and go by rows when they end.

use barid_ledger::store::{NameId, floor, of};
use barid_ledger::{Cursor, Pruned, Retention};
use barid_model::{MessageUid, Timestamp};

use crate::fault::Fault;
use crate::partitions::{self, TABLES, end_time, partition};
use crate::read::waiting::{DECISION, KEEPS_DECIDED};
use crate::read::{count, read_uid};
use crate::row::Columns as _;
use crate::session::{AUDIT, Session};
use crate::writer::Writing;

/// Refusals and commands removed a call.
const ASIDE_MAX: i64 = 10_000;
/// Most open messages that are moved out of a day to drop it: with more the day stays for now, whole, and its messages
/// go by rows.
const KEPT_MAX: i64 = 10_000;

/// Whether something of the message `m` is under way or waits for a person, or would without it. A person's word about a
/// message settles only that it was set aside before routing, never what is under way.
fn open() -> String {
    format!(
        "(m.disposition IS NULL OR m.disposition = 3 AND {DECISION} IS NULL OR {KEEPS_DECIDED} OR EXISTS (SELECT 1 FROM delivery d
          WHERE d.uid = m.uid AND d.state < 4 AND d.state < 8 AND NOT EXISTS (SELECT 1 FROM delivery n WHERE n.uid = d.uid
          AND n.route = d.route AND n.part = d.part AND n.run = d.run + 1)))"
    )
}

/// Drops the oldest day that is past all retention, where there is one; what went with it.
pub(crate) fn drop_day(session: &Session, retention: &Retention) -> Result<Option<Pruned>, Fault> {
    let earliest = retention.earliest();
    for day in partitions::all(session)?.into_iter().take_while(|day| end_time(*day) <= earliest) {
        if let Some(pruned) = session.transaction("BEGIN", |session| drop_one(session, day, retention))? {
            return Ok(Some(pruned));
        }
    }
    Ok(None)
}

fn drop_one(session: &Session, day: i64, retention: &Retention) -> Result<Option<Pruned>, Fault> {
    session.query("SELECT 1 FROM ledger FOR UPDATE", &[])?;
    session.through(AUDIT)?;
    let (low, high) = (partitions::begin(day), partitions::begin(day + 1));
    let span: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&low.as_slice(), &high.as_slice()];
    // Those of which only deliveries are known are open too: their messages may still be read.
    let open = format!(
        "SELECT uid FROM (SELECT m.uid FROM message m WHERE m.uid >= $1 AND m.uid < $2 AND {}
         UNION SELECT d.uid FROM delivery d WHERE d.uid >= $1 AND d.uid < $2
         AND NOT EXISTS (SELECT 1 FROM message m WHERE m.uid = d.uid)) o LIMIT {}",
        open(),
        KEPT_MAX + 1
    );
    let rows = session.query(&open, &span)?;
    if count(rows.len()) > KEPT_MAX {
        return Ok(None);
    }
    let kept = rows.iter().map(|row| row.at::<Vec<u8>>(0)).collect::<Result<Vec<_>, _>>()?;
    let mut counts = [0_u64; 2];
    for (table, counted) in ["message", "delivery"].into_iter().zip(&mut counts) {
        let name = partition(table, day);
        let sql = format!("SELECT count(*) FROM {name} WHERE NOT uid = ANY($1)");
        *counted = session.first(&sql, &[&kept])?.map_or(Ok(0), |row| row.unsigned(0))?;
    }
    for table in TABLES {
        let name = partition(table, day);
        session.batch(&format!("ALTER TABLE {table} DETACH PARTITION {name}"))?;
        session.execute(&format!("INSERT INTO {table} SELECT * FROM {name} WHERE uid = ANY($1)"), &[&kept])?;
        session.batch(&format!("DROP TABLE {name}"))?;
    }
    raise(session, retention.latest())?;
    Ok(Some(Pruned { messages: counts[0], deliveries: counts[1], kept: kept.len() as u64, next: None }))
}

/// Looks at the next `rows` messages, oldest first, and removes those past their retention.
pub(crate) fn prune(
    writing: &mut Writing<'_>,
    retention: &Retention,
    after: Option<&Cursor>,
    rows: usize,
) -> Result<Pruned, Fault> {
    let session = writing.session;
    let channels = channels(writing, retention)?;
    let before = |channel: Option<NameId>| {
        channels.iter().find(|(id, _)| Some(*id) == channel).map_or(retention.before, |(_, time)| *time)
    };
    let start = after.map_or(Ok(vec![]), |cursor| read_uid(cursor).map(|uid| uid.as_bytes().to_vec()))?;
    let end = floor(retention.latest());
    let most = count(rows.max(1));
    let found = session.query(
        "SELECT uid, channel FROM message WHERE uid > $1 AND uid < $2 ORDER BY uid LIMIT $3",
        &[&start, &end.as_slice(), &most],
    )?;
    let mut pruned = Pruned::default();
    let mut past: Vec<&[u8]> = Vec::new();
    for row in &found {
        if of(row.uid(0)?) < before(row.at(1)?) {
            past.push(row.at(0)?);
        }
    }
    let sql = format!("SELECT m.uid FROM message m WHERE m.uid = ANY($1) AND NOT {}", open());
    let ended = session.query(&sql, &[&past])?;
    let ended = ended.iter().map(|row| row.at::<&[u8]>(0)).collect::<Result<Vec<_>, _>>()?;
    pruned.kept = (past.len() - ended.len()) as u64;
    remove(session, &ended, &mut pruned)?;
    if count(found.len()) >= most {
        pruned.next = found.last().map(|row| row.uid(0)).transpose()?.map(|uid: MessageUid| Cursor(uid.to_string()));
    }
    if pruned.messages > 0 {
        raise(session, retention.latest())?;
    }
    if after.is_none() {
        aside(session, retention)?;
    }
    Ok(pruned)
}

fn remove(session: &Session, uids: &[&[u8]], pruned: &mut Pruned) -> Result<(), Fault> {
    if uids.is_empty() {
        return Ok(());
    }
    pruned.messages += session.execute("DELETE FROM message WHERE uid = ANY($1)", &[&uids])?;
    pruned.deliveries += session.execute("DELETE FROM delivery WHERE uid = ANY($1)", &[&uids])?;
    session.execute("DELETE FROM step WHERE uid = ANY($1)", &[&uids])?;
    // The keys of other messages go with their day: there they are found by value alone, and a search compares.
    session.execute("DELETE FROM message_key_rest WHERE uid = ANY($1)", &[&uids])?;
    Ok(())
}

fn channels(writing: &mut Writing<'_>, retention: &Retention) -> Result<Vec<(NameId, Timestamp)>, Fault> {
    let session = writing.session;
    retention.channels.iter().map(|(name, before)| Ok((writing.names.name(session, name)?, *before))).collect()
}

/// What does not belong to a message: refusals and commands.
fn aside(session: &Session, retention: &Retention) -> Result<(), Fault> {
    // A command may be about a message of any channel. One that decided on a message goes after it: without its command
    // that message would wait for a person again, and keep all of its partition.
    let decides = "EXISTS (SELECT 1 FROM message m WHERE m.disposition = 3 AND m.uid = about)";
    for (table, before, keep) in [("refused", retention.before, "false"), ("command", retention.earliest(), decides)] {
        let sql = format!(
            "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE at < $1 AND NOT {keep} ORDER BY id LIMIT $2)"
        );
        session.execute(&sql, &[&before.micros(), &ASIDE_MAX])?;
    }
    Ok(())
}

/// Moves the time from which on everything is known forward, never back.
pub(crate) fn raise(session: &Session, time: Timestamp) -> Result<(), Fault> {
    let sql = "UPDATE ledger SET incomplete_before = greatest(incomplete_before, $1)";
    session.execute(sql, &[&time.micros()])?;
    Ok(())
}

/// The same for what a log no longer held when the ledger was filled from it.
pub(crate) fn rebuilt(session: &Session, time: Timestamp) -> Result<(), Fault> {
    raise(session, time)?;
    session.execute("UPDATE ledger SET rebuilt_before = greatest(rebuilt_before, $1)", &[&time.micros()])?;
    Ok(())
}

/// Says up to when payloads are past their retention. Channel 0 stands for all that are not named.
pub(crate) fn expire(writing: &mut Writing<'_>, retention: &Retention) -> Result<(), Fault> {
    let named = channels(writing, retention)?;
    // A channel that is gone is kept to what holds for all.
    writing.session.execute("DELETE FROM expiry", &[])?;
    for (channel, before) in named.into_iter().chain([(0, retention.before)]) {
        writing.session.execute(
            "INSERT INTO expiry (channel, before) VALUES ($1, $2) ON CONFLICT (channel) DO UPDATE SET before = excluded.before",
            &[&channel, &before.micros()],
        )?;
    }
    Ok(())
}
