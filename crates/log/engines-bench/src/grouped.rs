//! Group commit over a store: one thread, and one durable batch for all that waits.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::load::Engine;

/// A store that makes a batch of keyed records durable.
pub(crate) trait Store: Send + 'static {
    /// Ends when all of it is durable.
    fn commit(&mut self, batch: &[(Vec<u8>, Bytes)]) -> Result<(), String>;
    /// How many of the records `0..count` of task 0 can be read, and the first error.
    fn readable(&self, count: u64) -> (u64, Option<String>);
}

/// The key of a record: its task and its position, so that the records of a task are in order.
pub(crate) fn key(task: usize, position: u64) -> Vec<u8> {
    let mut key = (task as u16).to_be_bytes().to_vec();
    key.extend_from_slice(&position.to_be_bytes());
    key
}

#[derive(Default)]
struct Queue {
    waiting: Vec<(usize, Bytes, oneshot::Sender<()>)>,
    closed: bool,
}

/// The engine of a store.
pub(crate) struct Grouped {
    shared: Arc<(Mutex<Queue>, Condvar)>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Grouped {
    /// Runs the store in a thread.
    pub(crate) fn new(mut store: impl Store) -> Self {
        let shared: Arc<(Mutex<Queue>, Condvar)> = Arc::default();
        let of_thread = shared.clone();
        let thread = std::thread::spawn(move || {
            let (queue, work) = &*of_thread;
            let mut positions: HashMap<usize, u64> = HashMap::new();
            loop {
                let group = {
                    let mut queue = queue.lock();
                    while queue.waiting.is_empty() && !queue.closed {
                        work.wait(&mut queue);
                    }
                    std::mem::take(&mut queue.waiting)
                };
                if group.is_empty() {
                    return;
                }
                let mut batch = Vec::with_capacity(group.len());
                for (task, record, _) in &group {
                    let position = positions.entry(*task).or_default();
                    batch.push((key(*task, *position), record.clone()));
                    *position += 1;
                }
                store.commit(&batch).expect("a commit");
                for (.., done) in group {
                    done.send(()).expect("a waiter");
                }
            }
        });
        Self { shared, thread: Some(thread) }
    }
}

impl Engine for Grouped {
    fn append(&self, task: usize, record: Bytes) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let (done, wait) = oneshot::channel();
            self.shared.0.lock().waiting.push((task, record, done));
            self.shared.1.notify_one();
            wait.await.expect("written");
        })
    }
}

impl Drop for Grouped {
    fn drop(&mut self) {
        self.shared.0.lock().closed = true;
        self.shared.1.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the writer");
        }
    }
}
