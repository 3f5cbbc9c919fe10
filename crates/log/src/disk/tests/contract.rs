//! The contract suite on a real directory, with segments small enough that everything crosses them; with waiters woken by the writer, and by a task of their own.

use std::sync::Arc;

use tempfile::TempDir;
use tokio::runtime::Handle;

use super::options;
use crate::contract::Harness;
use crate::disk::{DiskLog, Options};
use crate::{BoxFuture, Log};

struct Disk {
    directory: TempDir,
    waiters: Option<Handle>,
}

impl Disk {
    fn new(waiters: Option<Handle>) -> Self {
        Self { directory: TempDir::new().unwrap(), waiters }
    }

    fn log(&self) -> Arc<dyn Log> {
        let options = Options { waiters: self.waiters.clone(), ..options() };
        Arc::new(DiskLog::open(self.directory.path(), options).unwrap().0)
    }
}

impl Harness for Disk {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Log>> {
        Box::pin(async { self.log() })
    }
    fn restart(&self, log: Arc<dyn Log>) -> BoxFuture<'_, Arc<dyn Log>> {
        Box::pin(async {
            drop(log);
            self.log()
        })
    }
}

crate::log_contract!(Disk::new(None));

mod woken_by_a_task {
    use super::{Disk, Handle};

    crate::log_contract!(Disk::new(Some(Handle::current())));
}
