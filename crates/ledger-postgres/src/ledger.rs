//! The ledger: one connection that writes, a bounded number that read beside it.

use std::time::{Duration, Instant};

use barid_ledger::balance::{BalanceRange, Coverage, Violation};
use barid_ledger::statistics::FacilitySeen;
use barid_ledger::view::{CommandView, Place, Quarantined, RefusedView, ReplayItem};
use barid_ledger::{
    Applied, Balance, Bound, Change, Cursor, DeliveryFilter, DeliveryView, Ledger, LedgerError, MessageFilter,
    MessageView, Page, Paging, Pruned, RefusedFilter, Retention, Statistics, Story, Waiting,
};
use barid_model::{DeliveryId, MessageUid, Timestamp};
use parking_lot::{Condvar, Mutex};
use tokio::runtime::{Builder, Runtime};

use crate::fault::Fault;
use crate::options::{Options, READERS};
use crate::row::Columns as _;
use crate::session::{QUESTION, Session};
use crate::writer::{Writer, Writing};
use crate::{apply, prune, read, schema};

/// How long a question waits for one of the connections.
const TURN: Duration = Duration::from_secs(10);
/// What a question begins with: it sees one moment.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Connections that read: idle ones, and how many there are in all.
#[derive(Default)]
struct Readers {
    idle: Vec<Session>,
    all: usize,
    /// Goes up when what was connected before is not to be asked any more.
    era: u64,
}

/// A ledger in a PostgreSQL database.
pub struct PostgresLedger {
    options: Options,
    writer: Mutex<Writer>,
    readers: Mutex<Readers>,
    turn: Condvar,
    /// Drives the connections; none while it is dropped.
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for PostgresLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgresLedger({})", self.options.place)
    }
}

impl Drop for PostgresLedger {
    fn drop(&mut self) {
        // It may be dropped by async code, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl PostgresLedger {
    /// Opens the ledger of a database, and makes or brings up to date its tables. Blocking.
    ///
    /// # Errors
    /// [`LedgerError`] where the database cannot be reached, or has tables of a newer Barid or of something else.
    pub fn open(options: Options) -> Result<Self, LedgerError> {
        let failed = |error: std::io::Error| LedgerError::Storage {
            place: options.place.clone(),
            text: format!("its thread cannot be started: {error}"),
        };
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("ledger").enable_all().build();
        let runtime = runtime.map_err(failed)?;
        // As unique as a message's uid; the time in it is of no importance.
        let holder = MessageUid::new(Timestamp::from_micros(0)).to_string();
        let ledger = Self {
            options,
            writer: Mutex::new(Writer::new(holder)),
            readers: Mutex::default(),
            turn: Condvar::new(),
            runtime: Some(runtime),
        };
        ledger.outside(|session, _| schema::migrate(session, &ledger.options.schema))?;
        ledger.write(false, |_| Ok(()))?;
        Ok(ledger)
    }

    fn handle(&self) -> Result<&tokio::runtime::Handle, Fault> {
        self.runtime.as_ref().map(Runtime::handle).ok_or(Fault::Silent)
    }

    fn outside<T>(
        &self,
        run: impl FnOnce(&Session, &mut crate::partitions::Days) -> Result<T, Fault>,
    ) -> Result<T, LedgerError> {
        let done = self.handle().and_then(|handle| self.writer.lock().outside(handle, &self.options, run));
        done.map_err(|fault| self.renews(fault).at(&self.options.place))
    }

    fn write<T>(
        &self,
        feeding: bool,
        run: impl FnOnce(&mut Writing<'_>) -> Result<T, Fault>,
    ) -> Result<T, LedgerError> {
        let done = self.handle().and_then(|handle| self.writer.lock().transaction(handle, &self.options, feeding, run));
        done.map_err(|fault| self.renews(fault).at(&self.options.place))
    }

    /// Where who writes lost its connection, another server may answer at this address by now: who reads does not go on with
    /// the one before.
    fn renews(&self, fault: Fault) -> Fault {
        if matches!(fault, Fault::Renewed) || fault.is_of_connection() {
            let mut readers = self.readers.lock();
            readers.era += 1;
            readers.all -= readers.idle.len();
            let before = std::mem::take(&mut readers.idle);
            drop(readers);
            drop(before);
            self.turn.notify_all();
        }
        fault
    }

    /// Asks on one of the connections. One that was kept and turns out to be gone is replaced once: that a server
    /// started again is nothing a question should show.
    fn read<T>(&self, run: impl Fn(&Session) -> Result<T, Fault>) -> Result<T, LedgerError> {
        let (mut turn, era) = self.take().map_err(|fault| fault.at(&self.options.place))?;
        let was_kept = turn.is_some();
        let mut result = self.ask(&mut turn, &run);
        if let Err(fault) = &result
            && was_kept
            && fault.is_of_connection()
            && !matches!(fault, Fault::Silent)
        {
            result = self.ask(&mut turn, &run);
        }
        let mut readers = self.readers.lock();
        match turn {
            Some(session) if readers.era == era => readers.idle.push(session),
            _ => readers.all -= 1,
        }
        drop(readers);
        self.turn.notify_one();
        result.map_err(|fault| fault.at(&self.options.place))
    }

    /// A connection that was kept, or the right to make one, and the era of it.
    fn take(&self) -> Result<(Option<Session>, u64), Fault> {
        let deadline = Instant::now() + TURN;
        let mut readers = self.readers.lock();
        loop {
            while let Some(session) = readers.idle.pop() {
                if !session.is_closed() {
                    return Ok((Some(session), readers.era));
                }
                readers.all -= 1;
            }
            if readers.all < READERS {
                readers.all += 1;
                return Ok((None, readers.era));
            }
            if self.turn.wait_until(&mut readers, deadline).timed_out() {
                return Err(Fault::Busy);
            }
        }
    }

    /// Asks, on a new connection where there is none; leaves none that is of no use.
    fn ask<T>(&self, kept: &mut Option<Session>, run: &impl Fn(&Session) -> Result<T, Fault>) -> Result<T, Fault> {
        let session = match kept.take() {
            Some(session) => session,
            None => Session::open(self.handle()?, &self.options, QUESTION)?,
        };
        let result = session.transaction(SNAPSHOT, run);
        if result.as_ref().err().is_none_or(|fault| !fault.is_of_connection()) {
            *kept = Some(session);
        }
        result
    }
}

/// Empties every table. Names stay: their numbers never change.
fn clear(writing: &mut Writing<'_>) -> Result<(), Fault> {
    let session = writing.session;
    session.batch("TRUNCATE message, delivery, step, message_key, position, facility, refused, command, expiry")?;
    writing.generation += 1;
    session.execute(
        "UPDATE ledger SET generation = $1, incomplete_before = NULL, rebuilt_before = NULL",
        &[&writing.generation],
    )?;
    Ok(())
}

fn positions(session: &Session) -> Result<Vec<(String, u64)>, Fault> {
    let sql = "SELECT text, position FROM position JOIN name ON name.id = position.subject ORDER BY text";
    session.query(sql, &[])?.iter().map(|row| Ok((row.at(0)?, row.unsigned(1)?))).collect()
}

impl Ledger for PostgresLedger {
    fn bind(&self, incarnation: [u8; 16]) -> Result<Bound, LedgerError> {
        self.write(false, |writing| {
            let session = writing.session;
            let row = session.first("SELECT incarnation, EXISTS (SELECT 1 FROM position) FROM ledger", &[])?;
            let row = row.ok_or(Fault::Row("table ledger is empty"))?;
            let bound = match row.at::<Option<&[u8]>>(0)? {
                Some(known) if known == incarnation => return Ok(Bound::Same),
                Some(_) => Bound::Reset,
                None if row.at(1)? => Bound::Reset,
                None => Bound::New,
            };
            clear(writing)?;
            session.execute("UPDATE ledger SET incarnation = $1", &[&incarnation.as_slice()])?;
            Ok(bound)
        })
    }

    fn apply(&self, batch: &[Change<'_>], positions: &[(&str, u64)]) -> Result<Applied, LedgerError> {
        let wanted = apply::days(batch);
        self.outside(|session, days| days.make(session, &wanted))?;
        self.write(true, |writing| apply::apply(writing, batch, positions))
    }

    fn positions(&self) -> Result<Vec<(String, u64)>, LedgerError> {
        self.read(positions)
    }

    fn reset(&self) -> Result<(), LedgerError> {
        self.write(false, clear)
    }

    fn incomplete_before(&self, time: Timestamp) -> Result<(), LedgerError> {
        self.write(false, |writing| prune::rebuilt(writing.session, time))
    }

    fn search(&self, filter: &MessageFilter, paging: &Paging) -> Result<Page<MessageView>, LedgerError> {
        self.read(|session| read::search::search(session, filter, paging))
    }

    fn message(&self, uid: MessageUid) -> Result<Option<MessageView>, LedgerError> {
        self.read(|session| read::message::whole(session, uid))
    }

    fn follow(&self, uid: MessageUid) -> Result<Option<Story>, LedgerError> {
        self.read(|session| read::story::follow(session, uid))
    }

    fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, LedgerError> {
        self.read(|session| read::deliveries::by_id(session, id))
    }

    fn deliveries(&self, filter: &DeliveryFilter, paging: &Paging) -> Result<Page<DeliveryView>, LedgerError> {
        self.read(|session| read::list::list(session, filter, paging))
    }

    fn quarantine(&self, filter: &DeliveryFilter, paging: &Paging) -> Result<Page<Quarantined>, LedgerError> {
        self.read(|session| read::quarantine::quarantine(session, filter, paging))
    }

    fn waiting(&self) -> Result<Waiting, LedgerError> {
        self.read(read::waiting::waiting)
    }

    fn set_aside(&self) -> Result<Vec<Place>, LedgerError> {
        self.read(read::quarantine::set_aside)
    }

    fn refused(&self, filter: &RefusedFilter, paging: &Paging) -> Result<Page<RefusedView>, LedgerError> {
        self.read(|session| read::aside::refused(session, filter, paging))
    }

    fn commands(&self, target: Option<&str>, paging: &Paging) -> Result<Page<CommandView>, LedgerError> {
        self.read(|session| read::aside::commands(session, target, paging))
    }

    fn select_for_replay(&self, filter: &MessageFilter, paging: &Paging) -> Result<Page<ReplayItem>, LedgerError> {
        self.read(|session| read::replay::select(session, filter, paging))
    }

    fn statistics(&self, from: Timestamp, to: Timestamp) -> Result<Statistics, LedgerError> {
        self.read(|session| read::statistics::statistics(session, from, to))
    }

    fn last_seen(&self) -> Result<Vec<FacilitySeen>, LedgerError> {
        self.read(read::statistics::last_seen)
    }

    fn balance(&self, range: &BalanceRange) -> Result<Balance, LedgerError> {
        self.read(|session| read::balance::balance(session, range))
    }

    fn confirm(&self, violations: &[Violation]) -> Result<Vec<Violation>, LedgerError> {
        self.read(|session| read::balance::confirm(session, violations))
    }

    fn coverage(&self) -> Result<Vec<Coverage>, LedgerError> {
        self.read(read::balance::coverage)
    }

    fn prune(&self, retention: &Retention, after: Option<&Cursor>, rows: usize) -> Result<Pruned, LedgerError> {
        // A sweep begins with days: one a call, told by a cursor before every message.
        let begin = Cursor(MessageUid::from_bytes([0; 16]).to_string());
        let after = after.filter(|after| **after != begin);
        if after.is_none() {
            let dropped = self.outside(|session, days| {
                let dropped = prune::drop_day(session, retention)?;
                days.forget();
                Ok(dropped)
            })?;
            if let Some(dropped) = dropped {
                return Ok(Pruned { next: Some(begin), ..dropped });
            }
        }
        self.write(false, |writing| prune::prune(writing, retention, after, rows))
    }

    fn expire_payloads(&self, retention: &Retention) -> Result<(), LedgerError> {
        self.write(false, |writing| prune::expire(writing, retention))
    }
}
