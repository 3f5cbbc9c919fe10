//! The contract suite on a real directory, with segments small enough that everything crosses them.

use std::sync::Arc;

use tempfile::TempDir;

use super::open;
use crate::contract::Harness;
use crate::{BoxFuture, Log};

struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }
}

impl Harness for Disk {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Log>> {
        Box::pin(async { open(self.0.path()).0 as Arc<dyn Log> })
    }
    fn restart(&self, log: Arc<dyn Log>) -> BoxFuture<'_, Arc<dyn Log>> {
        Box::pin(async {
            drop(log);
            open(self.0.path()).0 as Arc<dyn Log>
        })
    }
}

crate::log_contract!(Disk::new());
