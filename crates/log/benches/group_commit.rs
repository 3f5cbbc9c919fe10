//! Group commit against the limit of the machine: appends a second and their times, with 1, 16 and 64 tasks that wait for each of theirs, beside a bare loop
//! of write and sync in the same run. Ratios count, not figures: disks and neighbours differ. `BARID_BENCH_SECONDS` sets the time of one run.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark that cannot run has nothing to say")]

#[path = "load/bare.rs"]
mod bare;
#[path = "load/barid.rs"]
mod barid;
#[path = "load/mod.rs"]
mod load;

use std::sync::Arc;
use std::time::Duration;

use crate::load::{Engine, report, run};

#[tokio::main(worker_threads = 2)]
async fn main() {
    let seconds = std::env::var("BARID_BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(2.0);
    let time = Duration::from_secs_f64(seconds);
    for bytes in [1000, 2000] {
        for tasks in [1, 16, 64] {
            let directory = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
            let bare: Arc<dyn Engine> = Arc::new(bare::Bare::open(directory.path()));
            let limit = run(bare, tasks, bytes, time).await;
            report("bare", tasks, bytes, &limit, limit.rate);
            let barid: Arc<dyn Engine> = Arc::new(barid::Barid::open(directory.path(), tasks).await);
            let measured = run(barid, tasks, bytes, time).await;
            report("barid-log", tasks, bytes, &measured, limit.rate);
        }
    }
}
