//! A subject that several processes write: what waits is appended together after whatever is last, and again where another
//! process was faster.
//!
//! The log has one writer a subject at a time, by compare-and-set on its last position. Whoever loses learns where the
//! subject is now and tries there; so all processes together give one order, and what was acknowledged comes before what was
//! sent after it, whichever process took either. One append of a process is on its way, and what comes meanwhile is the
//! next one, so that those who lose share what they lose.
//!
//! An append whose result is unknown is settled before the next: the log says when it is decided, and the records that stand
//! after the position it named tell how. What nobody waits for any more is not tried again: its sender was told no.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use barid_log::{Entry, Log, LogError, Position, ReadLimit, Subject};
use bytes::Bytes;
use tokio::sync::{OnceCell, mpsc, oneshot};

/// Records that may wait for one subject: more than all connections of a process have on their way.
const WAITING_MAX: usize = 4_096;
/// Records of one append.
const BATCH_RECORDS: usize = 256;
/// Bytes of one append: it travels as one piece, so that it is stored whole or not at all. A larger record goes alone.
pub const BATCH_BYTES: usize = 192 << 10;

/// The result of one record.
pub type Answer = oneshot::Receiver<Result<Position, LogError>>;

/// Records that follow one another: where one of them is not stored, those behind it are not either.
#[derive(Debug, Clone, Default)]
pub struct Chain(Arc<AtomicBool>);

impl Chain {
    /// From now on nothing of it is stored.
    pub fn cut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether nothing of it is stored any more.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn whole(&self) -> Result<(), LogError> {
        if self.is_cut() { Err(LogError::Busy("one before it was not stored".into())) } else { Ok(()) }
    }
}

struct Waiting {
    record: Bytes,
    done: oneshot::Sender<Result<Position, LogError>>,
    chain: Option<Chain>,
}

/// One process's way to write a subject together with others.
pub struct Joint {
    log: Arc<dyn Log>,
    subject: Subject,
    queue: OnceCell<mpsc::Sender<Waiting>>,
}

impl Joint {
    /// Nothing is read or written before the first record.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, subject: Subject) -> Self {
        Self { log, subject, queue: OnceCell::new() }
    }

    /// Queues a record; the answer is its position, when it is durable. A dropped answer means that nobody waits for it.
    ///
    /// # Errors
    /// [`LogError::Busy`] where the process ends.
    pub async fn submit(&self, record: Bytes) -> Result<Answer, LogError> {
        self.submit_in(record, None).await
    }

    /// The same, of a chain.
    ///
    /// # Errors
    /// [`LogError::Busy`] where the process ends.
    pub async fn submit_in(&self, record: Bytes, chain: Option<&Chain>) -> Result<Answer, LogError> {
        let begin = || async {
            let (sender, receiver) = mpsc::channel(WAITING_MAX);
            // Ends with this, which holds the sender.
            tokio::spawn(write(Arc::clone(&self.log), self.subject.clone(), receiver));
            sender
        };
        let (done, answer) = oneshot::channel();
        let sent = self.queue.get_or_init(begin).await.send(Waiting { record, done, chain: chain.cloned() }).await;
        sent.map_err(|_| LogError::Busy("closed".into()))?;
        Ok(answer)
    }
}

async fn write(log: Arc<dyn Log>, subject: Subject, mut queue: mpsc::Receiver<Waiting>) {
    let mut end = None;
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            match queue.recv().await {
                Some(first) => waiting.push_back(first),
                None => return,
            }
        }
        // Whoever else was woken by the same answer may come first.
        tokio::task::yield_now().await;
        while waiting.len() < BATCH_RECORDS
            && let Ok(next) = queue.try_recv()
        {
            waiting.push_back(next);
        }
        let batch = take(&mut waiting);
        append(&*log, &subject, &mut end, batch).await;
    }
}

/// As much as one append takes, at least one.
fn take(waiting: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while let Some(next) = waiting.front() {
        bytes += next.record.len();
        if !batch.is_empty() && bytes > BATCH_BYTES {
            break;
        }
        batch.extend(waiting.pop_front());
    }
    batch
}

/// Appends until it is decided; `end` is where the subject is, where that is known.
async fn append(log: &dyn Log, subject: &Subject, end: &mut Option<Position>, mut batch: Vec<Waiting>) {
    loop {
        batch = without_cut(batch);
        if batch.is_empty() {
            return;
        }
        let last = match end {
            Some(last) => *last,
            None => match last_of(log, subject).await {
                Ok(last) => last,
                Err(error) => return refuse(batch, &error),
            },
        };
        *end = None;
        let records = batch.iter().map(|waiting| waiting.record.clone()).collect();
        let appended = match log.append(subject, last, records).await {
            Ok(ticket) => ticket.await,
            Err(error) => Err(error),
        };
        match appended {
            Ok(position) => {
                *end = Some(position);
                return accept(batch, last);
            }
            // Another process was faster.
            Err(LogError::WrongLast { actual, .. }) if actual > last => *end = Some(actual),
            Err(LogError::WrongLast { .. }) => {}
            Err(error) if error.is_unknown() => match settle(log, subject, last, &batch).await {
                Ok(stored) => {
                    let left = batch.split_off(stored);
                    accept(batch, last);
                    batch = left;
                }
                Err(_) => return refuse(batch, &error),
            },
            Err(error) => return refuse(batch, &error),
        }
    }
}

/// What is waited for, and not behind something that was refused.
fn without_cut(batch: Vec<Waiting>) -> Vec<Waiting> {
    let mut left = Vec::with_capacity(batch.len());
    for waiting in batch.into_iter().filter(|waiting| !waiting.done.is_closed()) {
        match waiting.chain.as_ref().map_or(Ok(()), Chain::whole) {
            Ok(()) => left.push(waiting),
            Err(error) => drop(waiting.done.send(Err(error))),
        }
    }
    left
}

/// Where a subject ends, when nothing that was appended here is in doubt.
async fn last_of(log: &dyn Log, subject: &Subject) -> Result<Position, LogError> {
    match log.last(subject).await {
        Ok(entry) => Ok(entry.map_or(Position::START, |entry| entry.position)),
        Err(LogError::Damaged(_)) => Ok(log.bounds(subject).await?.last),
        Err(error) => Err(error),
    }
}

/// How many of these stand after `last`: all at or before the subject's end are there for ever, the others never will be.
async fn settle(log: &dyn Log, subject: &Subject, last: Position, batch: &[Waiting]) -> Result<usize, LogError> {
    let end = last_of(log, subject).await?;
    let mut stored = 0;
    while stored < batch.len() && last.plus(stored as u64) < end {
        let limit = ReadLimit { records: batch.len() - stored, ..ReadLimit::default() };
        let read = log.read(subject, last.plus(stored as u64).next(), limit).await?;
        let left = batch.iter().skip(stored).map(|waiting| &waiting.record);
        match found(&read.entries, last.plus(stored as u64).next(), left)? {
            0 => break,
            found => stored += found,
        }
    }
    Ok(stored)
}

/// How many of these were read from `first` on. That nothing was read there, before the end, says nothing of what is stored.
fn found<'a>(entries: &[Entry], first: Position, records: impl Iterator<Item = &'a Bytes>) -> Result<usize, LogError> {
    if entries.first().is_none_or(|entry| entry.position != first) {
        return Err(LogError::Busy("what was appended cannot be read back now".into()));
    }
    Ok(entries.iter().zip(records).take_while(|(entry, record)| entry.record == **record).count())
}

fn accept(batch: Vec<Waiting>, last: Position) {
    for (waiting, place) in batch.into_iter().zip(1..) {
        // Who does not wait any more finds it out by sending again.
        drop(waiting.done.send(Ok(last.plus(place))));
    }
}

fn refuse(batch: Vec<Waiting>, error: &LogError) {
    for waiting in batch {
        waiting.chain.iter().for_each(Chain::cut);
        drop(waiting.done.send(Err(error.clone())));
    }
}

#[cfg(test)]
mod tests;
