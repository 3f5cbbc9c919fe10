//! The write-ahead log beside the file, kept small.
//!
//! SQLite begins it anew when all of it stands in the file and nobody reads from it. Questions that follow each other
//! without a gap never let that happen, and then it grows until the volume is full. So every question passes a gate, and a
//! writer that finds the journal too large closes it: questions under way end, the journal is copied and cut to nothing,
//! and the gate opens. It does the same where the volume is full, since the room is needed more elsewhere.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use rusqlite::{Connection, ErrorCode};

use super::fault::Fault;

/// Bytes of the journal at which questions wait until it is cut, where nobody says: a long question beside a full load
/// makes that much in some seconds.
pub(super) const JOURNAL_BYTES: u64 = 256 << 20;
/// The least that can be asked for: a transaction of a full batch is larger, so less would only cut each time.
const JOURNAL_BYTES_MIN: u64 = 1 << 20;

/// The journal of one file, and the gate before it.
pub(super) struct Journal {
    path: PathBuf,
    /// Bytes at which it is cut.
    most: u64,
    gate: RwLock<()>,
}

impl Journal {
    /// Of the ledger at this place.
    pub(super) fn new(ledger: &Path, most: u64) -> Self {
        let mut path = ledger.as_os_str().to_owned();
        path.push("-wal");
        Self { path: path.into(), most: most.max(JOURNAL_BYTES_MIN), gate: RwLock::default() }
    }

    /// Bytes at which it is cut.
    pub(super) const fn most(&self) -> u64 {
        self.most
    }

    /// Lets a question in; it waits while the journal is being cut.
    pub(super) fn enter(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of it now.
    fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// Cuts it where it is too large. `tried` is its size when that did not help: a reader outside of this process keeps
    /// it, and is waited for again only when as much has come to it.
    pub(super) fn keep_small(&self, conn: &Connection, tried: &mut u64) {
        let bytes = self.bytes();
        if bytes <= self.most {
            *tried = 0;
        } else if bytes >= tried.saturating_add(self.most) {
            *tried = if self.cut(conn) { 0 } else { bytes };
        }
    }

    /// Copies it into the file and cuts it to nothing; whether that was done.
    pub(super) fn cut(&self, conn: &Connection) -> bool {
        let _closed = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        // What cannot be copied now stays in the journal, where it is as safe.
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).is_ok_and(|busy| busy == 0)
    }
}

/// Whether a write failed for want of room: in the file, the journal, or the journal's index.
pub(super) fn lacks_room(fault: &Fault) -> bool {
    let Fault::Sql(error) = fault else { return false };
    matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure))
}
