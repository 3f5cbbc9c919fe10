//! The days: a partition of each large table for what was received in one of them.
//!
//! They are made ahead, and for older days when a history is filled anew. What belongs to a day that has none lies in the
//! default partition: messages that were kept when their day was dropped, and those of a day that cannot be (a clock that
//! was wrong). When a day is made, what the default has of it moves there first: PostgreSQL would refuse the day else.

use std::collections::BTreeSet;

use barid_ledger::store::floor;
use barid_model::Timestamp;

use crate::fault::Fault;
use crate::row::Columns as _;
use crate::session::Session;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;
/// Days that are made ahead of the newest one written to: a weekend without anybody looking.
pub(crate) const AHEAD: i64 = 3;
/// The first day that can be: 2000-01-01. Before it there was no Barid, only a wrong clock.
const FIRST: i64 = 10_957;
/// The tables that have days.
pub(crate) const TABLES: [&str; 4] = ["message", "delivery", "step", "message_key"];

/// The days that are known to be there.
#[derive(Default)]
pub(crate) struct Days {
    there: BTreeSet<i64>,
    /// Days that cannot be, or that could not be made: their rows lie in the default partition.
    without: BTreeSet<i64>,
}

/// The day of a uid, as days since 1970.
pub(crate) fn day(uid: &[u8]) -> i64 {
    let millis = uid.iter().take(6).fold(0_i64, |sum, byte| (sum << 8) | i64::from(*byte));
    millis / DAY
}

/// The lowest uid of a day.
pub(crate) fn begin(day: i64) -> [u8; 16] {
    floor(Timestamp::from_millis(day.saturating_mul(DAY)))
}

/// The last moment of which nothing is in a day or later ones.
pub(crate) fn end_time(day: i64) -> Timestamp {
    Timestamp::from_millis((day + 1).saturating_mul(DAY))
}

fn literal(uid: [u8; 16]) -> String {
    let hex: String = uid.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("'\\x{hex}'")
}

/// The partition of a table for a day.
pub(crate) fn partition(table: &str, day: i64) -> String {
    format!("{table}_day{day}")
}

/// The days that have partitions, oldest first.
pub(crate) fn all(session: &Session) -> Result<Vec<i64>, Fault> {
    let rows = session.query(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = to_regclass('message')",
        &[],
    )?;
    let mut days = Vec::new();
    for row in rows {
        days.extend(row.at::<&str>(0)?.strip_prefix("message_day").and_then(|text| text.parse::<i64>().ok()));
    }
    days.sort_unstable();
    Ok(days)
}

impl Days {
    /// Looks again what is there: somebody may have dropped some.
    pub(crate) fn forget(&mut self) {
        self.there.clear();
        self.without.clear();
    }

    /// Makes the days of these messages and some ahead, in transactions of their own, before a batch is written.
    pub(crate) fn make(&mut self, session: &Session, wanted: &BTreeSet<i64>) -> Result<(), Fault> {
        let new = |day: &i64| !self.there.contains(day) && !self.without.contains(day);
        if !wanted.iter().any(new) {
            return Ok(());
        }
        self.there = all(session)?.into_iter().collect();
        let today = session.first("SELECT extract(epoch FROM now())::bigint / 86400", &[])?;
        let today: i64 = today.map_or(Ok(0), |row| row.at(0))?;
        let ahead = wanted.contains(&today).then(|| (today + 1..=today + AHEAD).collect::<Vec<_>>());
        for day in wanted.iter().copied().chain(ahead.into_iter().flatten()) {
            if self.there.contains(&day) {
                continue;
            }
            if !(FIRST..=today + AHEAD).contains(&day) {
                tracing::warn!(day, "the history has messages of a day that cannot be: a clock was wrong");
                self.without.insert(day);
                continue;
            }
            session.transaction("BEGIN", |session| create(session, day))?;
            self.there.insert(day);
        }
        Ok(())
    }
}

fn create(session: &Session, day: i64) -> Result<(), Fault> {
    // Nobody else makes or drops days, or writes into the default partition, meanwhile.
    session.query("SELECT 1 FROM ledger FOR UPDATE", &[])?;
    let (low, high) = (literal(begin(day)), literal(begin(day + 1)));
    for table in TABLES {
        let name = partition(table, day);
        if session.first("SELECT 1 FROM pg_class WHERE oid = to_regclass($1)", &[&name])?.is_some() {
            continue;
        }
        session.batch(&format!(
            "CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS);
             WITH moved AS (DELETE FROM {table}_rest WHERE uid >= {low} AND uid < {high} RETURNING *)
             INSERT INTO {name} SELECT * FROM moved;
             ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})"
        ))?;
    }
    Ok(())
}
