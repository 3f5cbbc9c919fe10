//! How many records a second each ledger takes of the same batches, one after the other in one run; the ratio is printed.
//! Numbers that mean something: `cargo test --release -p barid-ledger-postgres --test one speed -- --nocapture`.

use std::time::{Duration, Instant};

use barid_ledger::contract::world::{World, apply};
use barid_ledger::{Ledger, SqliteLedger};
use barid_ledger_postgres::PostgresLedger;

use crate::support::{options, start};

/// Messages, three records each.
const MESSAGES: usize = 9_000;
/// Records of a batch: as the feed has them.
const BATCH: usize = 3_000;

#[test]
fn speed_beside_sqlite_is_printed_and_not_far_off() {
    let mut world = World::default();
    for _ in 0..MESSAGES {
        world.deliver();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteLedger::open(&folder.path().join("ledger.sqlite")).unwrap();
    let server = start();
    let database = PostgresLedger::open(options(&server).0).unwrap();
    let ledgers: [(&dyn Ledger, &str); 2] = [(&file, "sqlite"), (&database, "postgres")];
    let mut spent = [Duration::ZERO; 2];
    for records in world.records.chunks(BATCH) {
        for ((ledger, _), spent) in ledgers.iter().zip(&mut spent) {
            let begun = Instant::now();
            apply(*ledger, records);
            *spent += begun.elapsed();
        }
    }
    let rates = spent.map(|time| world.records.len() as f64 / time.as_secs_f64());
    println!("records/s: sqlite {:.0}, postgres {:.0}, ratio {:.2}", rates[0], rates[1], rates[1] / rates[0]);
    assert!(rates[1] > 1_000.0, "postgres takes {:.0} records/s", rates[1]);
}
