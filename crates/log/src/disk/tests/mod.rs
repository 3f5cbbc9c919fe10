//! The disk log keeps the contract, and what only a disk can do to it: crashes, torn writes, flipped bits, failed syncs, full volumes, compaction.

mod contract;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{DiskLog, Options, Recovery};

fn options() -> Options {
    Options {
        segment_bytes: 256 << 10,
        intake_floor: 0,
        routing_floor: 0,
        reserve_bytes: 64 << 10,
        confirm_after: Duration::from_millis(20),
        keep_every: Duration::from_millis(20),
        ..Options::new(64, "sha256")
    }
}

fn open(directory: &Path) -> (Arc<DiskLog>, Recovery) {
    let (log, recovery) = DiskLog::open(directory, options()).unwrap();
    (Arc::new(log), recovery)
}
