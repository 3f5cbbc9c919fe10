//! What finds messages by value: hash → uid, without a write all over a large tree for every message.
//!
//! New keys are appended to a tail, in the order they come. When the tail is long it becomes a segment: the same keys
//! sorted by hash, written once and never again. A search looks into each segment (a few microseconds) and through the
//! tail (a few milliseconds). One tree of all keys would rewrite a page of it for nearly every key.

use barid_model::MessageUid;
use rusqlite::{Connection, Transaction};

use super::fault::Fault;

/// Keys in the tail before it becomes a segment: sorting them takes a twentieth of a second, and 100 million keys make
/// 1,500 segments. (Few in tests, so that they make segments.)
pub(super) const TAIL_MAX: u64 = if cfg!(test) { 256 } else { 65_536 };

/// How long the tail is.
#[derive(Default)]
pub(super) struct Tail {
    keys: u64,
}

impl Tail {
    /// Counts the tail of a file.
    pub(super) fn load(conn: &Connection) -> Result<Self, Fault> {
        let keys: i64 = conn.query_row("SELECT count(*) FROM key_tail", [], |row| row.get(0))?;
        Ok(Self { keys: u64::try_from(keys).unwrap_or(0) })
    }

    /// Appends keys, and makes a segment where the tail is long enough.
    pub(super) fn append(&mut self, tx: &Transaction<'_>, keys: &[(i64, MessageUid)]) -> Result<(), Fault> {
        let mut insert = tx.prepare_cached("INSERT INTO key_tail(hash, uid) VALUES(?1, ?2)")?;
        for (hash, uid) in keys {
            insert.execute((hash, uid.as_bytes().as_slice()))?;
        }
        self.keys += keys.len() as u64;
        if self.keys >= TAIL_MAX {
            make_segment(tx)?;
            self.keys = 0;
        }
        Ok(())
    }
}

fn make_segment(tx: &Transaction<'_>) -> Result<(), Fault> {
    tx.execute("INSERT INTO key_segment(first_uid, last_uid) SELECT min(uid), max(uid) FROM key_tail", [])?;
    let segment = tx.last_insert_rowid();
    tx.execute(
        "INSERT OR IGNORE INTO key(segment, hash, uid) SELECT ?1, hash, uid FROM key_tail ORDER BY hash, uid",
        [segment],
    )?;
    tx.execute("DELETE FROM key_tail", [])?;
    Ok(())
}

/// Drops segments whose keys all belong to messages below `uid`.
pub(super) fn drop_below(tx: &Transaction<'_>, uid: &[u8], most: usize) -> Result<(), Fault> {
    let mut old = tx.prepare_cached("SELECT id FROM key_segment WHERE last_uid < ?1 LIMIT ?2")?;
    let ids = old.query_map((uid, most), |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()?;
    for id in ids {
        tx.prepare_cached("DELETE FROM key WHERE segment = ?1")?.execute([id])?;
        tx.prepare_cached("DELETE FROM key_segment WHERE id = ?1")?.execute([id])?;
    }
    Ok(())
}

/// The uids with this hash in `low..high`, in order, at most `limit`: from the end where `descending`. They still have
/// to be compared with what was asked for.
pub(super) fn candidates(
    conn: &Connection,
    hash: i64,
    (low, high): (&[u8], &[u8]),
    descending: bool,
    limit: usize,
) -> Result<Vec<MessageUid>, Fault> {
    let order = if descending { "DESC" } else { "ASC" };
    let mut found: Vec<[u8; 16]> = conn
        .prepare_cached("SELECT uid FROM key_tail WHERE hash = ?1 AND uid >= ?2 AND uid < ?3")?
        .query_map((hash, low, high), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut segments =
        conn.prepare_cached("SELECT id FROM key_segment WHERE last_uid >= ?1 AND first_uid < ?2 ORDER BY id DESC")?;
    let mut inside = conn.prepare_cached(&format!(
        "SELECT uid FROM key WHERE segment = ?1 AND hash = ?2 AND uid >= ?3 AND uid < ?4 ORDER BY uid {order} LIMIT ?5"
    ))?;
    let ids = segments.query_map((low, high), |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()?;
    for id in ids {
        for uid in inside.query_map((id, hash, low, high, limit), |row| row.get(0))? {
            found.push(uid?);
        }
        // A value that is in every segment must not fill memory.
        if found.len() > limit.saturating_mul(64) {
            trim(&mut found, descending, limit);
        }
    }
    trim(&mut found, descending, limit);
    Ok(found.into_iter().map(MessageUid::from_bytes).collect())
}

fn trim(found: &mut Vec<[u8; 16]>, descending: bool, limit: usize) {
    found.sort_unstable();
    found.dedup();
    if descending {
        found.reverse();
    }
    found.truncate(limit);
}
