//! What the handle, the writer, the keeper and the readers of one log share.
//!
//! Locks are taken in the order names, queue, index, tail, and none is held while a file is touched.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::{Notify, watch};

use super::files::Files;
use super::format::Seal;
use super::index::Index;
use super::keep::KeepState;
use super::options::Options;
use super::queue::{Names, Op, Queue, Stream};
use super::storage::Storage;
use super::tail::Tail;
use crate::{Identity, LogError, Purpose, SpaceLevel, Subject};

/// One open log.
pub(super) struct Shared {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) options: Options,
    pub(super) identity: Identity,
    pub(super) seal: Seal,
    pub(super) names: RwLock<Names>,
    pub(super) queue: Mutex<Queue>,
    /// Wakes the writer.
    pub(super) work: Condvar,
    /// Wakes appends that wait for room in the queue.
    pub(super) room: Notify,
    pub(super) index: RwLock<Index>,
    /// What was written last.
    pub(super) tail: Mutex<Tail>,
    pub(super) files: Files,
    pub(super) space: watch::Sender<SpaceLevel>,
    pub(super) keep: Mutex<KeepState>,
    /// Wakes the keeper, and the writer that waits for it.
    pub(super) keep_work: Condvar,
    /// One repair of a sidecar at a time.
    pub(super) repair: Mutex<()>,
}

impl Shared {
    /// The subject's stream, made if it is new.
    pub(super) fn stream(&self, subject: &Subject) -> Arc<Stream> {
        if let Some(stream) = self.names.read().get(subject) {
            return stream.clone();
        }
        self.names.write().intern(subject)
    }

    /// The subject's stream if it ever was asked for.
    pub(super) fn known(&self, subject: &Subject) -> Option<Arc<Stream>> {
        self.names.read().get(subject).cloned()
    }

    /// The name of a subject's id.
    pub(super) fn name_of(&self, id: u32) -> Option<Subject> {
        self.names.read().all().find(|stream| stream.id == id).map(|stream| stream.subject.clone())
    }

    /// Ends the log: nothing more is taken, all that waits fails with `error`.
    pub(super) fn fail_all(&self, error: &LogError, group: &mut Vec<Op>) {
        let failed = {
            let mut queue = self.queue.lock();
            queue.closed.get_or_insert_with(|| error.clone());
            queue.fail(group, &Purpose::ALL)
        };
        self.settle(failed, |_| error.clone());
    }

    /// Answers changes that failed, and wakes who waits for their subjects to be decided.
    pub(super) fn settle(&self, failed: Vec<Op>, error: impl Fn(Purpose) -> LogError) {
        for op in failed {
            let error = error(op.change.purpose());
            op.answer(Err(error));
        }
        for stream in self.names.read().all() {
            stream.durable.send_modify(|_| ());
        }
        self.room.notify_waiters();
    }
}
