//! The limit: a thread that writes what has collected with one `pwrite`, syncs it, and wakes who waits. No subjects, no checksums, no index, no reading.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::load::Engine;

#[derive(Default)]
struct Queue {
    waiting: Vec<(Bytes, oneshot::Sender<()>)>,
    closed: bool,
}

/// The bare group commit.
pub(crate) struct Bare {
    shared: Arc<(Mutex<Queue>, Condvar)>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Bare {
    /// Writes to a file of this directory.
    pub(crate) fn open(directory: &Path) -> Self {
        let file = File::create(directory.join("bare")).expect("a file");
        let shared: Arc<(Mutex<Queue>, Condvar)> = Arc::default();
        let of_thread = shared.clone();
        let thread = std::thread::spawn(move || write(&file, &of_thread));
        Self { shared, thread: Some(thread) }
    }
}

fn write(file: &File, (queue, work): &(Mutex<Queue>, Condvar)) {
    const STEP: u64 = 64 << 20;
    let (mut offset, mut reserved) = (0u64, 0u64);
    let mut buffer = Vec::new();
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
        buffer.clear();
        for (record, _) in &group {
            buffer.extend_from_slice(record);
        }
        if offset + buffer.len() as u64 > reserved {
            rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), reserved, STEP).expect("space");
            reserved += STEP;
        }
        file.write_all_at(&buffer, offset).expect("a write");
        file.sync_data().expect("a sync");
        offset += buffer.len() as u64;
        for (_, done) in group {
            done.send(()).expect("a waiter");
        }
    }
}

impl Engine for Bare {
    fn append(&self, _: usize, record: Bytes) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let (done, wait) = oneshot::channel();
            self.shared.0.lock().waiting.push((record, done));
            self.shared.1.notify_one();
            wait.await.expect("written");
        })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.shared.0.lock().closed = true;
        self.shared.1.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the writer");
        }
    }
}
