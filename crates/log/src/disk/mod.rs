//! The log on disk: one process, one directory, one sequence of segment files for all subjects.
//!
//! Why one sequence: a message costs an append to IN, outputs to OUT, a ROUTED record, an OUTCOME, a commit, and each must be durable before the next step.
//! One file for all of them lets one `fdatasync` serve everything that waits at that moment, whatever it is for; the rest of the design follows.
//!
//! * `queue` gives places: order, compare-and-set, bounds. `write` (one thread) turns what is queued into groups. `group` and `format` are the bytes.
//! * `index` knows where everything is, `places` and `sidecar` what one segment holds, `read` reads it; `tail` has what was written last. `files` keeps a bounded number of files open.
//! * `keep` (another thread) seals segments, watches free space, and lets `compact` give space back behind the trims.
//! * `open` and `scan` are the start: what is torn is cut off, what is damaged is reported with its place and served around, and the last group is copied
//!   to new storage before anyone may believe it.
//!
//! What happens when a sync fails: nothing is known about what was written since the last good one, and the page cache may show it all the same. The log then
//! fails for ever (`LogError::Failed`), the process stops, and the next start does not believe the last group (see `open`).
//!
//! What happens when the volume is full: the group that met it fails, whole, and nothing of it counts; intake and routing are refused, the reserve file is given
//! up for outcomes and commits, and trims free segments. When space is back the log goes on by itself.
//!
//! Keys and their values live in the same segments; the newest record of a key is what counts. A trim is a key of the engine's own.

mod compact;
mod files;
mod format;
mod group;
mod identity;
mod index;
mod keep;
mod open;
mod options;
mod own;
mod places;
mod queue;
mod read;
mod scan;
mod shared;
mod sidecar;
#[cfg(any(test, feature = "contract"))]
pub mod simulated;
pub mod storage;
mod tail;
#[cfg(test)]
mod tests;
mod write;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::watch;

pub use self::options::{GroupStats, Observer, OpenError, Options, Recovery};
use self::queue::{Haste, Queue, Queued};
use self::shared::Shared;
use self::storage::{Directory, Storage};
use crate::memory::{check_append, check_value};
use crate::{
    Batch, Bounds, BoxFuture, Entry, Identity, Key, Log, LogError, Position, Purpose, ReadLimit, Revision, SpaceLevel,
    Subject, Ticket,
};

/// Largest segment, in bytes: offsets in it have 32 bits, and a start reads the last one whole.
const MAX_SEGMENT_BYTES: u64 = 1 << 30;

/// The log on disk. Dropping it writes what is queued, and ends its threads.
pub struct DiskLog {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Held until the threads have ended.
    _lock: Box<dyn Send + Sync>,
}

impl DiskLog {
    /// Opens the log in this directory, which is made if it is missing. Blocks: up to a second for a large log.
    ///
    /// # Errors
    /// [`OpenError`] says what to do.
    pub fn open(directory: &Path, options: Options) -> Result<(Self, Recovery), OpenError> {
        let place = directory.display().to_string();
        let storage = Directory::open(directory).map_err(|source| OpenError::Storage {
            place,
            what: "opening its directory",
            source,
        })?;
        Self::open_on(Arc::new(storage), options)
    }

    /// Opens the log on a storage, which may be one that fails on purpose.
    ///
    /// # Errors
    /// [`OpenError`] says what to do.
    pub fn open_on(storage: Arc<dyn Storage>, mut options: Options) -> Result<(Self, Recovery), OpenError> {
        options.segment_bytes = options.segment_bytes.min(MAX_SEGMENT_BYTES);
        let place = storage.place();
        let lock = storage.lock().map_err(|source| match source.kind() {
            std::io::ErrorKind::WouldBlock => OpenError::Locked(place.clone()),
            _ => OpenError::Storage { place: place.clone(), what: "locking it", source },
        })?;
        let total = storage.total_bytes().map_err(|source| OpenError::Storage {
            place: place.clone(),
            what: "asking for the size of its volume",
            source,
        })?;
        let (shared, writer, recovery) = open::open(storage, options.fitted(total))?;
        shared.check_space();
        let keeper = shared.clone();
        let spawned = [
            std::thread::Builder::new().name("log-writer".into()).spawn(move || writer.run()),
            std::thread::Builder::new().name("log-keeper".into()).spawn(move || keeper.keep()),
        ];
        let mut log = Self { shared, threads: Vec::new(), _lock: lock };
        for thread in spawned {
            log.threads.push(thread.map_err(|source| OpenError::Storage {
                place: place.clone(),
                what: "starting its threads",
                source,
            })?);
        }
        Ok((log, recovery))
    }

    /// Queues a change, waiting while the queue is full.
    async fn queue(
        &self,
        mut change: impl FnMut(&mut Queue, &Shared) -> Result<Queued, LogError>,
    ) -> Result<Queued, LogError> {
        loop {
            if let Some(queued) = self.try_queue(&mut change) {
                return queued;
            }
            // Registered before the second look, so that room made in between is not missed.
            let room = self.shared.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if let Some(queued) = self.try_queue(&mut change) {
                return queued;
            }
            room.await;
        }
    }

    /// Queues a change if there is room.
    fn try_queue(
        &self,
        change: &mut impl FnMut(&mut Queue, &Shared) -> Result<Queued, LogError>,
    ) -> Option<Result<Queued, LogError>> {
        let mut queue = self.shared.queue.lock();
        if let Some(error) = &queue.closed {
            return Some(Err(error.clone()));
        }
        if !queue.has_room() {
            return None;
        }
        let due = queue.due();
        let queued = change(&mut queue, &self.shared);
        let is_news = queue.is_news(due);
        drop(queue);
        if is_news {
            self.shared.work.notify_one();
        }
        Some(queued)
    }

    fn check_space(&self, purpose: Purpose) -> Result<(), LogError> {
        if self.shared.space.borrow().allows(purpose) { Ok(()) } else { Err(LogError::NoSpace(purpose)) }
    }

    async fn append_with(
        &self,
        haste: Haste,
        subject: &Subject,
        last: Position,
        records: Vec<Bytes>,
    ) -> Result<Ticket, LogError> {
        let bytes = check_append(&records)?;
        self.check_space(subject.purpose())?;
        let stream = self.shared.stream(subject);
        let mut records = Some(records);
        let queued = self.queue(|queue, _| {
            let queued = queue.append(&stream, last, records.take().unwrap_or_default(), bytes)?;
            queue.hasten(haste);
            Ok(queued)
        });
        let queued = queued.await?;
        Ok(Ticket::new(last.next(), Position(queued.at), queued.done))
    }

    async fn change_key(&self, key: &Key, expect: Revision, value: Option<Bytes>) -> Result<Revision, LogError> {
        self.check_space(Purpose::Delivery)?;
        let queued = self.queue(|queue, shared| {
            let durable = shared.index.read().keys.get(key).copied();
            let queued = queue.put(key, expect, value.clone(), durable)?;
            queue.hasten(Haste::Now);
            Ok(queued)
        });
        let queued = queued.await?;
        let unknown = |_| Err(LogError::Unknown("the log ended before it answered".into()));
        queued.done.await.unwrap_or_else(unknown).map(|()| Revision(queued.at))
    }
}

impl Drop for DiskLog {
    fn drop(&mut self) {
        self.shared.queue.lock().closed.get_or_insert_with(|| LogError::Busy("closing".into()));
        self.shared.work.notify_one();
        self.shared.room.notify_waiters();
        for thread in self.threads.drain(..) {
            // A thread that panicked has failed the log already. The keeper ends after the writer, which may wait for it.
            drop(thread.join());
            self.shared.stop_keeping();
        }
    }
}

impl Log for DiskLog {
    fn append<'a>(
        &'a self,
        subject: &'a Subject,
        last: Position,
        records: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<Ticket, LogError>> {
        Box::pin(self.append_with(Haste::Now, subject, last, records))
    }

    fn append_later<'a>(
        &'a self,
        subject: &'a Subject,
        last: Position,
        records: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<Ticket, LogError>> {
        Box::pin(self.append_with(Haste::Later, subject, last, records))
    }

    fn last<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Option<Entry>, LogError>> {
        Box::pin(async move {
            let Some(stream) = self.shared.known(subject) else { return Ok(None) };
            let mut durable = stream.durable.subscribe();
            let last = loop {
                let last = *durable.borrow_and_update();
                {
                    let queue = self.shared.queue.lock();
                    match &queue.closed {
                        Some(error @ LogError::Failed(_)) => return Err(error.clone()),
                        _ if queue.end(&stream) == last.0 => break last,
                        _ => {}
                    }
                }
                if durable.changed().await.is_err() {
                    return Err(LogError::Busy("closed".into()));
                }
            };
            if last == Position::START {
                return Ok(None);
            }
            let mut batch = self.read(subject, last, ReadLimit { records: 1, bytes: 1 }).await?;
            match (batch.entries.pop(), batch.damaged.pop()) {
                (Some(entry), _) => Ok(Some(entry)),
                (None, damage) => Err(LogError::Damaged(damage.map_or_else(String::new, |damage| damage.place).into())),
            }
        })
    }

    fn read<'a>(
        &'a self,
        subject: &'a Subject,
        from: Position,
        limit: ReadLimit,
    ) -> BoxFuture<'a, Result<Batch, LogError>> {
        Box::pin(async move {
            let Some(stream) = self.shared.known(subject) else {
                return Ok(Batch { next: from.max(Position(1)), ..Batch::default() });
            };
            let id = stream.id;
            if let Some(batch) = self.shared.read_tail(id, from.0.max(1), limit) {
                return Ok(batch);
            }
            // What has just been written is in the page cache, and a few microseconds of `pread` are less than a change of threads. Sealed segments may have to
            // come from the device, which would hold up every other task of this thread.
            if self.shared.is_cold(id, from.0.max(1)) && tokio::runtime::Handle::try_current().is_ok() {
                let shared = self.shared.clone();
                let reading = tokio::task::spawn_blocking(move || shared.read_batch(id, from.0, limit));
                return reading.await.unwrap_or_else(|error| Err(LogError::Storage(error.to_string().into())));
            }
            self.shared.read_batch(id, from.0, limit)
        })
    }

    fn changed(&self, subject: &Subject) -> watch::Receiver<Position> {
        self.shared.stream(subject).durable.subscribe()
    }

    fn trim<'a>(&'a self, subject: &'a Subject, before: Position) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move {
            let Some(stream) = self.shared.known(subject) else { return Ok(()) };
            let trimmed = self.shared.index.write().trim(stream.id, before.0);
            let Some(before) = trimmed else { return Ok(()) };
            let mut queue = self.shared.queue.lock();
            if let Some(error) = &queue.closed {
                return Err(error.clone());
            }
            queue.trim(stream.id, before);
            drop(queue);
            self.shared.work.notify_one();
            Ok(())
        })
    }

    fn bounds<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Bounds, LogError>> {
        Box::pin(async move {
            let none = Bounds { first: Position(1), ..Bounds::default() };
            Ok(self.shared.known(subject).and_then(|stream| self.shared.index.read().bounds(stream.id)).unwrap_or(none))
        })
    }

    fn subjects<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Subject>, LogError>> {
        Box::pin(async move {
            let names = self.shared.names.read();
            let written = names.all().filter(|stream| *stream.durable.borrow() > Position::START);
            let mut found: Vec<_> =
                written.map(|stream| stream.subject.clone()).filter(|s| s.as_str().starts_with(prefix)).collect();
            found.sort();
            Ok(found)
        })
    }

    fn put<'a>(&'a self, key: &'a Key, expect: Revision, value: Bytes) -> BoxFuture<'a, Result<Revision, LogError>> {
        Box::pin(async move {
            check_value(&value)?;
            self.change_key(key, expect, Some(value)).await
        })
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<(Revision, Bytes)>, LogError>> {
        Box::pin(async move { Ok(self.shared.read_key(key)?.map(|(revision, value)| (Revision(revision), value))) })
    }

    fn delete<'a>(&'a self, key: &'a Key, expect: Revision) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move { self.change_key(key, expect, None).await.map(|_| ()) })
    }

    fn keys<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Key>, LogError>> {
        Box::pin(async move {
            let index = self.shared.index.read();
            let from = (std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded);
            let keys =
                index.keys.range::<str, _>(from).map(|(key, _)| key).take_while(|key| key.as_str().starts_with(prefix));
            Ok(keys.filter(|key| !own::is_own(key)).cloned().collect())
        })
    }

    fn watch_key(&self, key: &Key) -> watch::Receiver<Revision> {
        let mut index = self.shared.index.write();
        let now = index.keys.get(key).map_or(Revision::NONE, |state| Revision(state.revision));
        index.watchers.key(key, now)
    }

    fn watch_keys(&self, prefix: &str) -> watch::Receiver<Revision> {
        self.shared.index.write().watchers.prefix(prefix)
    }

    fn space(&self) -> watch::Receiver<SpaceLevel> {
        self.shared.space.subscribe()
    }

    fn identity(&self) -> &Identity {
        &self.shared.identity
    }
}
