//! The ledger in one SQLite file: one connection that writes, a few that read beside it.
//!
//! The file is in WAL mode with `synchronous = NORMAL`: a power cut may take the last transactions, and since the
//! positions go with them, the reader of the log applies those changes again. Readers see a snapshot and wait for the
//! writer only while the journal is cut. The file is for its owner only, because control ids are in it.

mod apply;
mod fault;
mod journal;
mod keys;
mod names;
mod prune;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use barid_model::{DeliveryId, MessageUid, Timestamp};
use rusqlite::{Connection, OpenFlags, Transaction};

use crate::balance::{BalanceRange, Coverage, Violation};
use crate::statistics::FacilitySeen;
use crate::view::{CommandView, Place, Quarantined, RefusedView, ReplayItem};
use crate::{
    Applied, Balance, Bound, Change, Cursor, DeliveryFilter, DeliveryView, Ledger, LedgerError, MessageFilter,
    MessageView, Page, Paging, Pruned, RefusedFilter, Retention, Statistics, Story, Waiting,
};
use fault::Fault;
use journal::Journal;

/// Connections for reading that are kept open: as many as people and the console ask at once; more open for one question.
const READERS_KEPT: usize = 4;
/// Statements kept prepared a connection: all of the writer's, the usual ones of a reader.
const STATEMENTS_KEPT: usize = 64;

/// A ledger in one SQLite file, or in memory.
pub struct SqliteLedger {
    writer: Mutex<Writer>,
    readers: Mutex<Vec<Connection>>,
    path: Option<PathBuf>,
    /// None in memory.
    journal: Option<Journal>,
}

/// The connection that writes, and what it remembers between batches.
struct Writer {
    conn: Connection,
    names: names::Names,
    tail: keys::Tail,
    /// The size of a journal that could not be cut.
    tried: u64,
}

impl Writer {
    fn new(conn: Connection) -> Result<Self, Fault> {
        conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        let tail = keys::Tail::load(&conn)?;
        Ok(Self { conn, names: names::Names::default(), tail, tried: 0 })
    }

    /// Runs something in a transaction; where it fails, what was remembered of it is forgotten too.
    fn transaction<T>(
        &mut self,
        run: impl FnOnce(&Transaction<'_>, &mut names::Names, &mut keys::Tail) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let tx = self.conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let result = run(&tx, &mut self.names, &mut self.tail).and_then(|value| {
            tx.commit()?;
            Ok(value)
        });
        if result.is_err() {
            self.names = names::Names::default();
            self.tail = keys::Tail::load(&self.conn)?;
        }
        result
    }
}

impl SqliteLedger {
    /// Opens a ledger's file, or makes it. A file of an older schema is brought up to date; one that cannot be is made
    /// anew, and then has to be filled from the log again: [`Ledger::positions`] says so by being empty.
    ///
    /// # Errors
    /// [`LedgerError`] where the file is damaged, newer, locked or of something else.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::open_within(path, journal::JOURNAL_BYTES)
    }

    /// Opens it with a write-ahead log of at most so many bytes, and what one batch adds: on a small volume it would take
    /// the room of what it is a view of. Questions wait a moment where it comes to be cut.
    ///
    /// # Errors
    /// As [`SqliteLedger::open`].
    pub fn open_within(path: &Path, journal_bytes: u64) -> Result<Self, LedgerError> {
        let journal = Journal::new(path, journal_bytes);
        let opened = schema::create_private(path).and_then(|()| Connection::open(path).map_err(Fault::from)).and_then(
            |mut conn| {
                schema::prepare(&mut conn, journal.most())?;
                Writer::new(conn)
            },
        );
        let place = path.display().to_string();
        let writer = opened.map_err(|fault| fault.at(&place))?;
        Ok(Self {
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            path: Some(path.to_owned()),
            journal: Some(journal),
        })
    }

    /// A ledger that is gone with the process: for tests and `barid try`.
    ///
    /// # Errors
    /// [`LedgerError`] where memory is short.
    pub fn in_memory() -> Result<Self, LedgerError> {
        let opened = Connection::open_in_memory().map_err(Fault::from).and_then(|mut conn| {
            schema::prepare(&mut conn, journal::JOURNAL_BYTES)?;
            Writer::new(conn)
        });
        let writer = opened.map_err(|fault| fault.at("in memory"))?;
        Ok(Self { writer: Mutex::new(writer), readers: Mutex::default(), path: None, journal: None })
    }

    fn place(&self) -> String {
        self.path.as_ref().map_or_else(|| "in memory".to_owned(), |path| path.display().to_string())
    }

    fn write<T>(
        &self,
        run: impl FnOnce(&Transaction<'_>, &mut names::Names, &mut keys::Tail) -> Result<T, Fault>,
    ) -> Result<T, LedgerError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let done = writer.transaction(run);
        if let Some(journal) = &self.journal {
            let Writer { conn, tried, .. } = &mut *writer;
            match &done {
                Err(fault) if journal::lacks_room(fault) => drop(journal.cut(conn)),
                _ => journal.keep_small(conn, tried),
            }
        }
        done.map_err(|fault| fault.at(&self.place()))
    }

    fn read<T>(&self, run: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, LedgerError> {
        self.try_read(run).map_err(|fault| fault.at(&self.place()))
    }

    fn try_read<T>(&self, run: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        let Some(path) = &self.path else {
            let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            return run(&writer.conn);
        };
        let _inside = self.journal.as_ref().map(Journal::enter);
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match kept {
            Some(conn) => conn,
            None => {
                let conn = Connection::open_with_flags(
                    path,
                    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
                )?;
                schema::settings_of_reader(&conn)?;
                conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
                conn
            }
        };
        // One snapshot for all that a question reads; a connection that failed is not kept.
        let snapshot = conn.unchecked_transaction()?;
        let value = run(&snapshot)?;
        snapshot.commit()?;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_KEPT {
            readers.push(conn);
        }
        Ok(value)
    }
}

impl std::fmt::Debug for SqliteLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SqliteLedger({})", self.place())
    }
}

impl Ledger for SqliteLedger {
    fn bind(&self, incarnation: [u8; 16]) -> Result<Bound, LedgerError> {
        self.write(|tx, names, tail| {
            let bound = match schema::meta::<Vec<u8>>(tx, schema::INCARNATION)? {
                Some(known) if known == incarnation => return Ok(Bound::Same),
                Some(_) => Bound::Reset,
                None if apply::positions(tx)?.is_empty() => Bound::New,
                None => Bound::Reset,
            };
            schema::clear(tx)?;
            *names = names::Names::default();
            *tail = keys::Tail::default();
            schema::set_meta(tx, schema::INCARNATION, incarnation.as_slice())?;
            Ok(bound)
        })
    }

    fn apply(&self, batch: &[Change<'_>], positions: &[(&str, u64)]) -> Result<Applied, LedgerError> {
        self.write(|tx, names, tail| apply::apply(tx, names, tail, batch, positions))
    }

    fn positions(&self) -> Result<Vec<(String, u64)>, LedgerError> {
        self.read(apply::positions)
    }

    fn reset(&self) -> Result<(), LedgerError> {
        self.write(|tx, names, tail| {
            let incarnation = schema::meta::<Vec<u8>>(tx, schema::INCARNATION)?;
            schema::clear(tx)?;
            *names = names::Names::default();
            *tail = keys::Tail::default();
            incarnation.map_or(Ok(()), |known| schema::set_meta(tx, schema::INCARNATION, known))
        })
    }

    fn incomplete_before(&self, time: Timestamp) -> Result<(), LedgerError> {
        self.write(|tx, _, _| {
            schema::raise(tx, schema::INCOMPLETE_BEFORE, time)?;
            schema::raise(tx, schema::REBUILT_BEFORE, time)
        })
    }

    fn search(&self, filter: &MessageFilter, paging: &Paging) -> Result<Page<MessageView>, LedgerError> {
        self.read(|conn| read::search::search(conn, filter, paging))
    }

    fn message(&self, uid: MessageUid) -> Result<Option<MessageView>, LedgerError> {
        self.read(|conn| read::message::whole(conn, uid))
    }

    fn follow(&self, uid: MessageUid) -> Result<Option<Story>, LedgerError> {
        self.read(|conn| read::story::follow(conn, uid))
    }

    fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, LedgerError> {
        self.read(|conn| read::deliveries::by_id(conn, id))
    }

    fn deliveries(&self, filter: &DeliveryFilter, paging: &Paging) -> Result<Page<DeliveryView>, LedgerError> {
        self.read(|conn| read::deliveries::list(conn, filter, paging))
    }

    fn quarantine(&self, filter: &DeliveryFilter, paging: &Paging) -> Result<Page<Quarantined>, LedgerError> {
        self.read(|conn| read::quarantine::quarantine(conn, filter, paging))
    }

    fn waiting(&self) -> Result<Waiting, LedgerError> {
        self.read(read::waiting::waiting)
    }

    fn set_aside(&self) -> Result<Vec<Place>, LedgerError> {
        self.read(read::quarantine::set_aside)
    }

    fn refused(&self, filter: &RefusedFilter, paging: &Paging) -> Result<Page<RefusedView>, LedgerError> {
        self.read(|conn| read::aside::refused(conn, filter, paging))
    }

    fn commands(&self, target: Option<&str>, paging: &Paging) -> Result<Page<CommandView>, LedgerError> {
        self.read(|conn| read::aside::commands(conn, target, paging))
    }

    fn select_for_replay(&self, filter: &MessageFilter, paging: &Paging) -> Result<Page<ReplayItem>, LedgerError> {
        self.read(|conn| read::replay::select(conn, filter, paging))
    }

    fn statistics(&self, from: Timestamp, to: Timestamp) -> Result<Statistics, LedgerError> {
        self.read(|conn| read::statistics::statistics(conn, from, to))
    }

    fn last_seen(&self) -> Result<Vec<FacilitySeen>, LedgerError> {
        self.read(read::statistics::last_seen)
    }

    fn balance(&self, range: &BalanceRange) -> Result<Balance, LedgerError> {
        self.read(|conn| read::balance::balance(conn, range))
    }

    fn confirm(&self, violations: &[Violation]) -> Result<Vec<Violation>, LedgerError> {
        self.read(|conn| read::balance::confirm(conn, violations))
    }

    fn coverage(&self) -> Result<Vec<Coverage>, LedgerError> {
        self.read(read::balance::coverage)
    }

    fn prune(&self, retention: &Retention, after: Option<&Cursor>, rows: usize) -> Result<Pruned, LedgerError> {
        self.write(|tx, names, _| prune::prune(tx, names, retention, after, rows))
    }

    fn expire_payloads(&self, retention: &Retention) -> Result<(), LedgerError> {
        self.write(|tx, names, _| prune::expire(tx, names, retention))
    }

    fn rest(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(journal) = &self.journal {
            journal.cut(&writer.conn);
        }
    }
}
