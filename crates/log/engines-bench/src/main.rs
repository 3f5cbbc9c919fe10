//! The log's engine beside the engines it could have been built on: speed in one run, and behaviour under a flipped bit and on a full volume.

#[path = "../../benches/load/bare.rs"]
mod bare;
#[path = "../../benches/load/barid.rs"]
mod barid;
mod faults;
mod grouped;
#[path = "../../benches/load/mod.rs"]
mod load;
mod stores;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::grouped::Grouped;
use crate::load::{Engine, Measured, run};
use crate::stores::{Fjall, Redb};

/// Runs of each engine, by turns.
const TURNS: u32 = 8;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["damage"] => faults::damage(),
        ["full", directory] => faults::full(Path::new(directory)),
        _ => speed().await,
    }
}

async fn speed() {
    let seconds = std::env::var("BARID_BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(4.0);
    let turn = Duration::from_secs_f64(seconds) / TURNS;
    for bytes in [1000, 2000] {
        for tasks in [1, 16, 64] {
            let base = std::env::var_os("BARID_BENCH_DIR").unwrap_or_else(|| ".".into());
            let directory = tempfile::TempDir::new_in(base).expect("a directory");
            let at = |name: &str| {
                let path = directory.path().join(name);
                std::fs::create_dir(&path).expect("a directory");
                path
            };
            let engines: [(&str, Arc<dyn Engine>); 4] = [
                ("bare", Arc::new(bare::Bare::open(&at("bare")))),
                ("barid-log", Arc::new(barid::Barid::open(&at("barid"), tasks).await)),
                ("fjall", Arc::new(Grouped::new(Fjall::open(&at("fjall")).expect("fjall")))),
                ("redb", Arc::new(Grouped::new(Redb::open(&at("redb")).expect("redb")))),
            ];
            let mut measured: Vec<Measured> = engines.iter().map(|_| Measured::default()).collect();
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
