//! Group commit against the limit of the machine: appends a second and their times, with 1, 16 and 64 tasks that wait for each of theirs, beside a bare loop
//! of write and sync in the same run. Ratios count, not figures: disks and neighbours differ. `BARID_BENCH_SECONDS` sets the time of each engine.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark that cannot run has nothing to say")]

#[path = "load/bare.rs"]
mod bare;
#[path = "load/barid.rs"]
mod barid;
#[path = "load/mod.rs"]
mod load;

use std::sync::Arc;
use std::time::Duration;

use crate::load::{Engine, Measured, run};

/// Runs of each engine, by turns, so that what else the machine does meets all of them.
const TURNS: u32 = 8;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let seconds = std::env::var("BARID_BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(4.0);
    let turn = Duration::from_secs_f64(seconds) / TURNS;
    for bytes in [1000, 2000] {
        for tasks in [1, 16, 64] {
            let directory = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
            let engines: [(&str, Arc<dyn Engine>); 2] = [
                ("bare", Arc::new(bare::Bare::open(directory.path()))),
                ("barid-log", Arc::new(barid::Barid::open(directory.path(), tasks).await)),
            ];
            let mut measured = [Measured::default(), Measured::default()];
            for _ in 0..TURNS {
                for ((_, engine), sum) in engines.iter().zip(&mut measured) {
                    sum.add(run(engine, tasks, bytes, turn).await);
                }
            }
            let limit = measured[0].rate();
            for ((name, _), sum) in engines.iter().zip(&mut measured) {
                sum.report(name, tasks, bytes, limit);
            }
        }
    }
}
