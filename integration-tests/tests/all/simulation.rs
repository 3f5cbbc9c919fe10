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

use random::Random;
use world::World;

/// Histories a run of the test suite plays, some a second and core; `BARID_HISTORIES` plays more.
const HISTORIES: u64 = 400;

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
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for share in seeds.chunks(seeds.len().div_ceil(threads)) {
            scope.spawn(move || {
                share.iter().for_each(|seed| play(*seed).unwrap_or_else(|why| panic!("seed {seed}: {why}")))
            });
        }
    });
}
