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

#[test]
fn who_reads_connects_anew_when_who_writes_has_to() {
    // Of its own: its connections are counted.
    let server = start();
    let (options, _) = options(&server);
    let query = |sql: &str| runtime().block_on(server.query(sql)).unwrap().trim().to_owned();
    let ledger = PostgresLedger::open(options).unwrap();
    ledger.bind([7; 16]).unwrap();
    let world = history(14, 20);
    let connected = "SELECT pid FROM pg_stat_activity WHERE application_name = 'barid-ledger' ORDER BY 1";
    let writer = query(connected);
    apply(&ledger, &world.records[..20]);
    ledger.positions().unwrap();
    let reader: Vec<String> = query(connected).lines().filter(|pid| **pid != writer).map(str::to_owned).collect();
    assert_eq!(reader.len(), 1);
    query(&format!("SELECT pg_terminate_backend({writer})"));
    let deadline = Instant::now() + Duration::from_secs(30);
    while ledger.apply(&changes(&world.records), &[]).is_err() {
        assert!(Instant::now() < deadline, "it does not connect again");
    }
    ledger.positions().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while query(connected).lines().any(|pid| *pid == reader[0]) {
        assert!(Instant::now() < deadline, "the connection from before is kept");
    }
}
