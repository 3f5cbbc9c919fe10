//! A database that lost what it had acknowledged: a replica that took over too early, a backup that was restored.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use barid_ledger::contract::ask::{picture, same};
use barid_ledger::contract::rebuild::history;
use barid_ledger::contract::world::{apply, changes};
use barid_ledger::{Ledger, SqliteLedger};
use barid_ledger_postgres::PostgresLedger;
use barid_model::ErrorClass;

use crate::feed::feed;
use crate::support::{options, runtime, start};

/// All tables that hold what was fed.
const FED: [&str; 8] = ["message", "delivery", "step", "message_key", "position", "facility", "refused", "command"];

#[test]
fn a_database_that_lost_what_it_acknowledged_is_told_it_again() {
    // Of its own: all of its connections are cut.
    let server = start();
    let (options, schema) = options(&server);
    let query = |sql: String| runtime().block_on(server.query(&sql)).unwrap().trim().to_owned();
    let each = |sql: &dyn Fn(&str) -> String| FED.map(sql).join("; ");
    let world = history(14, 60);
    let third = world.records.len() / 3;
    let ledger = PostgresLedger::open(options).unwrap();
    ledger.bind([7; 16]).unwrap();
    apply(&ledger, &world.records[..third]);
    query("CREATE SCHEMA kept".to_owned());
    query(each(&|table| format!("CREATE TABLE kept.{table} AS SELECT * FROM {schema}.{table}")));
    apply(&ledger, &world.records[third..2 * third]);
    // As after a replica took over that had not got the last batch yet.
    query(each(&|table| {
        format!(
            "TRUNCATE {schema}.{table}; INSERT INTO {schema}.{table} OVERRIDING SYSTEM VALUE SELECT * FROM kept.{table}"
        )
    }));
    query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'barid-ledger'".to_owned());
    // Something else than the feed finds the connection gone, and has it made anew.
    let deadline = Instant::now() + Duration::from_secs(30);
    while ledger.bind([7; 16]).is_err() {
        assert!(Instant::now() < deadline, "it does not connect again");
    }
    // Going on from where it was would leave a gap for ever.
    let error = ledger.apply(&changes(&world.records[2 * third..]), &[]).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Retryable, "{error}");
    let met = feed(&ledger, &world, 30, Duration::ZERO, &AtomicBool::new(false));
    assert_eq!(met.again, 0, "it is told once: {met:?}");
    let there = SqliteLedger::in_memory().unwrap();
    world.apply(&there);
    same(&picture(&ledger, &world), &picture(&there, &world), "after a loss");
}
