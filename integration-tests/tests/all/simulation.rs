//! Router and delivery under crashes at every durable write, over a log that becomes durable when it pleases.
//!
//! The real router, owner, window and parking run in paused time over the memory log. Receivers accept, refuse, break
//! off before and after they have the message; people hold, release, run again and discard; the process dies at random
//! and starts from what the log kept. Afterwards everything is healed and the history is judged: nothing acknowledged
//! is missing, nothing is out of order in its lane, a repeat is marked. A failing seed is printed:
//! `BARID_SEED=n cargo test -p barid-integration-tests simulation` runs it alone.

mod history;
mod random;
mod world;

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use random::Random;
use world::World;

/// Histories a run of the test suite plays, some a second and core; `BARID_HISTORIES` plays more.
const HISTORIES: u64 = 400;

/// A history takes a fraction of a second.
const SPINS_AFTER: Duration = Duration::from_secs(60);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn play(seed: u64) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async move { World::new(Random::new(seed)).play().await })
}

#[test]
fn d02_o01_o03_no_crash_loses_reorders_or_silently_repeats_a_message() {
    let seeds: Vec<u64> = match number("BARID_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("BARID_HISTORIES").unwrap_or(HISTORIES)).collect(),
    };
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    watched(*seed).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
                }
            });
        }
    });
}

/// Plays one history; one that goes round in circles, where paused time never passes, ends the run and names its seed.
fn watched(seed: u64) -> Result<(), String> {
    let (done, ended) = std::sync::mpsc::sync_channel::<()>(1);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if ended.recv_timeout(SPINS_AFTER) == Err(RecvTimeoutError::Timeout) {
                std::io::stderr().write_all(format!("seed {seed} goes round in circles\n").as_bytes()).unwrap();
                std::process::abort();
            }
        });
        let played = play(seed);
        drop(done);
        played
    })
}
