//! The writer: one thread that turns what is queued into groups, one write and one sync each.
//!
//! While it syncs, the next group collects in the queue; that alone makes groups as large as the load is high, without any waiting time of its own: to wait for
//! those whom the last group answered was tried, and cost more than it gave. A group is begun only after the sync of the one before it has succeeded: recovery
//! depends on it.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::files::{self, Part};
use super::format::{SEGMENT_HEADER, SegmentHeader};
use super::group::{Group, GroupBuilder, Placed};
use super::options::GroupStats;
use super::own::trim_key;
use super::queue::{Change, Op, Stream};
use super::shared::Shared;
use super::storage::{File, is_full};
use crate::{LogError, Position};

/// Bytes at the end of a segment that only trims and confirmations may use: with a full volume the trims that make space must still be written.
const MARGIN: u64 = 64 << 10;
/// A buffer larger than this is given back after a large group, in bytes.
const KEEP_BUFFER: usize = 1 << 20;

/// The segment that is being written.
pub(super) struct Active {
    pub(super) number: u64,
    pub(super) file: Arc<dyn File>,
    /// Bytes reserved.
    pub(super) size: u64,
    /// Where the next group goes.
    pub(super) end: u64,
    /// Subjects that it names.
    pub(super) defined: HashSet<u32>,
}

/// The writer's state.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) active: Active,
    /// Sequence of the last group.
    pub(super) sequence: u64,
    /// The last group holds records and nothing follows it yet.
    pub(super) unconfirmed: bool,
    pub(super) buffer: Vec<u8>,
}

/// Why a group was not written.
enum Failure {
    /// Nothing of it counts; the log goes on.
    Full,
    /// The log has failed.
    Fatal(LogError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if is_full(&error) { Self::Full } else { Self::Fatal(LogError::Failed(error.to_string().into())) }
    }
}

/// What there is to do.
enum Work {
    Group(Vec<Op>),
    Idle,
    Close,
}

impl Writer {
    /// Runs until the log is closed or has failed.
    pub(super) fn run(mut self) {
        let _fuse = Fuse(self.shared.clone());
        loop {
            let result = match self.next() {
                Work::Group(ops) => self.commit(ops),
                Work::Idle => self.confirm(),
                Work::Close => {
                    // Whatever comes of it: nobody waits for it, and the next start looks at the tail anyway.
                    drop(self.confirm());
                    return;
                }
            };
            if let Err(error) = result {
                tracing::error!(error = %error, log = %self.shared.storage.place(), "log failed, the process must restart");
                self.shared.fail_all(&error, &mut Vec::new());
                return;
            }
        }
    }

    fn next(&self) -> Work {
        let mut queue = self.shared.queue.lock();
        loop {
            if !queue.is_empty() {
                let patience = queue.patience();
                if patience.is_zero() || queue.closed.is_some() {
                    return Work::Group(queue.take());
                }
                self.shared.work.wait_for(&mut queue, patience);
                continue;
            }
            if queue.closed.is_some() {
                return Work::Close;
            }
            if !self.unconfirmed && !queue.has_trims() {
                self.shared.work.wait(&mut queue);
            } else if self.shared.work.wait_for(&mut queue, self.shared.options.confirm_after).timed_out()
                && queue.is_empty()
            {
                return Work::Idle;
            }
        }
    }

    /// Writes a group, failing as little of it as lack of space demands.
    fn commit(&mut self, mut ops: Vec<Op>) -> Result<(), LogError> {
        while !ops.is_empty() {
            let trims = self.shared.queue.lock().take_trims();
            let started = Instant::now();
            match self.write(&ops, &trims, MARGIN) {
                Ok(group) => {
                    let stats = GroupStats { appends: ops.len(), bytes: group.bytes.len(), took: started.elapsed() };
                    self.publish(group, std::mem::take(&mut ops), &trims);
                    if let Some(observer) = &self.shared.options.observer {
                        (observer.0)(stats);
                    }
                }
                Err(Failure::Full) => {
                    self.put_back(&trims);
                    self.give_way(&mut ops);
                }
                Err(Failure::Fatal(error)) => {
                    self.shared.fail_all(&error, &mut ops);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The volume is full: gives up the reserve, and refuses intake and routing; refuses everything if there is no reserve left.
    fn give_way(&self, ops: &mut Vec<Op>) {
        let (level, purposes) = self.shared.give_up_reserve();
        let failed = self.shared.queue.lock().fail(ops, purposes);
        tracing::warn!(level = ?level, refused = failed.len(), log = %self.shared.storage.place(), "volume is full");
        self.shared.settle(failed, LogError::NoSpace);
    }

    fn put_back(&self, trims: &[(u32, u64, u64)]) {
        let mut queue = self.shared.queue.lock();
        for (id, before, _) in trims {
            queue.trim(*id, *before);
        }
    }

    /// With nothing to do: writes what trims there are, or a group without records, which shows a later start that the one before it was durable.
    fn confirm(&mut self) -> Result<(), LogError> {
        let trims = self.shared.queue.lock().take_trims();
        if trims.is_empty() && !self.unconfirmed {
            return Ok(());
        }
        match self.write(&[], &trims, 0) {
            Ok(group) => self.publish(group, Vec::new(), &trims),
            Err(Failure::Full) => {
                self.put_back(&trims);
                self.shared.keep_work.notify_all();
                // Nothing was lost and nobody waits: it is tried again when there is work.
                self.unconfirmed = false;
            }
            Err(Failure::Fatal(error)) => return Err(error),
        }
        Ok(())
    }

    /// Writes and syncs one group.
    fn write(&mut self, ops: &[Op], trims: &[(u32, u64, u64)], margin: u64) -> Result<Group, Failure> {
        let mut group = self.build(ops, trims);
        if self.active.end + group.bytes.len() as u64 + margin > self.active.size {
            self.buffer = std::mem::take(&mut group.bytes);
            let needed = self.buffer.len() as u64;
            self.rotate(needed)?;
            group = self.build(ops, trims);
        }
        self.active.file.write_at(&group.bytes, self.active.end)?;
        self.active
            .file
            .sync_data()
            .map_err(|error| Failure::Fatal(LogError::Failed(format!("sync: {error}").into())))?;
        Ok(group)
    }

    fn build(&mut self, ops: &[Op], trims: &[(u32, u64, u64)]) -> Group {
        let buffer = std::mem::take(&mut self.buffer);
        let (segment, offset) = (self.active.number, self.active.end);
        let mut builder =
            GroupBuilder::new(self.shared.seal, segment, offset, self.sequence + 1, &self.active.defined, buffer);
        for op in ops {
            match &op.change {
                Change::Append { stream, first, records } => {
                    builder.data(stream.id, &stream.subject, *first, records.iter().map(AsRef::as_ref))
                }
                Change::Put { key, revision, value } => builder.key(key, *revision, value.as_deref()),
            }
        }
        for (id, before, revision) in trims {
            builder.key(&trim_key(*id), *revision, Some(&before.to_le_bytes()));
        }
        builder.finish()
    }

    /// Goes on in a new segment with room for a group of `needed` bytes. Smaller than usual if the volume has no more.
    fn rotate(&mut self, needed: u64) -> Result<(), Failure> {
        let least = SEGMENT_HEADER as u64 + needed + needed / 8 + 2 * MARGIN;
        let sizes =
            [self.shared.options.segment_bytes.max(least), (self.shared.options.segment_bytes / 8).max(least), least];
        let number = self.active.number + 1;
        let mut full = None;
        for size in sizes {
            match create(&self.shared, number, size, self.sequence + 1) {
                Ok(active) => {
                    let old = std::mem::replace(&mut self.active, active);
                    self.shared.index.write().begin(number, 0, SEGMENT_HEADER as u64);
                    self.shared.seal_later(old.number);
                    return Ok(());
                }
                Err(error) if is_full(&error) => full = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(full.map_or(Failure::Full, Failure::from))
    }

    /// The group is durable: all can see it, then who waits is woken.
    fn publish(&mut self, mut group: Group, ops: Vec<Op>, trims: &[(u32, u64, u64)]) {
        let number = self.active.number;
        self.active.end += group.bytes.len() as u64;
        self.sequence = group.sequence;
        self.unconfirmed = !group.placed.is_empty();
        for placed in &group.placed {
            if let Placed::Define { id, .. } = placed {
                self.active.defined.insert(*id);
            }
        }
        {
            let mut index = self.shared.index.write();
            index.publish(number, &group);
            for (id, before, _) in trims {
                index.trimmed(*id, *before);
            }
        }
        self.shared.queue.lock().written(&ops);
        let woken = self.visible(ops);
        match &self.shared.options.waiters {
            Some(runtime) => drop(runtime.spawn(async move { woken.wake() })),
            None => woken.wake(),
        }
        self.shared.room.notify_waiters();
        if group.bytes.capacity() <= KEEP_BUFFER {
            self.buffer = std::mem::take(&mut group.bytes);
        }
    }
}

impl Writer {
    /// What was appended can be read from now on.
    fn visible(&self, ops: Vec<Op>) -> Woken {
        let mut ends: HashMap<u32, (Arc<Stream>, u64)> = HashMap::new();
        let mut waiters = Vec::with_capacity(ops.len());
        {
            let mut tail = self.shared.tail.lock();
            for op in ops {
                if let Change::Append { stream, first, records } = op.change {
                    let (id, last) = (stream.id, first + records.len() as u64 - 1);
                    tail.add(id, first, records);
                    ends.insert(id, (stream, last));
                }
                waiters.push(op.done);
            }
        }
        let streams = ends.into_values().map(|(stream, last)| {
            stream.durable.send_if_modified(|durable| {
                *durable = Position(last);
                false
            });
            stream
        });
        Woken { streams: streams.collect(), waiters }
    }
}

/// Who waits for a group that is durable and visible.
struct Woken {
    streams: Vec<Arc<Stream>>,
    waiters: Vec<oneshot::Sender<Result<(), LogError>>>,
}

impl Woken {
    /// Who waits for an acknowledgement first, then the next stages.
    fn wake(self) {
        for waiter in self.waiters {
            // Who has gone away does not need to know.
            waiter.send(Ok(())).unwrap_or_default();
        }
        for stream in self.streams {
            stream.durable.send_modify(|_| ());
        }
    }
}

/// Fails the log if the writer ever panics: nobody may wait for it then.
struct Fuse(Arc<Shared>);

impl Drop for Fuse {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail_all(&LogError::Failed("the writer panicked".into()), &mut Vec::new());
        }
    }
}

/// Makes a segment file, durable with its header and name.
pub(super) fn create(shared: &Shared, number: u64, size: u64, base_sequence: u64) -> io::Result<Active> {
    let name = files::name(number, 0, Part::Data);
    let next_id = shared.names.read().next_id();
    let revision = shared.queue.lock().revision;
    let header = SegmentHeader { segment: number, generation: 0, base_sequence, revision, next_id };
    let file = shared.storage.create(&name, size)?;
    let written = file.write_at(&header.to_bytes(shared.seal, &shared.identity.incarnation), 0);
    let durable = written.and_then(|()| file.sync_data()).and_then(|()| shared.storage.sync_dir());
    if let Err(error) = durable {
        drop(shared.storage.remove(&name));
        return Err(error);
    }
    Ok(Active { number, file, size, end: SEGMENT_HEADER as u64, defined: HashSet::new() })
}
