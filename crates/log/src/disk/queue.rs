//! What waits to be written: order and compare-and-set are decided here, before anything touches the disk.
//!
//! An append has its positions once it is queued, so that its writer can queue the next one at once. If writing fails for lack of space, everything queued
//! for the same purpose fails with it, and the subjects go back to their durable ends: nothing may be stored after a hole.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use super::index::KeyState;
use crate::{Key, LogError, MAX_QUEUED_APPENDS, MAX_QUEUED_BYTES, Position, Purpose, Revision, Subject};

/// Most bytes of one group: with a slow disk (100 MB/s) its writing still takes under 0.1 s; one larger append is a group alone.
const GROUP_BYTES: usize = 8 << 20;

/// Longest that an append without haste waits for one with haste to travel with: below what a person who looks at the history would notice, far above the time
/// between two syncs of a busy log, so that a busy log never makes a sync for it alone.
const LATER: Duration = Duration::from_millis(20);

/// Whether somebody waits for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Haste {
    /// It is written as soon as the writer is free.
    Now,
    /// It travels with the next that is, or after a moment.
    Later,
}

/// A subject that has been asked for.
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) subject: Subject,
    pub(super) durable: watch::Sender<Position>,
}

/// All subjects of this process, by name. Those without a record exist only here.
#[derive(Default)]
pub(super) struct Names {
    by_name: HashMap<Subject, Arc<Stream>>,
    next_id: u32,
}

impl Names {
    /// The id for the next new subject.
    pub(super) fn start_at(&mut self, id: u32) {
        self.next_id = self.next_id.max(id).max(1);
    }

    pub(super) fn next_id(&self) -> u32 {
        self.next_id
    }

    pub(super) fn get(&self, subject: &Subject) -> Option<&Arc<Stream>> {
        self.by_name.get(subject)
    }

    /// The subject's stream, made if it is new.
    pub(super) fn intern(&mut self, subject: &Subject) -> Arc<Stream> {
        if let Some(stream) = self.by_name.get(subject) {
            return stream.clone();
        }
        let id = self.next_id.max(1);
        self.next_id = id + 1;
        self.insert(id, subject, Position::START)
    }

    /// A subject found on disk, of which nothing may be known but its name.
    pub(super) fn insert_if_new(&mut self, id: u32, subject: &Subject) {
        if !self.by_name.contains_key(subject) {
            self.insert(id, subject, Position::START);
        }
    }

    /// A subject found on disk, up to this position.
    pub(super) fn insert(&mut self, id: u32, subject: &Subject, last: Position) -> Arc<Stream> {
        let stream = Arc::new(Stream { id, subject: subject.clone(), durable: watch::Sender::new(last) });
        self.by_name.insert(subject.clone(), stream.clone());
        self.start_at(id + 1);
        stream
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Stream>> {
        self.by_name.values()
    }
}

/// A change with its place in the order.
pub(super) enum Change {
    Append { stream: Arc<Stream>, first: u64, records: Vec<Bytes> },
    Put { key: Key, revision: u64, value: Option<Bytes> },
}

impl Change {
    pub(super) fn purpose(&self) -> Purpose {
        match self {
            Self::Append { stream, .. } => stream.subject.purpose(),
            Self::Put { .. } => Purpose::Delivery,
        }
    }
}

/// A change that waits.
pub(super) struct Op {
    pub(super) change: Change,
    bytes: usize,
    pub(super) done: oneshot::Sender<Result<(), LogError>>,
}

impl Op {
    /// Tells the waiter; who has gone away does not need to know.
    pub(super) fn answer(self, result: Result<(), LogError>) {
        drop(self.done.send(result));
    }
}

/// The queue, behind its lock.
#[derive(Default)]
pub(super) struct Queue {
    ops: VecDeque<Op>,
    /// Bytes and number of what is queued or being written.
    bytes: usize,
    appends: usize,
    /// Ends of subjects with all that is queued.
    ends: HashMap<u32, u64>,
    /// Revisions of keys with all that is queued for them, and how many changes are.
    keys: HashMap<Key, (Revision, usize)>,
    pub(super) revision: u64,
    /// When what is queued has to be written; none where nothing is.
    due: Option<Instant>,
    /// Trims that are not durable yet.
    trims: BTreeMap<u32, u64>,
    /// Set once: failed or closing.
    pub(super) closed: Option<LogError>,
}

/// What the caller of a queued change gets.
pub(super) struct Queued {
    /// Last position, or revision.
    pub(super) at: u64,
    pub(super) done: oneshot::Receiver<Result<(), LogError>>,
}

impl Queue {
    /// Whether an append of any size may come in; it may exceed the bound once, so that a large one does not wait for ever behind small ones.
    pub(super) fn has_room(&self) -> bool {
        self.appends < MAX_QUEUED_APPENDS && self.bytes < MAX_QUEUED_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// What was queued last is written so soon.
    pub(super) fn hasten(&mut self, haste: Haste) {
        let now = Instant::now();
        let due = if haste == Haste::Now { now } else { now + LATER };
        self.due = Some(self.due.map_or(due, |known| known.min(due)));
    }

    /// When what is queued has to be written.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether the writer has to be told of what was queued last, `due` being what it knew.
    pub(super) fn is_news(&self, due: Option<Instant>) -> bool {
        self.due.is_some_and(|now| due.is_none_or(|before| now < before))
    }

    /// How long the writer may wait with what is queued.
    pub(super) fn patience(&self) -> Duration {
        self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()))
    }

    pub(super) fn has_trims(&self) -> bool {
        !self.trims.is_empty()
    }

    /// The end of a subject, with what is queued.
    pub(super) fn end(&self, stream: &Stream) -> u64 {
        self.ends.get(&stream.id).copied().unwrap_or_else(|| stream.durable.borrow().0)
    }

    /// Queues an append, if `last` is the subject's end.
    pub(super) fn append(
        &mut self,
        stream: &Arc<Stream>,
        last: Position,
        records: Vec<Bytes>,
        bytes: usize,
    ) -> Result<Queued, LogError> {
        let end = self.end(stream);
        if end != last.0 {
            return Err(LogError::WrongLast { subject: stream.subject.clone(), known: last, actual: Position(end) });
        }
        let at = end + records.len() as u64;
        self.ends.insert(stream.id, at);
        let change = Change::Append { stream: stream.clone(), first: end + 1, records };
        Ok(Queued { at, done: self.push(change, bytes) })
    }

    /// Queues a key's change, if it is at `expect`.
    pub(super) fn put(
        &mut self,
        key: &Key,
        expect: Revision,
        value: Option<Bytes>,
        durable: Option<KeyState>,
    ) -> Result<Queued, LogError> {
        let durable = durable.map_or(Revision::NONE, |state| Revision(state.revision));
        let (actual, waiting) = self.keys.get(key).copied().unwrap_or((durable, 0));
        if actual != expect {
            return Err(LogError::WrongRevision { key: key.clone(), expected: expect, actual });
        }
        self.revision += 1;
        let revision = self.revision;
        let after = if value.is_some() { Revision(revision) } else { Revision::NONE };
        self.keys.insert(key.clone(), (after, waiting + 1));
        let bytes = value.as_ref().map_or(0, Bytes::len);
        let change = Change::Put { key: key.clone(), revision, value };
        Ok(Queued { at: revision, done: self.push(change, bytes) })
    }

    fn push(&mut self, change: Change, bytes: usize) -> oneshot::Receiver<Result<(), LogError>> {
        let (done, receiver) = oneshot::channel();
        self.bytes += bytes;
        self.appends += 1;
        self.ops.push_back(Op { change, bytes, done });
        receiver
    }

    /// A trim, to be written with the next group.
    pub(super) fn trim(&mut self, id: u32, before: u64) {
        let known = self.trims.entry(id).or_default();
        *known = (*known).max(before);
    }

    /// The trims to be written, each with a revision.
    pub(super) fn take_trims(&mut self) -> Vec<(u32, u64, u64)> {
        let trims = std::mem::take(&mut self.trims);
        let mut revision = self.revision;
        let numbered = trims.into_iter().map(|(id, before)| {
            revision += 1;
            (id, before, revision)
        });
        let numbered = numbered.collect();
        self.revision = revision;
        numbered
    }

    /// The next group's changes. They count as queued until `written` or `fail`.
    pub(super) fn take(&mut self) -> Vec<Op> {
        let mut bytes = 0usize;
        let fits = self.ops.iter().take_while(|op| {
            bytes = bytes.saturating_add(op.bytes);
            bytes <= GROUP_BYTES
        });
        let count = fits.count().max(1).min(self.ops.len());
        // What does not fit has waited for this group.
        self.due = (count < self.ops.len()).then(Instant::now);
        self.ops.drain(..count).collect()
    }

    /// These changes are durable and visible.
    pub(super) fn written(&mut self, ops: &[Op]) {
        for op in ops {
            self.release(op);
            if let Change::Put { key, .. } = &op.change
                && let Some((_, waiting)) = self.keys.get_mut(key)
            {
                *waiting -= 1;
                if *waiting == 0 {
                    self.keys.remove(key);
                }
            }
        }
    }

    fn release(&mut self, op: &Op) {
        self.bytes = self.bytes.saturating_sub(op.bytes);
        self.appends = self.appends.saturating_sub(1);
    }

    /// Takes everything of these purposes out of `group` and the queue: it cannot be written. Subjects and keys go back to what is durable.
    pub(super) fn fail(&mut self, group: &mut Vec<Op>, purposes: &[Purpose]) -> Vec<Op> {
        let failing = |op: &Op| purposes.contains(&op.change.purpose());
        let (mut failed, kept): (Vec<Op>, Vec<Op>) = std::mem::take(group).into_iter().partition(failing);
        *group = kept;
        let (queued, kept): (VecDeque<Op>, VecDeque<Op>) = std::mem::take(&mut self.ops).into_iter().partition(failing);
        self.ops = kept;
        failed.extend(queued);
        for op in &failed {
            self.release(op);
            match &op.change {
                Change::Append { stream, .. } => {
                    self.ends.remove(&stream.id);
                }
                Change::Put { key, .. } => {
                    self.keys.remove(key);
                }
            }
        }
        // With nothing left to write, the writer sleeps until what is queued next is news to it.
        self.due = (!self.ops.is_empty()).then(Instant::now);
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The writer sleeps when nothing is left; whoever queues next has to wake it.
    #[test]
    fn what_is_queued_after_everything_failed_is_news_to_the_writer() {
        let (mut queue, key) = (Queue::default(), Key::new("commit.a").unwrap());
        for _ in 0..2 {
            let before = queue.due();
            queue.put(&key, Revision::NONE, Some(bytes::Bytes::from_static(b"x")), None).unwrap();
            queue.hasten(Haste::Now);
            assert!(queue.is_news(before), "the writer sleeps on");
            assert_eq!(queue.fail(&mut Vec::new(), &Purpose::ALL).len(), 1);
        }
    }
}
