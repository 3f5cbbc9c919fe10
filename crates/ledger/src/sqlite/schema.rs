//! The tables, how a file gets them, and the few settings that make them fast.
//!
//! A message's row is clustered by its uid, a delivery's by (uid, route, part, run), so that both are written in the
//! order of time, nearly at one place, and a message's deliveries lie together. Names are numbers. There are two
//! small indexes, of what needs attention; everything else is found through [`super::keys`] or by looking at rows.

use std::path::Path;

use barid_model::Timestamp;
use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension as _, ToSql, Transaction};

use super::fault::Fault;
use super::journal::lacks_room;

/// The schema this Barid writes.
pub(super) const VERSION: u32 = 1;
/// What marks a file as a ledger: "BRDL".
const APPLICATION_ID: i32 = 0x4252_444c;
/// Which log the ledger is a view of.
pub(super) const INCARNATION: &str = "incarnation";
/// Messages from before this time may be known in part.
pub(super) const INCOMPLETE_BEFORE: &str = "incompleteBefore";
/// As that, but only where the ledger was filled from a log that no longer held everything: its own forgetting is none of it.
pub(super) const REBUILT_BEFORE: &str = "rebuiltBefore";

/// How long a connection waits for another process that writes.
const BUSY_MILLIS: u64 = 5_000;
/// Rows lie in the order of time, so large pages mean fewer of them and less of each rewritten.
const PAGE_BYTES: u32 = 8_192;
/// The writer's cache: the rows of the last few seconds and the tops of the trees.
const WRITER_CACHE_KIB: u32 = 16_384;
/// A reader's cache.
const READER_CACHE_KIB: u32 = 4_096;
/// The WAL is copied into the file each so many pages (6 MiB), or at half of what it may have. Pages written again and again
/// are copied once, so more would be less work; but what is copied at once lies in the disk's queue before the log's next
/// sync, and messages wait for that: 40 ms with 32 MiB, for a twentieth less work.
const CHECKPOINT_PAGES: u64 = 768;
/// A WAL that a long read made larger is cut back to this, or to what it may have.
const WAL_BYTES: u64 = 64 << 20;

const TABLES: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY) WITHOUT ROWID;
CREATE TABLE name(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE kind(id INTEGER PRIMARY KEY, code TEXT NOT NULL, event TEXT NOT NULL, structure TEXT NOT NULL,
    version TEXT NOT NULL, UNIQUE(code, event, structure, version));
CREATE TABLE position(subject INTEGER PRIMARY KEY, position INTEGER NOT NULL);
CREATE TABLE message(
    uid BLOB PRIMARY KEY,
    channel INTEGER, facility INTEGER, kind INTEGER, disposition INTEGER, listener INTEGER, cause INTEGER,
    revision INTEGER, speaks_for INTEGER, subject INTEGER, position INTEGER, received INTEGER, routed_at INTEGER,
    bytes INTEGER, verified INTEGER, hops INTEGER, waits INTEGER, control_id BLOB, digest BLOB, origin TEXT,
    lanes BLOB, keys TEXT, findings TEXT, routed_findings TEXT, duplicate_of BLOB, parents BLOB, reason TEXT, traceparent TEXT
) WITHOUT ROWID;
CREATE INDEX message_set_aside ON message(uid) WHERE disposition = 3;
CREATE TABLE delivery(
    uid BLOB NOT NULL, route INTEGER NOT NULL, part INTEGER NOT NULL, run INTEGER NOT NULL,
    state INTEGER NOT NULL, destination INTEGER, known INTEGER NOT NULL, set_aside INTEGER NOT NULL,
    out_partition INTEGER, out_position INTEGER,
    park_subject INTEGER, park_position INTEGER, park_why INTEGER, parked_at INTEGER,
    outcome INTEGER, outcome_subject INTEGER, outcome_position INTEGER, outcome_at INTEGER,
    attempts INTEGER NOT NULL, possible_duplicate INTEGER NOT NULL, answer INTEGER,
    findings TEXT, routed_findings TEXT, actor TEXT, reason TEXT, chained BLOB,
    PRIMARY KEY(uid, route, part, run)
) WITHOUT ROWID;
CREATE INDEX delivery_uncommon ON delivery(state, uid) WHERE state < 8;
CREATE INDEX delivery_parked ON delivery(park_subject, park_position) WHERE park_position IS NOT NULL;
CREATE TABLE step(
    uid BLOB NOT NULL, subject INTEGER NOT NULL, position INTEGER NOT NULL, at INTEGER NOT NULL, kind INTEGER NOT NULL,
    route INTEGER, part INTEGER, run INTEGER, detail TEXT NOT NULL,
    PRIMARY KEY(uid, subject, position)
) WITHOUT ROWID;
CREATE INDEX step_accepted_again ON step(uid) WHERE kind = 1;
CREATE TABLE key_tail(id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, uid BLOB NOT NULL);
CREATE TABLE key_segment(id INTEGER PRIMARY KEY, first_uid BLOB NOT NULL, last_uid BLOB NOT NULL);
CREATE TABLE key(segment INTEGER NOT NULL, hash INTEGER NOT NULL, uid BLOB NOT NULL,
    PRIMARY KEY(segment, hash, uid)) WITHOUT ROWID;
CREATE TABLE facility(name INTEGER PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE refused(
    id INTEGER PRIMARY KEY, subject INTEGER NOT NULL, position INTEGER NOT NULL, at INTEGER NOT NULL,
    listener INTEGER NOT NULL, facility INTEGER, channel INTEGER, kind INTEGER NOT NULL, code TEXT NOT NULL,
    control_id BLOB NOT NULL, origin TEXT NOT NULL, findings TEXT, UNIQUE(subject, position));
CREATE TABLE command(
    id INTEGER PRIMARY KEY, subject INTEGER NOT NULL, position INTEGER NOT NULL, at INTEGER NOT NULL,
    actor TEXT NOT NULL, reason TEXT NOT NULL, verb TEXT NOT NULL, target TEXT NOT NULL, detail TEXT NOT NULL,
    UNIQUE(subject, position));
CREATE INDEX command_target ON command(target);
CREATE TABLE expiry(channel INTEGER PRIMARY KEY, before INTEGER NOT NULL);
";

/// Indexes that came later: any Barid can use a file with or without them. What waits is counted from them alone, and what
/// was run again subtracted, so that a status with a million set aside takes a fraction of a second.
const LATER_INDEXES: &str = "
CREATE INDEX IF NOT EXISTS delivery_waiting ON delivery(state, destination) WHERE state > 0 AND state < 4;
CREATE INDEX IF NOT EXISTS delivery_again ON delivery(run) WHERE run > 0;
";

/// Every table, in an order in which they can be emptied.
const NAMES: [&str; 14] = [
    "meta",
    "name",
    "kind",
    "position",
    "message",
    "delivery",
    "step",
    "key_tail",
    "key_segment",
    "key",
    "facility",
    "refused",
    "command",
    "expiry",
];

/// Makes an empty file that only its owner can read; the database and its companions keep that.
pub(super) fn create_private(path: &Path) -> Result<(), Fault> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(Fault::File)
}

/// Brings a file to the newest schema; its journal is to stay below so many bytes.
pub(super) fn prepare(conn: &mut Connection, journal_bytes: u64) -> Result<(), Fault> {
    conn.busy_timeout(std::time::Duration::from_millis(BUSY_MILLIS))?;
    conn.pragma_update(None, "page_size", PAGE_BYTES)?;
    let found: u32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let owner: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if owner != APPLICATION_ID && (tables > 0 || owner != 0) {
        return Err(Fault::Foreign);
    }
    if found > VERSION {
        return Err(Fault::Newer { found, known: VERSION });
    }
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(None, "synchronous", "normal")?;
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.pragma_update(None, "cache_size", -i64::from(WRITER_CACHE_KIB))?;
    conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES.min(journal_bytes / 2 / u64::from(PAGE_BYTES)))?;
    conn.pragma_update(None, "journal_size_limit", WAL_BYTES.min(journal_bytes))?;
    if found < VERSION {
        make(conn, tables > 0)?;
    }
    // Without room a file of before stays as it is, and what waits is counted the slow way.
    conn.execute_batch(LATER_INDEXES).map_err(Fault::from).or_else(|fault| match lacks_room(&fault) {
        true => Ok(()),
        false => Err(fault),
    })
}

/// Makes the tables. There is no way yet from an older schema but to fill the new one from the log.
fn make(conn: &mut Connection, older: bool) -> Result<(), Fault> {
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    if older {
        let mut tables =
            tx.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?;
        let names = tables.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        drop(tables);
        for name in names {
            tx.execute_batch(&format!("DROP TABLE \"{}\"", name.replace('"', "\"\"")))?;
        }
    }
    tx.execute_batch(TABLES)?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()?;
    Ok(())
}

/// What a connection for reading needs.
pub(super) fn settings_of_reader(conn: &Connection) -> Result<(), Fault> {
    conn.busy_timeout(std::time::Duration::from_millis(BUSY_MILLIS))?;
    conn.pragma_update(None, "cache_size", -i64::from(READER_CACHE_KIB))?;
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(())
}

/// Empties every table.
pub(super) fn clear(tx: &Transaction<'_>) -> Result<(), Fault> {
    for table in NAMES {
        tx.execute_batch(&format!("DELETE FROM {table}"))?;
    }
    Ok(())
}

/// A setting of the ledger itself.
pub(super) fn meta<T: FromSql>(conn: &Connection, key: &str) -> Result<Option<T>, Fault> {
    let mut statement = conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

/// Sets it.
pub(super) fn set_meta(tx: &Transaction<'_>, key: &str, value: impl ToSql) -> Result<(), Fault> {
    tx.execute(
        "INSERT INTO meta(key, value) VALUES(?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
        (key, value),
    )?;
    Ok(())
}

/// Moves a time forward, never back.
pub(super) fn raise(tx: &Transaction<'_>, key: &str, time: Timestamp) -> Result<(), Fault> {
    match meta::<i64>(tx, key)? {
        Some(known) if known >= time.micros() => Ok(()),
        _ => set_meta(tx, key, time.micros()),
    }
}
