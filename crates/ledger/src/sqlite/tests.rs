//! The contract on a file and in memory, and what only a file can do: be damaged, locked, older, newer, reopened.

use std::path::PathBuf;

use barid_model::ErrorClass;
use rusqlite::Connection;

use super::*;
use crate::contract::ask::{picture, same, story};
use crate::contract::world::{World, apply as fill};
use crate::{Bound, MessageFilter, Paging, RefusedFilter};

mod on_a_file {
    fn make() -> (crate::SqliteLedger, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (crate::SqliteLedger::open(&folder.path().join("ledger.sqlite")).unwrap(), folder)
    }

    crate::ledger_contract!(make);
}

mod in_memory {
    fn make() -> (crate::SqliteLedger, ()) {
        (crate::SqliteLedger::in_memory().unwrap(), ())
    }

    crate::ledger_contract!(make);
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    (folder, path)
}

#[test]
fn a_reopened_ledger_goes_on_where_it_stood() {
    let (_folder, path) = folder();
    let mut world = World::default();
    for _ in 0..120 {
        world.deliver();
    }
    let half = world.records.len() / 2;
    let ledger = SqliteLedger::open(&path).unwrap();
    fill(&ledger, &world.records[..half]);
    let positions = ledger.positions().unwrap();
    drop(ledger);
    let ledger = SqliteLedger::open(&path).unwrap();
    assert_eq!(ledger.positions().unwrap(), positions);
    world.apply(&ledger);
    let whole = SqliteLedger::in_memory().unwrap();
    world.apply(&whole);
    same(&picture(&ledger, &world), &picture(&whole, &world), "reopened");
}

#[test]
fn keys_are_found_in_segments_and_in_the_tail_and_after_a_reopening() {
    let (_folder, path) = folder();
    let mut world = World::default();
    let ledger = SqliteLedger::open(&path).unwrap();
    for _ in 0..300 {
        world.deliver();
    }
    for records in world.records.chunks(50) {
        fill(&ledger, records);
    }
    let segments = |path: &Path| {
        let conn = Connection::open(path).unwrap();
        conn.query_row("SELECT count(*) FROM key_segment", [], |row| row.get::<_, u64>(0)).unwrap()
    };
    assert!(segments(&path) >= 2, "600 keys make segments of {}", keys::TAIL_MAX);
    drop(ledger);
    let ledger = SqliteLedger::open(&path).unwrap();
    for number in [1, 2, 150, 299, 300] {
        let filter = MessageFilter { control_id: Some(format!("C{number}")), ..MessageFilter::default() };
        assert_eq!(ledger.search(&filter, &Paging::default()).unwrap().items.len(), 1, "C{number}");
    }
}

#[test]
fn a_newer_schema_is_refused_with_both_numbers() {
    let (_folder, path) = folder();
    drop(SqliteLedger::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteLedger::open(&path).unwrap_err();
    assert!(matches!(error, LedgerError::Newer { found: 99, known: 1, .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Fatal);
}

#[test]
fn an_older_schema_is_made_anew_to_be_filled_from_the_log() {
    let (_folder, path) = folder();
    let mut world = World::default();
    let uid = world.deliver();
    let ledger = SqliteLedger::open(&path).unwrap();
    world.apply(&ledger);
    drop(ledger);
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("ALTER TABLE message DROP COLUMN origin; PRAGMA user_version = 0").unwrap();
    drop(conn);
    let ledger = SqliteLedger::open(&path).unwrap();
    assert_eq!(ledger.positions().unwrap(), []);
    world.apply(&ledger);
    assert_eq!(story(&ledger, uid).message.accepted.unwrap().origin, "10.0.0.1:50000");
}

#[test]
fn the_database_of_something_else_is_left_alone() {
    let (_folder, path) = folder();
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("CREATE TABLE patient(name TEXT); INSERT INTO patient VALUES('kept')").unwrap();
    drop(conn);
    let error = SqliteLedger::open(&path).unwrap_err();
    assert!(matches!(error, LedgerError::Foreign { .. }), "{error}");
    let conn = Connection::open(&path).unwrap();
    assert_eq!(conn.query_row("SELECT name FROM patient", [], |row| row.get::<_, String>(0)).unwrap(), "kept");
}

#[test]
fn a_damaged_file_says_that_it_may_be_deleted() {
    let (_folder, path) = folder();
    std::fs::write(&path, vec![b'x'; 20_000]).unwrap();
    let error = SqliteLedger::open(&path).unwrap_err();
    assert!(matches!(error, LedgerError::Corrupt { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Fatal);
    let text = error.to_string();
    assert!(
        text.contains("delete it") && text.contains("rebuilt from the log") && text.contains("ledger.sqlite"),
        "{text}"
    );
}

#[test]
fn a_page_that_went_bad_is_reported_and_never_answered_from() {
    let (_folder, path) = folder();
    let mut world = World::default();
    for _ in 0..300 {
        world.deliver();
    }
    let ledger = SqliteLedger::open(&path).unwrap();
    world.apply(&ledger);
    drop(ledger);
    let mut bytes = std::fs::read(&path).unwrap();
    let (start, end) = (bytes.len() / 4, bytes.len());
    bytes[start..end].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let answer = SqliteLedger::open(&path).and_then(|ledger| ledger.balance(&Default::default()));
    assert!(matches!(answer, Err(LedgerError::Corrupt { .. })), "{answer:?}");
}

#[test]
fn readers_see_whole_batches_beside_a_writer() {
    let (_folder, path) = folder();
    let ledger = SqliteLedger::open(&path).unwrap();
    let mut world = World::default();
    for _ in 0..200 {
        world.deliver();
    }
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while seen < 200 {
                let balance = ledger.balance(&Default::default()).unwrap();
                assert!(balance.holds(), "{balance}");
                assert_eq!(balance.total.accepted, balance.total.deliveries.delivered);
                assert_eq!(balance.total.accepted % 10, 0, "half a batch was seen");
                assert!(balance.total.accepted >= seen);
                seen = balance.total.accepted;
            }
        });
        for records in world.records.chunks(30) {
            fill(&ledger, records);
        }
        reader.join().unwrap();
    });
}

#[cfg(unix)]
#[test]
fn g7_only_its_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, path) = folder();
    let ledger = SqliteLedger::open(&path).unwrap();
    World::default().apply(&ledger);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.file_name());
    }
}

#[test]
fn g7_no_payload_is_in_the_file() {
    let (folder, path) = folder();
    let ledger = SqliteLedger::open(&path).unwrap();
    let mut world = World::default();
    let uid = world.accept();
    world.route(uid, &["registry"]);
    world.quarantine(crate::contract::world::Piece::new(uid, "registry"));
    world.refuse("R1");
    world.apply(&ledger);
    drop(ledger);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(14).any(|window| window == b"PAYLOAD-CANARY"));
    }
}

#[test]
fn refused_messages_are_bounded_to_the_newest() {
    let ledger = SqliteLedger::in_memory().unwrap();
    let mut world = World::default();
    let bound = usize::try_from(write::aside::REFUSED_MAX).unwrap();
    for number in 0..bound + 50 {
        world.refuse(&format!("R{number}"));
    }
    for records in world.records.chunks(60) {
        fill(&ledger, records);
    }
    let count = |from: usize| {
        let filter = RefusedFilter { control_id: Some(format!("R{from}")), ..RefusedFilter::default() };
        ledger.refused(&filter, &Paging::default()).unwrap().items.len()
    };
    assert_eq!((count(49), count(50), count(bound + 49)), (0, 1, 1));
}

#[test]
fn a_ledger_filled_before_it_was_tied_to_a_log_is_not_trusted() {
    let ledger = SqliteLedger::in_memory().unwrap();
    let mut world = World::default();
    world.deliver();
    world.apply(&ledger);
    assert_eq!(ledger.bind([1; 16]).unwrap(), Bound::Reset);
    assert_eq!(ledger.positions().unwrap(), []);
}

#[test]
fn a_locked_ledger_is_retryable_and_says_so() {
    let (_folder, path) = folder();
    let ledger = SqliteLedger::open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    ledger.writer.lock().unwrap().conn.busy_timeout(std::time::Duration::from_millis(10)).unwrap();
    let error = ledger.apply(&[], &[("in.00", 1)]).unwrap_err();
    assert!(matches!(error, LedgerError::Locked { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Retryable);
    other.execute_batch("ROLLBACK").unwrap();
    ledger.apply(&[], &[("in.00", 1)]).unwrap();
}

fn journal_bytes(path: &Path) -> u64 {
    std::fs::metadata(path.with_extension("sqlite-wal")).map_or(0, |metadata| metadata.len())
}

#[test]
fn the_journal_stays_small_though_somebody_reads_at_every_moment() {
    const MOST: u64 = 1 << 20;
    /// What one batch of this test adds at most.
    const BATCH: u64 = 1 << 20;
    let (_folder, path) = folder();
    let ledger = SqliteLedger::open_within(&path, MOST).unwrap();
    let mut world = World::default();
    for _ in 0..4_000 {
        world.deliver();
    }
    let done = std::sync::atomic::AtomicBool::new(false);
    let asked = std::sync::atomic::AtomicUsize::new(0);
    // Each begins before another ends.
    let read_on = |first: u64| {
        std::thread::sleep(std::time::Duration::from_millis(first));
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            let hold = |conn: &Connection| {
                conn.query_row("SELECT count(*) FROM message", [], |row| row.get::<_, i64>(0))?;
                std::thread::sleep(std::time::Duration::from_millis(30));
                Ok(())
            };
            ledger.read(hold).unwrap();
            asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    };
    let largest = std::thread::scope(|scope| {
        for first in [0, 10, 20] {
            let read_on = &read_on;
            scope.spawn(move || read_on(first));
        }
        let mut largest = 0;
        for records in world.records.chunks(100) {
            fill(&ledger, records);
            largest = journal_bytes(&path).max(largest);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        largest
    });
    assert!(largest <= MOST + BATCH, "{largest} B of journal");
    assert!(asked.into_inner() > 10, "they were let in all the time");
    assert_eq!(ledger.balance(&Default::default()).unwrap().total.accepted, 4_000);
}

#[test]
fn a_reader_of_another_process_keeps_the_journal_and_nothing_waits_for_it_again_and_again() {
    let (_folder, path) = folder();
    let ledger = SqliteLedger::open_within(&path, 1 << 20).unwrap();
    let mut world = World::default();
    world.deliver();
    world.apply(&ledger);
    let other = Connection::open(&path).unwrap();
    let reading = other.unchecked_transaction().unwrap();
    reading.query_row("SELECT count(*) FROM message", [], |row| row.get::<_, i64>(0)).unwrap();
    ledger.writer.lock().unwrap().conn.busy_timeout(std::time::Duration::from_millis(50)).unwrap();
    for _ in 0..3_000 {
        world.deliver();
    }
    for records in world.records.chunks(100) {
        fill(&ledger, records);
    }
    assert!(journal_bytes(&path) > 2 << 20, "it cannot be cut while somebody reads");
    drop(reading);
    for _ in 0..3_000 {
        world.deliver();
    }
    for records in world.records.chunks(100) {
        fill(&ledger, records);
    }
    let bytes = journal_bytes(&path);
    assert!(bytes <= 2 << 20, "{bytes} B of journal");
}

#[test]
fn without_room_nothing_is_lost_and_the_journal_gives_back_what_it_has_until_there_is_room_again() {
    let (_folder, path) = folder();
    let ledger = SqliteLedger::open(&path).unwrap();
    let mut world = World::default();
    for _ in 0..200 {
        world.deliver();
    }
    world.apply(&ledger);
    assert!(journal_bytes(&path) > 0);
    let room = |pages: i64| {
        let writer = ledger.writer.lock().unwrap();
        writer.conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get::<_, i64>(0)).unwrap();
    };
    room(1);
    for _ in 0..1_000 {
        world.deliver();
    }
    for _ in 0..3 {
        let error = ledger.apply(&crate::contract::world::changes(&world.records), &[]).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Retryable, "{error}");
        assert!(matches!(&error, LedgerError::Full { .. }) && error.to_string().contains("free some"), "{error}");
        assert_eq!(journal_bytes(&path), 0);
        assert_eq!(ledger.balance(&Default::default()).unwrap().total.accepted, 200, "as it stood");
    }
    room(1_000_000);
    world.apply(&ledger);
    assert_eq!(ledger.balance(&Default::default()).unwrap().total.accepted, 1_200);
}

#[test]
fn what_waits_is_counted_from_indexes_alone_also_in_a_file_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    drop(SqliteLedger::open(&path).unwrap());
    Connection::open(&path).unwrap().execute_batch("DROP INDEX delivery_waiting; DROP INDEX delivery_again").unwrap();
    drop(SqliteLedger::open(&path).unwrap());
    let conn = Connection::open(&path).unwrap();
    let plan = |sql: &str| -> String {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    for (sql, index) in [
        (read::waiting::WAITING, "COVERING INDEX delivery_waiting"),
        (read::waiting::RUN_AGAIN, "COVERING INDEX delivery_again"),
        (read::waiting::ASIDE, "COVERING INDEX message_set_aside"),
    ] {
        assert!(plan(sql).contains(index), "{}", plan(sql));
    }
}

#[test]
fn a_ledger_at_rest_has_all_in_its_file() {
    let (_folder, path) = folder();
    let ledger = SqliteLedger::open(&path).unwrap();
    let mut world = World::default();
    world.deliver();
    fill(&ledger, &world.records);
    assert!(journal_bytes(&path) > 0);
    ledger.rest();
    assert_eq!(journal_bytes(&path), 0);
    assert!(!ledger.positions().unwrap().is_empty(), "it can be used as before");
}
