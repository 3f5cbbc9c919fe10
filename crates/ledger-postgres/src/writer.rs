//! Who writes: one connection, one process at a time.
//!
//! Every transaction that writes locks the one row of table `ledger`, so they come one after the other. Batches of a feed
//! are taken from the process that holds the epoch alone: another takes over when that one was not seen for a while, by
//! the clock of the database. What the old one still sends is refused by its epoch. That two read the log at once would
//! do no harm, since what is at or below the stored position is skipped; it would only cost twice.
//!
//! A connection that is made anew may lead to a server that has lost what was committed: a replica that took over, a backup.
//! So nothing known from the one before holds, and who feeds is told once, and asks for the positions again.

use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::fault::Fault;
use crate::names::Names;
use crate::options::Options;
use crate::partitions::Days;
use crate::row::Columns as _;
use crate::session::{Session, WRITE};

/// A process that was not seen to write for so long has given up writing: one that has nothing to write loses nothing.
pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// Time between two attempts to connect, at first and at most: a server that starts again must not be stormed.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// No generation was seen yet.
const UNKNOWN: i64 = -1;

/// How a process is known to the database, and what it has seen of it.
pub(crate) struct Writer {
    session: Option<Session>,
    /// This process.
    holder: String,
    epoch: i64,
    /// The generation of the tables that who feeds knows of.
    generation: i64,
    /// It was connected before.
    connected: bool,
    /// The connection was made anew, and who feeds was not told yet.
    renewed: bool,
    pub(crate) names: Names,
    pub(crate) days: Days,
    again: Option<(Instant, Duration)>,
}

/// What a transaction works with.
pub(crate) struct Writing<'a> {
    pub(crate) session: &'a Session,
    pub(crate) names: &'a mut Names,
    /// The generation of the tables.
    pub(crate) generation: i64,
}

/// The row that all who write lock.
struct Locked {
    epoch: i64,
    holder: Option<String>,
    generation: i64,
    fresh: bool,
}

impl Writer {
    /// Nobody yet: it connects when it is needed.
    pub(crate) fn new(holder: String) -> Self {
        Self {
            session: None,
            holder,
            epoch: -1,
            generation: UNKNOWN,
            connected: false,
            renewed: false,
            names: Names::default(),
            days: Days::default(),
            again: None,
        }
    }

    /// Connects where there is no connection, no sooner than back-off allows.
    fn connect(&mut self, handle: &Handle, options: &Options) -> Result<(), Fault> {
        if self.session.as_ref().is_some_and(|session| !session.is_closed()) {
            return Ok(());
        }
        self.session = None;
        if let Some((at, wait)) = self.again {
            std::thread::sleep((at + wait).saturating_duration_since(Instant::now()));
        }
        match Session::open(handle, options, WRITE) {
            Ok(session) => {
                self.session = Some(session);
                self.again = None;
                self.renewed |= self.connected;
                self.connected = true;
                self.names = Names::default();
                self.days = Days::default();
                Ok(())
            }
            Err(fault) => {
                let wait = self.again.map_or(AGAIN.0, |(_, wait)| (wait * 2).min(AGAIN.1));
                self.again = Some((Instant::now(), wait));
                Err(fault)
            }
        }
    }

    /// Runs something outside of a transaction that writes rows.
    pub(crate) fn outside<T>(
        &mut self,
        handle: &Handle,
        options: &Options,
        run: impl FnOnce(&Session, &mut Days) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.connect(handle, options)?;
        let Some(session) = &self.session else { return Err(Fault::Silent) };
        let result = run(session, &mut self.days);
        self.settle(&result);
        result
    }

    /// Runs something in a transaction, alone; as the one that feeds where `feeding`.
    pub(crate) fn transaction<T>(
        &mut self,
        handle: &Handle,
        options: &Options,
        feeding: bool,
        run: impl FnOnce(&mut Writing<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.connect(handle, options)?;
        if feeding && std::mem::take(&mut self.renewed) {
            return Err(Fault::Renewed);
        }
        let Some(session) = &self.session else { return Err(Fault::Silent) };
        let (mut epoch, mut generation) = (self.epoch, self.generation);
        let (names, holder, known) = (&mut self.names, &self.holder, self.generation);
        let result = session.transaction("BEGIN", |session| {
            let locked = lock(session)?;
            if known == UNKNOWN {
                generation = locked.generation;
            } else if feeding && locked.generation != known {
                // Who feeds is told once that the tables were emptied, and asks for the positions again.
                generation = locked.generation;
                return Err(Fault::Emptied);
            }
            if feeding {
                epoch = hold(session, &locked, holder, epoch)?;
            }
            let mut writing = Writing { session, names, generation: locked.generation };
            let value = run(&mut writing)?;
            if writing.generation != locked.generation {
                generation = writing.generation;
            }
            Ok(value)
        });
        if result.is_ok() {
            self.epoch = epoch;
        }
        if result.is_ok() || matches!(result, Err(Fault::Emptied)) {
            self.generation = generation;
        }
        self.settle(&result);
        result
    }

    /// After a failure nothing is known of what was written.
    fn settle<T>(&mut self, result: &Result<T, Fault>) {
        let Err(fault) = result else { return };
        self.names = Names::default();
        if fault.is_of_connection() {
            self.session = None;
        }
    }
}

fn lock(session: &Session) -> Result<Locked, Fault> {
    let lease = i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX);
    let row = session.first(
        "SELECT epoch, holder, generation, coalesce(clock_timestamp() < seen + $1 * interval '1 millisecond', false)
         FROM ledger FOR UPDATE",
        &[&(lease as f64)],
    )?;
    let row = row.ok_or(Fault::Row("table ledger is empty"))?;
    Ok(Locked { epoch: row.at(0)?, holder: row.at(1)?, generation: row.at(2)?, fresh: row.at(3)? })
}

/// Is seen to write, or takes over; the epoch under which it writes.
fn hold(session: &Session, locked: &Locked, holder: &String, epoch: i64) -> Result<i64, Fault> {
    if locked.holder.as_ref() == Some(holder) && locked.epoch == epoch {
        session.execute("UPDATE ledger SET seen = clock_timestamp()", &[])?;
        return Ok(epoch);
    }
    if locked.fresh && locked.holder.as_ref() != Some(holder) {
        return Err(Fault::Held);
    }
    let next = locked.epoch + 1;
    session.execute("UPDATE ledger SET seen = clock_timestamp(), holder = $1, epoch = $2", &[holder, &next])?;
    Ok(next)
}
