//! Feeding the ledger: everything the log holds, in batches, behind everything clinical.
//!
//! The ledger stores how far it has come in the same transaction, so it may be far behind, stopped or thrown away
//! without harm. New subjects are found as they appear; an idle engine looks a few times a second.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use barid_ledger::{Change, Entry as Told, Ledger, LedgerError};
use barid_log::{Log, LogError, Position, ReadLimit, Subject};
use barid_model::ErrorClass;
use barid_model::record::{
    CommandRecord, InRecord, OutcomeRecord, ParkEvent, Record as _, RecordError, RefusedRecord, RoutedRecord,
};
use bytes::Bytes;
use tokio::sync::watch;

use crate::pace::Pace;
use crate::trimmed::Trimmed;

/// Changes applied in one transaction.
const BATCH: usize = 4_000;
/// Records of one subject read at once.
const READ: ReadLimit = ReadLimit { records: 500, bytes: 4 << 20 };
/// How often new subjects are looked for.
const SUBJECTS_EVERY: Duration = Duration::from_secs(1);
/// The subjects the ledger is a view of; OUT is not: ROUTED tells its places.
pub const PREFIXES: [&str; 6] = [INTAKE, "routed.", "outcome.", "park.", "refused", "command"];

/// Where messages begin.
const INTAKE: &str = "in.";

/// How long is waited after the ledger could not be written or the log not read: someone has to make space, another process
/// lets go of it, servers come back.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Keeps feeding until `stop`, through a full disk and a log that is away as well: the ledger goes on where it stands.
///
/// # Errors
/// [`FeedError`] where trying again cannot help.
pub async fn keep(
    log: Arc<dyn Log>,
    ledger: Arc<dyn Ledger>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), FeedError> {
    let mut told = String::new();
    loop {
        let fed = async { Feed::new(Arc::clone(&log), Arc::clone(&ledger))?.run(stop.clone()).await };
        let error = match fed.await {
            Err(error) if error.class() == ErrorClass::Retryable => error,
            ended => return ended,
        };
        if *stop.borrow() {
            // The next start goes on.
            return Ok(());
        }
        let text = error.to_string();
        if text != told {
            tracing::error!(%error, "the history waits; messages flow without it");
            told = text;
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN_AFTER) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Feeding ended.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A panic.
    #[error("the ledger's task failed: {0}")]
    Task(String),
}

impl FeedError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Log(error) => error.class(),
            Self::Ledger(error) => error.class(),
            Self::Task(_) => ErrorClass::Fatal,
        }
    }
}

/// One record, decoded.
enum Record {
    In(Box<InRecord>),
    Routed(RoutedRecord),
    Outcome(OutcomeRecord),
    Park(ParkEvent),
    Refused(RefusedRecord),
    Command(CommandRecord),
}

struct Read {
    subject: usize,
    position: u64,
    record: Record,
}

/// Reads the log into the ledger.
pub struct Feed {
    log: Arc<dyn Log>,
    ledger: Arc<dyn Ledger>,
    /// Subjects with the next position and the durable end.
    subjects: Vec<(Subject, Position, watch::Receiver<Position>)>,
    known: HashMap<String, u64>,
    /// What retention has taken, where the ledger is filled anew.
    trimmed: HashMap<u16, Trimmed>,
}

impl Feed {
    /// From where the ledger stands.
    ///
    /// # Errors
    /// As the ledger.
    pub fn new(log: Arc<dyn Log>, ledger: Arc<dyn Ledger>) -> Result<Self, LedgerError> {
        let known: HashMap<String, u64> = ledger.positions()?.into_iter().collect();
        Ok(Self { log, ledger, subjects: Vec::new(), known, trimmed: HashMap::new() })
    }

    /// Feeds until `stop`, then as far as the log goes.
    ///
    /// # Errors
    /// [`FeedError`]; what was read is in the ledger.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), FeedError> {
        self.begin().await?;
        let mut look = tokio::time::Instant::now();
        let mut pace = Pace::new();
        loop {
            if tokio::time::Instant::now() >= look {
                self.find().await?;
                look = tokio::time::Instant::now() + SUBJECTS_EVERY;
            }
            let stopping = *stop.borrow();
            let applied = self.round().await?;
            if applied == 0 && stopping {
                return Ok(());
            }
            if stopping {
                continue;
            }
            let (end, behind) = self.depth();
            let wait = pace.wait(tokio::time::Instant::now(), end, behind, applied >= BATCH);
            if !wait.is_zero() {
                let told = tokio::time::timeout(wait, stop.wait_for(|stop| *stop)).await.map(|told| told.is_ok());
                if told == Ok(false) {
                    // Nobody is left to tell it: the wait is not cut short.
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Records that there are, and how many of them are not read yet.
    fn depth(&self) -> (u64, u64) {
        let ends = self.subjects.iter().map(|(_, next, changed)| (changed.borrow().0, next.0));
        ends.fold((0, 0), |(end, behind), (last, next)| (end + last, behind + (last + 1).saturating_sub(next)))
    }

    /// A ledger that is filled anew knows in part only of what retention has taken.
    async fn begin(&mut self) -> Result<(), FeedError> {
        if !self.known.is_empty() {
            return Ok(());
        }
        self.trimmed = incomplete(&*self.log, &*self.ledger).await?;
        Ok(())
    }

    async fn find(&mut self) -> Result<(), LogError> {
        for prefix in PREFIXES {
            for subject in self.log.subjects(prefix).await? {
                if self.subjects.iter().all(|(known, ..)| *known != subject) {
                    let left =
                        Trimmed::first(&self.trimmed, subject.as_str()).map_or(0, |first| first.saturating_sub(1));
                    let from = self.known.get(subject.as_str()).copied().unwrap_or(0).max(left);
                    let changed = self.log.changed(&subject);
                    self.subjects.push((subject, Position(from).next(), changed));
                }
            }
        }
        Ok(())
    }

    /// Reads a batch over all subjects and applies it; how many records it had.
    async fn round(&mut self) -> Result<usize, FeedError> {
        let mut batch: Vec<Read> = Vec::new();
        let mut positions: Vec<(usize, u64)> = Vec::new();
        for at in 0..self.subjects.len() {
            if batch.len() >= BATCH {
                break;
            }
            let Some((subject, next, changed)) = self.subjects.get_mut(at) else { break };
            if *changed.borrow_and_update() < *next {
                continue;
            }
            let read = self.log.read(subject, *next, READ).await?;
            if read.trimmed_to.is_some() && subject.as_str().starts_with(INTAKE) {
                // Given back since this history began, or while it was away.
                self.trimmed = incomplete(&*self.log, &*self.ledger).await?;
            }
            for entry in read.entries {
                match decode(subject.as_str(), entry.record) {
                    Ok(Some(Record::Routed(record))) if Trimmed::has(&self.trimmed, &record.source) => {}
                    Ok(Some(record)) => batch.push(Read { subject: at, position: entry.position.0, record }),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!(%subject, position = %entry.position, %error, "the history lacks a record that cannot be read");
                    }
                }
            }
            *next = read.next;
            positions.push((at, read.next.0.saturating_sub(1)));
        }
        if positions.is_empty() {
            return Ok(0);
        }
        let count = batch.len().max(1);
        self.apply(batch, positions).await?;
        // The first subjects must not keep the others waiting.
        let shift = usize::from(!self.subjects.is_empty());
        self.subjects.rotate_left(shift);
        Ok(count)
    }

    async fn apply(&self, batch: Vec<Read>, positions: Vec<(usize, u64)>) -> Result<(), FeedError> {
        let names: Vec<Subject> = self.subjects.iter().map(|(subject, ..)| subject.clone()).collect();
        let ledger = Arc::clone(&self.ledger);
        let applied = tokio::task::spawn_blocking(move || {
            let name = |at: usize| names.get(at).map_or("", Subject::as_str);
            let changes: Vec<Change<'_>> = batch.iter().map(|read| change(name(read.subject), read)).collect();
            let positions: Vec<(&str, u64)> = positions.iter().map(|(at, position)| (name(*at), *position)).collect();
            ledger.apply(&changes, &positions)
        });
        applied.await.map_err(|error| FeedError::Task(error.to_string()))??;
        Ok(())
    }
}

/// What retention has taken, which the ledger is told of.
async fn incomplete(log: &dyn Log, ledger: &dyn Ledger) -> Result<HashMap<u16, Trimmed>, FeedError> {
    let trimmed = Trimmed::all(log).await?;
    if let Some(before) = trimmed.values().map(|trimmed| trimmed.before).max() {
        ledger.incomplete_before(before)?;
    }
    Ok(trimmed)
}

fn change<'a>(subject: &'a str, read: &'a Read) -> Change<'a> {
    let entry = match &read.record {
        Record::In(record) => Told::In { envelope: &record.envelope, bytes: record.raw.len() as u64 },
        Record::Routed(record) => Told::Routed(record),
        Record::Outcome(record) => Told::Outcome(record),
        Record::Park(record) => Told::Park(record),
        Record::Refused(record) => Told::Refused(record),
        Record::Command(record) => Told::Command(record),
    };
    Change { subject, position: read.position, entry }
}

/// None for what tells the ledger nothing.
fn decode(subject: &str, bytes: Bytes) -> Result<Option<Record>, RecordError> {
    Ok(match subject.split('.').next() {
        Some("in") => Some(Record::In(Box::new(InRecord::decode(bytes)?))),
        Some("routed") => Some(Record::Routed(RoutedRecord::decode(bytes)?)),
        Some("outcome") => Some(Record::Outcome(OutcomeRecord::decode(bytes)?)),
        Some("park") => Some(Record::Park(ParkEvent::decode(bytes)?)),
        Some("refused") => Some(Record::Refused(RefusedRecord::decode(bytes)?)),
        Some("command") => Some(Record::Command(CommandRecord::decode(bytes)?)),
        _ => None,
    })
}
