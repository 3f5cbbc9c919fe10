//! The log in memory: for tests and for simulation of what a disk or a network does.
//!
//! Plainly made it is durable at once. Under control ([`MemoryLog::hold`]) appends wait in one queue, as they do before an fsync, until
//! [`MemoryLog::release`] makes some of them durable; [`MemoryLog::crash`] drops the rest and gives the log that a restart would find, with as many of the
//! queued appends as wanted, because an append without an answer may well be stored. [`MemoryLog::fail_next`] and [`MemoryLog::set_space`] play a failing
//! and a full log. Everything is deterministic: no thread, no clock.

mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};

use self::state::{Change, State};
use crate::{
    Batch, Bounds, BoxFuture, Entry, Identity, Key, Log, LogError, MAX_APPEND_BYTES, MAX_RECORD_BYTES, MAX_VALUE_BYTES,
    Position, ReadLimit, Revision, SpaceLevel, Subject, Ticket,
};

/// What happens to the next append or put instead of becoming durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and is not stored.
    NoSpace,
    /// The caller learns nothing, and it is stored.
    UnknownStored,
    /// The caller learns nothing, and it is not stored.
    UnknownLost,
}

/// The log in memory. Cheap to clone: clones are handles of one log.
#[derive(Clone)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    identity: Identity,
    space: watch::Sender<SpaceLevel>,
    room: Notify,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new(64)
    }
}

impl MemoryLog {
    /// An empty log, with a fixed incarnation and lane key, so that simulations repeat.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        Self::with_identity(Identity { incarnation: [1; 16], lane_key: [2; 16], partitions, hash: "sha256".into() })
    }

    /// An empty log with this identity.
    #[must_use]
    pub fn with_identity(identity: Identity) -> Self {
        Self::with_state(identity, State::default())
    }

    fn with_state(identity: Identity, state: State) -> Self {
        let shared = Shared {
            state: Mutex::new(state),
            identity,
            space: watch::Sender::new(SpaceLevel::Free),
            room: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// From now on (`true`) appends and puts wait until released; `false` releases all and goes back to durable at once.
    pub fn hold(&self, hold: bool) {
        self.shared.state.lock().hold = hold;
        if !hold {
            self.release(usize::MAX);
        }
    }

    /// Number of appends and puts that wait to become durable.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.state.lock().queue.len()
    }

    /// Makes the first `count` waiting appends and puts durable, and returns how many there were.
    pub fn release(&self, count: usize) -> usize {
        let released = self.shared.state.lock().release(count);
        self.shared.room.notify_waiters();
        released
    }

    /// The next append or put that would become durable meets this instead. Faults queue up.
    pub fn fail_next(&self, fault: Fault) {
        self.shared.state.lock().faults.push_back(fault);
    }

    /// Plays a volume with this much space.
    pub fn set_space(&self, level: SpaceLevel) {
        self.shared.space.send_replace(level);
    }

    /// The process dies: the first `stored` of the waiting appends and puts are stored all the same, the others are lost, and no waiter learns which. This
    /// handle and its clones answer `Failed` from now on; the returned one is the log that a restart finds.
    #[must_use]
    pub fn crash(&self, stored: usize) -> Self {
        let after = self.shared.state.lock().crash(stored);
        self.shared.room.notify_waiters();
        Self::with_state(self.shared.identity.clone(), after)
    }

    async fn queue(&self, change: Change) -> Result<Queued, LogError> {
        let mut change = Some(change);
        loop {
            let room = self.shared.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            {
                let mut state = self.shared.state.lock();
                state.check_open()?;
                if state.has_room()
                    && let Some(change) = change.take()
                {
                    let (sender, done) = oneshot::channel();
                    let at = state.push(change, sender)?;
                    if !state.hold {
                        state.release(usize::MAX);
                    }
                    return Ok(Queued { at, done });
                }
            }
            room.await;
        }
    }
}

/// Where a queued change will be, and who tells when it is.
struct Queued {
    at: u64,
    done: oneshot::Receiver<Result<(), LogError>>,
}

async fn wait(done: oneshot::Receiver<Result<(), LogError>>) -> Result<(), LogError> {
    done.await.unwrap_or_else(|_| Err(LogError::Unknown("the log ended before it answered".into())))
}

/// The limits that every implementation checks before it queues.
pub(crate) fn check_append(records: &[Bytes]) -> Result<usize, LogError> {
    let mut total = 0usize;
    for record in records {
        if record.len() > MAX_RECORD_BYTES {
            return Err(LogError::TooLarge { bytes: record.len(), limit: MAX_RECORD_BYTES });
        }
        total = total.saturating_add(record.len());
    }
    if total > MAX_APPEND_BYTES {
        return Err(LogError::TooLarge { bytes: total, limit: MAX_APPEND_BYTES });
    }
    if records.is_empty() {
        return Err(LogError::Storage("an append has at least one record".into()));
    }
    Ok(total)
}

/// The limit of a value.
pub(crate) fn check_value(value: &Bytes) -> Result<(), LogError> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(LogError::TooLarge { bytes: value.len(), limit: MAX_VALUE_BYTES });
    }
    Ok(())
}

impl Log for MemoryLog {
    fn append<'a>(
        &'a self,
        subject: &'a Subject,
        last: Position,
        records: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<Ticket, LogError>> {
        Box::pin(async move {
            check_append(&records)?;
            let purpose = subject.purpose();
            if !self.shared.space.borrow().allows(purpose) {
                return Err(LogError::NoSpace(purpose));
            }
            let queued = self.queue(Change::Append { subject: subject.clone(), last, records }).await?;
            Ok(Ticket::new(last.next(), Position(queued.at), queued.done))
        })
    }

    fn last<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Option<Entry>, LogError>> {
        Box::pin(async move {
            let mut changed = self.changed(subject);
            loop {
                {
                    changed.borrow_and_update();
                    let state = self.shared.state.lock();
                    state.check_open()?;
                    if let Some(last) = state.settled_last(subject) {
                        return Ok(last);
                    }
                }
                if changed.changed().await.is_err() {
                    return Err(LogError::Busy("closed".into()));
                }
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
            let state = self.shared.state.lock();
            state.check_open()?;
            Ok(state.read(subject, from, limit))
        })
    }

    fn changed(&self, subject: &Subject) -> watch::Receiver<Position> {
        self.shared.state.lock().stream(subject).durable.subscribe()
    }

    fn trim<'a>(&'a self, subject: &'a Subject, before: Position) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move {
            let mut state = self.shared.state.lock();
            state.check_open()?;
            state.trim(subject, before);
            Ok(())
        })
    }

    fn bounds<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Bounds, LogError>> {
        Box::pin(async move {
            let state = self.shared.state.lock();
            state.check_open()?;
            Ok(state.bounds(subject))
        })
    }

    fn subjects<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Subject>, LogError>> {
        Box::pin(async move {
            let state = self.shared.state.lock();
            state.check_open()?;
            Ok(state.subjects(prefix))
        })
    }

    fn put<'a>(&'a self, key: &'a Key, expect: Revision, value: Bytes) -> BoxFuture<'a, Result<Revision, LogError>> {
        Box::pin(async move {
            check_value(&value)?;
            let purpose = crate::Purpose::Delivery;
            if !self.shared.space.borrow().allows(purpose) {
                return Err(LogError::NoSpace(purpose));
            }
            let queued = self.queue(Change::Put { key: key.clone(), expect, value: Some(value) }).await?;
            wait(queued.done).await.map(|()| Revision(queued.at))
        })
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<(Revision, Bytes)>, LogError>> {
        Box::pin(async move {
            let state = self.shared.state.lock();
            state.check_open()?;
            Ok(state.keys.get(key).cloned())
        })
    }

    fn delete<'a>(&'a self, key: &'a Key, expect: Revision) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move {
            let queued = self.queue(Change::Put { key: key.clone(), expect, value: None }).await?;
            wait(queued.done).await
        })
    }

    fn keys<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Key>, LogError>> {
        Box::pin(async move {
            let state = self.shared.state.lock();
            state.check_open()?;
            Ok(state.keys_with(prefix))
        })
    }

    fn watch_key(&self, key: &Key) -> watch::Receiver<Revision> {
        let mut state = self.shared.state.lock();
        let now = state.keys.get(key).map_or(Revision::NONE, |(revision, _)| *revision);
        state.watchers.key(key, now)
    }

    fn watch_keys(&self, prefix: &str) -> watch::Receiver<Revision> {
        self.shared.state.lock().watchers.prefix(prefix)
    }

    fn space(&self) -> watch::Receiver<SpaceLevel> {
        self.shared.space.subscribe()
    }

    fn identity(&self) -> &Identity {
        &self.shared.identity
    }
}
