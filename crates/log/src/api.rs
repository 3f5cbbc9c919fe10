//! The trait of the log and the words it speaks.
//!
//! Everything an implementation over a network needs is a future; what readers and limits poll all the time (`changed`, `space`) is a watch channel, which
//! holds one value and so cannot grow. An append has two steps, because order and durability are two promises: once the outer future ends the records have
//! their place in the order, and the writer may go on; once the [`Ticket`] ends they are on stable storage, and a sender may be acknowledged.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
pub use futures_util::future::BoxFuture;
use tokio::sync::{oneshot, watch};

use crate::{Key, LogError, Subject};

/// Largest record in bytes: a 16 MiB message, base64 or its charset doubled, with its envelope.
pub const MAX_RECORD_BYTES: usize = 32 << 20;
/// Largest append (the records of one call) in bytes: it has to fit the queue of group commit together with one more.
pub const MAX_APPEND_BYTES: usize = 48 << 20;
/// Largest value of a key in bytes: a checkpoint of the duplicate memory; also the default limit of a NATS message.
pub const MAX_VALUE_BYTES: usize = 1 << 20;
/// Bytes of appends that may wait to be written before `append` waits: two appends of the largest size, or one segment; about a second of a slow disk.
pub const MAX_QUEUED_BYTES: usize = 64 << 20;
/// Appends that may wait: more than all connections of an engine can have open at once (1,024 connections, some appends each).
pub const MAX_QUEUED_APPENDS: usize = 8192;

/// A place in a subject. 0 is before the first record, the first record is 1, and positions are dense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

impl Position {
    /// Before the first record.
    pub const START: Self = Self(0);

    /// The place of the record after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The place `records` further.
    #[must_use]
    pub fn plus(self, records: u64) -> Self {
        Self(self.0.saturating_add(records))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The version of a key's value; grows with every change in the log. 0 means that there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl Revision {
    /// No value.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A record with its place. Its `Debug` shows the length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the subject.
    pub position: Position,
    /// Its bytes, as appended.
    pub record: Bytes,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({}, {} bytes)", self.position, self.record.len())
    }
}

/// How much one read returns: whichever comes first, but always at least one record if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// Most records.
    pub records: usize,
    /// Most bytes of records; one larger record is returned alone.
    pub bytes: usize,
}

impl Default for ReadLimit {
    /// 512 records or 4 MiB: enough to keep a stage busy, little enough to hold one batch a reader in memory.
    fn default() -> Self {
        Self { records: 512, bytes: 4 << 20 }
    }
}

/// Records that were acknowledged and cannot be read any more. Reported once a read meets them, never skipped in silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// First position lost.
    pub from: Position,
    /// Last position lost.
    pub to: Position,
    /// File and offset, for the operator.
    pub place: String,
}

/// What a read found, in order of position.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// The records, ascending; gaps are explained by `damaged` or `trimmed_to`.
    pub entries: Vec<Entry>,
    /// What lies between and cannot be read.
    pub damaged: Vec<Damage>,
    /// Set when the read began below the trim point: the first position that is still kept.
    pub trimmed_to: Option<Position>,
    /// Where the next read goes on.
    pub next: Position,
}

/// What a subject holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// First position that is kept; 1 while the subject is empty.
    pub first: Position,
    /// Last durable position.
    pub last: Position,
    /// Bytes of the kept records; exact to about one segment after a trim.
    pub bytes: u64,
}

impl Bounds {
    /// Number of records kept.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.last.next().0.saturating_sub(self.first.0)
    }
}

/// How much free space there is, from plenty to none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum SpaceLevel {
    /// Enough for all.
    #[default]
    Free,
    /// Below the first threshold: intake is refused.
    NoIntake,
    /// Below the second: routing is refused too; the rest is for outcomes, parked messages, commits and compaction.
    NoRouting,
    /// Nothing left.
    Exhausted,
}

impl SpaceLevel {
    /// Whether an append of this purpose is still taken.
    #[must_use]
    pub fn allows(self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Intake => self < Self::NoIntake,
            Purpose::Routing => self < Self::NoRouting,
            Purpose::Delivery => self < Self::Exhausted,
        }
    }
}

/// What an append is for: with little space what ends custody goes before what begins it. Derived from the subject, see [`Subject::purpose`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// New messages.
    Intake,
    /// Messages to their destinations.
    Routing,
    /// Outcomes, parked messages, commits.
    Delivery,
}

impl Purpose {
    /// All of them, in the order in which they are refused.
    pub const ALL: [Self; 3] = [Self::Intake, Self::Routing, Self::Delivery];
}

/// What was fixed when the log was made, and never changes.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Random: tells this log from every other, also from one restored or made anew under the same name.
    pub incarnation: [u8; 16],
    /// Random key of the lane hash: patient identifiers become lanes by it (G7). Secret.
    pub lane_key: [u8; 16],
    /// Number of partitions of IN; an engine with another count must not start.
    pub partitions: u32,
    /// Name of the hash that maps facilities to partitions.
    pub hash: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:02x?}, {} partitions by {})", self.incarnation, self.partitions, self.hash)
    }
}

/// The second half of an append: ends when the records are durable, with the last position.
#[must_use = "without awaiting it nothing is known to be durable"]
#[derive(Debug)]
pub struct Ticket {
    first: Position,
    last: Position,
    done: oneshot::Receiver<Result<(), LogError>>,
}

impl Ticket {
    /// For implementations: the records at `first..=last` are queued, `done` tells the result. A dropped sender means unknown.
    pub fn new(first: Position, last: Position, done: oneshot::Receiver<Result<(), LogError>>) -> Self {
        Self { first, last, done }
    }

    /// Place of the first record, if it becomes durable.
    #[must_use]
    pub fn first(&self) -> Position {
        self.first
    }

    /// Place of the last record, if it becomes durable.
    #[must_use]
    pub fn last(&self) -> Position {
        self.last
    }
}

impl Future for Ticket {
    type Output = Result<Position, LogError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let last = self.last;
        Pin::new(&mut self.done).poll(cx).map(|result| match result {
            Ok(Ok(())) => Ok(last),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(LogError::Unknown("the log ended before it answered".into())),
        })
    }
}

/// The durable log. See the crate's documentation; the rules in words are the functions of `contract`.
pub trait Log: Send + Sync + 'static {
    /// Appends `records` in order after `last`, the last position the writer knows, its own appends in flight included. Waits while the queue is full; once it
    /// has ended the place in the order is fixed. Dropped before that, nothing is appended. After a crash a prefix of the records may be stored.
    /// At least one record; each at most [`MAX_RECORD_BYTES`], all at most [`MAX_APPEND_BYTES`].
    ///
    /// # Errors
    /// `WrongLast` for a stale writer, `NoSpace` by the subject's purpose, `TooLarge`, `Failed`, `Busy`. The ticket: `NoSpace`, `Unknown`, `Failed`.
    fn append<'a>(
        &'a self,
        subject: &'a Subject,
        last: Position,
        records: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<Ticket, LogError>>;

    /// As `append`, for what nobody waits for: it may travel with what comes next, and so be durable some milliseconds later. Its place in the order is the same.
    ///
    /// # Errors
    /// As [`Log::append`].
    fn append_later<'a>(
        &'a self,
        subject: &'a Subject,
        last: Position,
        records: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<Ticket, LogError>> {
        self.append(subject, last, records)
    }

    /// The last durable record, or none if the subject never had one. Waits until every append queued here before the call has been decided: this is how a
    /// new owner begins and how an unknown result is settled. A subject's last record is never trimmed, so it is there for ever.
    ///
    /// # Errors
    /// `Damaged` if it cannot be read, `Failed`, `Storage`.
    fn last<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Option<Entry>, LogError>>;

    /// Where the subject ends, for certain: whatever was stored before the call is at or below it, whoever wrote it, and is shown by reads here from then on.
    /// Waits as `last` does. For who takes a subject over and does with what it reads what cannot be taken back: a log of several servers may answer reads with
    /// less than is stored, so it proves the end by a write that takes no position. A stale writer's append that is still on its way may be refused by that.
    ///
    /// # Errors
    /// As [`Log::last`], and as the ticket of an append.
    fn proven_end<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Position, LogError>> {
        Box::pin(async move { Ok(self.last(subject).await?.map_or(Position::START, |entry| entry.position)) })
    }

    /// Durable records from `from` on, in order. From below the trim point it continues at the trim point and says so. Empty at the end.
    ///
    /// # Errors
    /// `Storage`; damage is part of the batch.
    fn read<'a>(
        &'a self,
        subject: &'a Subject,
        from: Position,
        limit: ReadLimit,
    ) -> BoxFuture<'a, Result<Batch, LogError>>;

    /// Wakes when the subject's durable end moves, and holds it.
    fn changed(&self, subject: &Subject) -> watch::Receiver<Position>;

    /// As `changed`, for a writer: it need not show what others append, which over a network costs listening to them.
    fn appended(&self, subject: &Subject) -> watch::Receiver<Position> {
        self.changed(subject)
    }

    /// Everything before this position may be dropped, but for the last record. It takes effect for readers at once and becomes durable with what is written
    /// next: after a crash some of it may be back. Never moves backwards.
    ///
    /// # Errors
    /// `Failed`, `Busy`.
    fn trim<'a>(&'a self, subject: &'a Subject, before: Position) -> BoxFuture<'a, Result<(), LogError>>;

    /// What the subject holds.
    ///
    /// # Errors
    /// `Busy`, `Failed`.
    fn bounds<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Bounds, LogError>>;

    /// Subjects that ever had a record and whose name starts with `prefix`, sorted; some whose end was only proven may be among them.
    ///
    /// # Errors
    /// `Busy`, `Failed`.
    fn subjects<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Subject>, LogError>>;

    /// Writes a value if the key is at `expect` ([`Revision::NONE`]: must not exist); durable when it returns. At most [`MAX_VALUE_BYTES`].
    ///
    /// # Errors
    /// `WrongRevision`, `TooLarge`, `NoSpace`, `Unknown`, `Failed`, `Busy`.
    fn put<'a>(&'a self, key: &'a Key, expect: Revision, value: Bytes) -> BoxFuture<'a, Result<Revision, LogError>>;

    /// The durable value with its revision.
    ///
    /// # Errors
    /// `Busy`, `Storage`, `Damaged`.
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<(Revision, Bytes)>, LogError>>;

    /// Removes the value if the key is at `expect`; durable when it returns.
    ///
    /// # Errors
    /// As [`Log::put`].
    fn delete<'a>(&'a self, key: &'a Key, expect: Revision) -> BoxFuture<'a, Result<(), LogError>>;

    /// Keys with a durable value whose name starts with `prefix`, sorted.
    ///
    /// # Errors
    /// `Busy`, `Storage`.
    fn keys<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Key>, LogError>>;

    /// Wakes when the key's durable value changes or goes; holds the revision of the last change seen (0 at first when there is no value).
    fn watch_key(&self, key: &Key) -> watch::Receiver<Revision>;

    /// Wakes when any key with this prefix changes or goes; holds the revision of the last such change (0 until there is one).
    fn watch_keys(&self, prefix: &str) -> watch::Receiver<Revision>;

    /// Free space, as a level that wakes when it changes.
    fn space(&self) -> watch::Receiver<SpaceLevel>;

    /// What was fixed when the log was made.
    fn identity(&self) -> &Identity;
}
