//! What the log in memory holds, and how a queued change becomes durable, fails, or is lost in a crash.
//!
//! Compare-and-set looks at the queue's end (what is queued included), readers see the durable part only. When a change fails, all queued changes of the
//! same subject or key fail with it: they were ordered after something that does not exist.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use super::Fault;
use crate::watchers::Watchers;
use crate::{
    Batch, Bounds, Entry, Key, LogError, MAX_QUEUED_APPENDS, MAX_QUEUED_BYTES, Position, Purpose, ReadLimit, Revision,
    Subject,
};

/// A change that is asked for.
pub(super) enum Change {
    Append { subject: Subject, last: Position, records: Vec<Bytes> },
    Put { key: Key, expect: Revision, value: Option<Bytes> },
}

/// A change that waits to become durable.
pub(super) struct Waiting {
    change: Change,
    /// Last position of an append, revision of a put.
    at: u64,
    bytes: usize,
    done: oneshot::Sender<Result<(), LogError>>,
}

/// One subject.
pub(super) struct Stream {
    first: Position,
    records: VecDeque<Bytes>,
    bytes: u64,
    queued: Position,
    pub(super) durable: watch::Sender<Position>,
}

impl Stream {
    fn last(&self) -> Position {
        *self.durable.borrow()
    }

    fn entry(&self, position: Position) -> Option<Entry> {
        let record = self.records.get(usize::try_from(position.0.checked_sub(self.first.0)?).ok()?)?;
        Some(Entry { position, record: record.clone() })
    }

    /// The same records in a new log, as nobody has watched it yet.
    fn restarted(&self) -> Self {
        Self {
            first: self.first,
            records: self.records.clone(),
            bytes: self.bytes,
            queued: self.last(),
            durable: watch::Sender::new(self.last()),
        }
    }
}

/// Everything behind the lock.
#[derive(Default)]
pub(super) struct State {
    streams: HashMap<Subject, Stream>,
    pub(super) keys: BTreeMap<Key, (Revision, Bytes)>,
    /// Revision a key will have when all that is queued for it is durable, and how many changes are.
    queued_keys: HashMap<Key, (Revision, usize)>,
    pub(super) watchers: Watchers,
    pub(super) queue: VecDeque<Waiting>,
    queued_bytes: usize,
    revision: u64,
    pub(super) hold: bool,
    pub(super) faults: VecDeque<Fault>,
    closed: bool,
}

impl State {
    pub(super) fn check_open(&self) -> Result<(), LogError> {
        if self.closed { Err(LogError::Failed("crashed".into())) } else { Ok(()) }
    }

    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < MAX_QUEUED_APPENDS && self.queued_bytes < MAX_QUEUED_BYTES
    }

    pub(super) fn stream(&mut self, subject: &Subject) -> &mut Stream {
        self.streams.entry(subject.clone()).or_insert_with(|| Stream {
            first: Position(1),
            records: VecDeque::new(),
            bytes: 0,
            queued: Position::START,
            durable: watch::Sender::new(Position::START),
        })
    }

    /// Compares, sets the queue's end, and queues. Returns the last position or the revision.
    pub(super) fn push(
        &mut self,
        change: Change,
        done: oneshot::Sender<Result<(), LogError>>,
    ) -> Result<u64, LogError> {
        let (at, bytes) = match &change {
            Change::Append { subject, last, records } => {
                let stream = self.stream(subject);
                if stream.queued != *last {
                    return Err(LogError::WrongLast { subject: subject.clone(), known: *last, actual: stream.queued });
                }
                stream.queued = last.plus(records.len() as u64);
                (stream.queued.0, records.iter().map(Bytes::len).sum())
            }
            Change::Put { key, expect, value } => {
                let durable = self.keys.get(key).map_or(Revision::NONE, |(revision, _)| *revision);
                let (actual, waiting) = self.queued_keys.get(key).copied().unwrap_or((durable, 0));
                if actual != *expect {
                    return Err(LogError::WrongRevision { key: key.clone(), expected: *expect, actual });
                }
                self.revision += 1;
                let after = if value.is_some() { Revision(self.revision) } else { Revision::NONE };
                self.queued_keys.insert(key.clone(), (after, waiting + 1));
                (self.revision, value.as_ref().map_or(0, Bytes::len))
            }
        };
        self.queued_bytes += bytes;
        self.queue.push_back(Waiting { change, at, bytes, done });
        Ok(at)
    }

    /// Makes up to `count` queued changes durable, or lets them fail as told.
    pub(super) fn release(&mut self, count: usize) -> usize {
        let mut released = 0;
        while released < count
            && let Some(waiting) = self.queue.pop_front()
        {
            released += 1;
            self.queued_bytes -= waiting.bytes;
            let unknown = || Err(LogError::Unknown("simulated".into()));
            let (stored, answer) = match self.faults.pop_front() {
                None => (true, Ok(())),
                Some(Fault::UnknownStored) => (true, unknown()),
                Some(Fault::UnknownLost) => (false, unknown()),
                Some(Fault::NoSpace) => (false, Err(LogError::NoSpace(purpose(&waiting.change)))),
            };
            if stored {
                self.store(waiting.change, waiting.at);
            } else {
                self.displace(&waiting.change, &answer);
            }
            // The caller may have gone; what is durable stays.
            drop(waiting.done.send(answer));
        }
        released
    }

    fn store(&mut self, change: Change, at: u64) {
        match change {
            Change::Append { subject, records, .. } => {
                let stream = self.stream(&subject);
                stream.bytes += records.iter().map(|r| r.len() as u64).sum::<u64>();
                stream.records.extend(records);
                stream.durable.send_replace(Position(at));
            }
            Change::Put { key, value, .. } => {
                if let Some((_, waiting)) = self.queued_keys.get_mut(&key) {
                    *waiting -= 1;
                    if *waiting == 0 {
                        self.queued_keys.remove(&key);
                    }
                }
                match value {
                    Some(value) => self.keys.insert(key.clone(), (Revision(at), value)),
                    None => self.keys.remove(&key),
                };
                self.watchers.notify(&key, Revision(at));
            }
        }
    }

    /// Fails all that is queued for the same subject or key.
    fn displace(&mut self, failed: &Change, answer: &Result<(), LogError>) {
        let (gone, kept): (VecDeque<_>, VecDeque<_>) =
            self.queue.drain(..).partition(|waiting| match (&waiting.change, failed) {
                (Change::Append { subject: a, .. }, Change::Append { subject: b, .. }) => a == b,
                (Change::Put { key: a, .. }, Change::Put { key: b, .. }) => a == b,
                _ => false,
            });
        self.queue = kept;
        for waiting in gone {
            self.queued_bytes -= waiting.bytes;
            drop(waiting.done.send(answer.clone()));
        }
        match failed {
            Change::Append { subject, .. } => {
                let stream = self.stream(subject);
                stream.queued = stream.last();
                // Wakes who waits for the queue to be decided.
                stream.durable.send_modify(|_| ());
            }
            Change::Put { key, .. } => {
                self.queued_keys.remove(key);
            }
        }
    }

    /// Closes this log and returns what a restart finds.
    pub(super) fn crash(&mut self, stored: usize) -> Self {
        for _ in 0..stored {
            let Some(waiting) = self.queue.pop_front() else {
                break;
            };
            self.store(waiting.change, waiting.at);
        }
        self.queue.clear();
        self.closed = true;
        let streams = self.streams.iter().map(|(subject, stream)| (subject.clone(), stream.restarted())).collect();
        for stream in self.streams.values() {
            stream.durable.send_modify(|_| ());
        }
        Self { streams, keys: self.keys.clone(), revision: self.revision, ..Self::default() }
    }

    /// The last record, or nothing yet while an append is undecided.
    pub(super) fn settled_last(&self, subject: &Subject) -> Option<Option<Entry>> {
        let Some(stream) = self.streams.get(subject) else {
            return Some(None);
        };
        (stream.queued == stream.last()).then(|| stream.entry(stream.last()))
    }

    pub(super) fn read(&self, subject: &Subject, from: Position, limit: ReadLimit) -> Batch {
        let from = from.max(Position(1));
        let Some(stream) = self.streams.get(subject) else {
            return Batch { next: from, ..Batch::default() };
        };
        let start = from.max(stream.first);
        let mut batch =
            Batch { next: start, trimmed_to: (from < stream.first).then_some(stream.first), ..Batch::default() };
        let mut bytes = 0usize;
        while batch.entries.len() < limit.records.max(1)
            && let Some(entry) = stream.entry(batch.next)
        {
            bytes = bytes.saturating_add(entry.record.len());
            if bytes > limit.bytes && !batch.entries.is_empty() {
                break;
            }
            batch.next = batch.next.next();
            batch.entries.push(entry);
        }
        batch
    }

    pub(super) fn trim(&mut self, subject: &Subject, before: Position) {
        let Some(stream) = self.streams.get_mut(subject) else {
            return;
        };
        while stream.first < before.min(stream.last())
            && let Some(record) = stream.records.pop_front()
        {
            stream.bytes -= record.len() as u64;
            stream.first = stream.first.next();
        }
    }

    pub(super) fn bounds(&self, subject: &Subject) -> Bounds {
        let none = Bounds { first: Position(1), ..Bounds::default() };
        self.streams.get(subject).map_or(none, |stream| Bounds {
            first: stream.first,
            last: stream.last(),
            bytes: stream.bytes,
        })
    }

    pub(super) fn subjects(&self, prefix: &str) -> Vec<Subject> {
        let written = self.streams.iter().filter(|(_, stream)| stream.last() > Position::START);
        let mut found: Vec<_> =
            written.map(|(subject, _)| subject.clone()).filter(|s| s.as_str().starts_with(prefix)).collect();
        found.sort();
        found
    }

    pub(super) fn keys_with(&self, prefix: &str) -> Vec<Key> {
        self.keys
            .range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded))
            .map(|(key, _)| key.clone())
            .take_while(|key| key.as_str().starts_with(prefix))
            .collect()
    }
}

fn purpose(change: &Change) -> Purpose {
    match change {
        Change::Append { subject, .. } => subject.purpose(),
        Change::Put { .. } => Purpose::Delivery,
    }
}
