//! The server is killed and started again, processes share a ledger, and nothing is lost or told twice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use barid_ledger::contract::ask::{picture, same};
use barid_ledger::contract::rebuild::history;
use barid_ledger::{Ledger, LedgerError, SqliteLedger};
use barid_ledger_postgres::{Options, PostgresLedger};
use barid_model::ErrorClass;

use crate::feed::feed;
use crate::support::{fresh, options, runtime, server, start};

/// Batches small enough that every fault meets one.
const BATCH: usize = 7;

#[test]
fn both_databases_answer_the_same() {
    for seed in 100..104 {
        let world = history(seed, 60);
        let (here, there) = (fresh(), SqliteLedger::in_memory().unwrap());
        for ledger in [&here as &dyn Ledger, &there] {
            feed(ledger, &world, 50, Duration::ZERO, &AtomicBool::new(false));
        }
        same(&picture(&here, &world), &picture(&there, &world), &format!("seed {seed}"));
    }
}

#[test]
fn a_server_that_is_killed_while_it_is_written_to_has_the_same_history_after() {
    let server = start();
    let (options, _) = options(&server);
    let world = history(7, 300);
    let ledger = PostgresLedger::open(options.clone()).unwrap();
    let stop = AtomicBool::new(false);
    let met = std::thread::scope(|scope| {
        let feeding = scope.spawn(|| feed(&ledger, &world, BATCH, Duration::from_millis(10), &stop));
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(400));
            server.kill();
            std::thread::sleep(Duration::from_millis(100));
            server.restart().unwrap();
            runtime().block_on(server.ready()).unwrap();
        }
        feeding.join().unwrap()
    });
    assert!(met.again > 0, "no kill met a batch: {met:?}");
    let there = SqliteLedger::in_memory().unwrap();
    world.apply(&there);
    same(&picture(&ledger, &world), &picture(&there, &world), "after kills");
    // What is asked on a connection that was kept over a kill is answered by a new one.
    server.kill();
    server.restart().unwrap();
    runtime().block_on(server.ready()).unwrap();
    assert!(ledger.follow(world.uids()[0]).unwrap().is_some());
}

#[test]
fn a_server_that_is_away_or_silent_is_told_as_such_and_waited_for() {
    let server = start();
    let (options, _) = options(&server);
    let ledger = PostgresLedger::open(options).unwrap();
    let world = history(8, 20);
    server.kill();
    let error = ledger.positions().unwrap_err();
    assert_eq!(error.class(), ErrorClass::Retryable);
    assert!(!error.to_string().contains("barid-secret"), "{error}");
    server.restart().unwrap();
    let met = feed(&ledger, &world, BATCH, Duration::ZERO, &AtomicBool::new(false));
    assert!(met.batches > 0);
}

#[test]
fn a_ledger_that_is_emptied_is_filled_again_from_the_log() {
    let ledger = fresh();
    let world = history(9, 80);
    feed(&ledger, &world, 40, Duration::ZERO, &AtomicBool::new(false));
    let before = picture(&ledger, &world);
    ledger.reset().unwrap();
    assert_eq!(ledger.positions().unwrap(), []);
    feed(&ledger, &world, 9, Duration::ZERO, &AtomicBool::new(false));
    same(&picture(&ledger, &world), &before, "filled again");
}

#[test]
fn of_two_processes_one_writes_and_the_other_goes_on_when_it_is_gone() {
    let (options, schema) = options(server());
    let world = history(10, 200);
    let first = PostgresLedger::open(options.clone()).unwrap();
    let second = PostgresLedger::open(options).unwrap();
    let (stop_first, never) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let one = scope.spawn(|| feed(&first, &world, BATCH, Duration::from_millis(50), &stop_first));
        while first.positions().unwrap().is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let other = scope.spawn(|| feed(&second, &world, BATCH, Duration::ZERO, &never));
        std::thread::sleep(Duration::from_millis(500));
        stop_first.store(true, Ordering::Relaxed);
        let (one, other) = (one.join().unwrap(), other.join().unwrap());
        assert!(one.batches > 1 && one.held == 0, "the first was not disturbed: {one:?}");
        assert!(other.held > 0 && other.batches > 0, "the second waited and took over: {other:?}");
    });
    let there = SqliteLedger::in_memory().unwrap();
    world.apply(&there);
    same(&picture(&first, &world), &picture(&there, &world), "two writers");
    let epoch = runtime().block_on(server().query(&format!("SELECT epoch FROM {schema}.ledger"))).unwrap();
    assert_eq!(epoch.trim(), "2", "each that took over has an epoch of its own");
}

#[test]
fn who_wrote_before_the_ledger_was_emptied_reads_again_how_far_it_is() {
    let (options, _) = options(server());
    let world = history(11, 40);
    let first = PostgresLedger::open(options.clone()).unwrap();
    let second = PostgresLedger::open(options).unwrap();
    first.positions().unwrap();
    let half = world.records.len() / 2;
    barid_ledger::contract::world::apply(&first, &world.records[..half]);
    second.reset().unwrap();
    // Going on from where it was would leave a gap for ever.
    let changes = barid_ledger::contract::world::changes(&world.records[half..]);
    let error = first.apply(&changes, &[]).unwrap_err();
    assert!(matches!(error, LedgerError::Storage { .. }), "{error}");
    feed(&first, &world, 30, Duration::ZERO, &AtomicBool::new(false));
    let there = SqliteLedger::in_memory().unwrap();
    world.apply(&there);
    same(&picture(&first, &world), &picture(&there, &world), "emptied by another");
}

#[test]
fn many_questions_at_once_share_a_few_connections() {
    let (options, _) = options(server());
    let world = history(12, 30);
    let ledger = PostgresLedger::open(options).unwrap();
    feed(&ledger, &world, 50, Duration::ZERO, &AtomicBool::new(false));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                for uid in world.uids() {
                    assert!(ledger.follow(uid).unwrap().is_some());
                }
            });
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn async_code_may_ask_and_drop_it() {
    let (options, _) = options(server());
    runtime().block_on(async {
        let spawned = tokio::spawn(async {
            let ledger = PostgresLedger::open(options).unwrap();
            let known = ledger.positions().unwrap();
            drop(ledger);
            known
        });
        assert_eq!(spawned.await.unwrap(), []);
    });
}

#[test]
fn tables_of_something_else_or_of_a_newer_barid_are_left_alone() {
    let (options, schema) = options(server());
    let sql = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.theirs (a int)");
    runtime().block_on(server().query(&sql)).unwrap();
    assert!(matches!(PostgresLedger::open(options), Err(LedgerError::Foreign { .. })));
    let (options, schema) = crate::support::options(server());
    drop(PostgresLedger::open(options.clone()).unwrap());
    let sql = format!("INSERT INTO {schema}.migration (number) VALUES (99)");
    runtime().block_on(server().query(&sql)).unwrap();
    assert!(matches!(PostgresLedger::open(options), Err(LedgerError::Newer { found: 99, .. })));
}

#[test]
fn a_database_of_before_is_brought_to_the_newest_tables_with_what_it_has() {
    let (options, schema) = options(server());
    let ledger = PostgresLedger::open(options.clone()).unwrap();
    let world = history(13, 10);
    world.apply(&ledger);
    drop(ledger);
    let sql = format!(
        "ALTER TABLE {schema}.ledger DROP COLUMN rebuilt_before; DELETE FROM {schema}.migration WHERE number = 2"
    );
    runtime().block_on(server().query(&sql)).unwrap();
    let ledger = PostgresLedger::open(options).unwrap();
    assert!(ledger.follow(world.uids()[0]).unwrap().is_some());
    ledger.incomplete_before(world.now).unwrap();
    assert_eq!(ledger.balance(&Default::default()).unwrap().incomplete_before, Some(world.now));
}

#[test]
fn processes_that_start_at_once_make_the_tables_once() {
    let (options, _) = options(server());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| PostgresLedger::open(options.clone()).unwrap());
        }
    });
}

#[test]
fn a_user_who_owns_the_schema_and_nothing_else_is_enough() {
    let (_, schema) = options(server());
    let sql = format!("CREATE ROLE {schema} LOGIN PASSWORD 'own'; CREATE SCHEMA {schema} AUTHORIZATION {schema}");
    runtime().block_on(server().query(&sql)).unwrap();
    let url = format!("postgres://{schema}:own@{}/postgres?sslmode=disable", server().address());
    let ledger = PostgresLedger::open(Options::read(&url, None, None).unwrap().schema(&schema).unwrap()).unwrap();
    let world = history(13, 10);
    feed(&ledger, &world, 50, Duration::ZERO, &AtomicBool::new(false));
    assert!(ledger.follow(world.uids()[0]).unwrap().is_some());
}

#[test]
fn an_address_without_authorities_needs_to_say_that_it_wants_no_tls() {
    let error = Options::read("postgres://barid@db/barid", None, None).unwrap_err();
    assert!(error.to_string().contains("sslmode=disable"), "{error}");
    assert!(Options::read("postgres://barid@db/barid?sslmode=disable", None, None).is_ok());
}

#[test]
fn a_zero_byte_in_what_a_sender_wrote_stops_nothing() {
    let mut world = barid_ledger::contract::world::World::default();
    let uid = world.accept_as(|envelope| {
        envelope.origin = "10.0.0.1\0:1".into();
        envelope.message_type.event = "A\0".into();
        envelope.facility.name = "default/\0".into();
    });
    let ledger = fresh();
    world.apply(&ledger);
    world.apply(&ledger);
    let accepted = ledger.message(uid).unwrap().unwrap().accepted.unwrap();
    assert_eq!(accepted.origin, "10.0.0.1\u{fffd}:1");
}
