//! This crate's log on disk: one subject a task, as partitions and destinations are.

use std::path::Path;

use barid_log::disk::{DiskLog, Options};
use barid_log::{Log, Subject, Writer};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::Mutex;

use super::load::Engine;

/// The log with a writer for each task.
pub(crate) struct Barid {
    writers: Vec<Mutex<Writer>>,
}

impl Barid {
    /// Opens it in this directory.
    pub(crate) async fn open(directory: &Path, tasks: usize) -> Self {
        let (log, _) = DiskLog::open(directory, Options::new(64, "sha256")).expect("a log");
        let log: Arc<dyn Log> = Arc::new(log);
        let mut writers = Vec::new();
        for task in 0..tasks {
            let subject = Subject::new(format!("in.{task:02}")).expect("a name");
            writers.push(Mutex::new(Writer::open(log.clone(), subject).await.expect("a writer").0));
        }
        Self { writers }
    }
}

impl Engine for Barid {
    fn append(&self, task: usize, record: Bytes) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let ticket = self.writers[task].lock().await.append(vec![record]).await.expect("queued");
            ticket.await.expect("durable");
        })
    }
}
