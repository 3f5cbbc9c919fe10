//! A reader of the log, as the service has it: from the stored positions, in batches, again after what may be tried again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use barid_ledger::contract::world::{World, Written, changes};
use barid_ledger::{Ledger, LedgerError};
use barid_model::ErrorClass;

/// What a feed met on its way.
#[derive(Debug, Default)]
pub(crate) struct Met {
    /// Batches taken.
    pub(crate) batches: usize,
    /// Times another one was writing.
    pub(crate) held: usize,
    /// Other errors after which it went on.
    pub(crate) again: usize,
}

/// Feeds until all is there, `stop`, or the deadline; pauses between batches.
pub(crate) fn feed(ledger: &dyn Ledger, world: &World, batch: usize, pause: Duration, stop: &AtomicBool) -> Met {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut met = Met::default();
    while !stop.load(Ordering::Relaxed) {
        assert!(Instant::now() < deadline, "the feed does not end: {met:?}");
        match run(ledger, world, batch, pause, stop, &mut met) {
            Ok(()) => return met,
            Err(error) => {
                assert_eq!(error.class(), ErrorClass::Retryable, "{error}");
                match error {
                    LedgerError::Locked { .. } => met.held += 1,
                    _ => met.again += 1,
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
    met
}

fn run(
    ledger: &dyn Ledger,
    world: &World,
    batch: usize,
    pause: Duration,
    stop: &AtomicBool,
    met: &mut Met,
) -> Result<(), LedgerError> {
    let known: HashMap<String, u64> = ledger.positions()?.into_iter().collect();
    let left: Vec<(String, u64, Written)> = world
        .records
        .iter()
        .filter(|(subject, position, _)| known.get(subject).copied().unwrap_or(0) < *position)
        .cloned()
        .collect();
    for records in left.chunks(batch) {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let positions: Vec<(&str, u64)> =
            records.iter().map(|(subject, position, _)| (subject.as_str(), *position)).collect();
        ledger.apply(&changes(records), &positions)?;
        met.batches += 1;
        std::thread::sleep(pause);
    }
    Ok(())
}
