//! Two processes' feeds over one PostgreSQL: one writes, both answer, and a killed server is waited for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_ledger::{Ledger, Paging};
use barid_ledger_service::feed;
use barid_ledger_service::storage::StorageOptions;
use barid_log::memory::MemoryLog;
use barid_log::{Log, Position, Subject};
use barid_model::Timestamp;
use barid_model::record::{CommandRecord, Record as _};
use barid_testkit::servers::postgres::{DATABASE, Postgres, Settings, USER};
use tokio::sync::watch;

/// How long the histories may be behind: a takeover, and a server that starts.
const SOON: Duration = Duration::from_secs(60);

async fn write(log: &dyn Log, commands: u32) {
    let subject = Subject::new("command").unwrap();
    for number in 0..commands {
        let record = CommandRecord {
            at: Timestamp::from_millis(1_795_341_600_000),
            actor: "someone".into(),
            reason: "a test".into(),
            verb: "pause".into(),
            target: format!("channel default/c{number}"),
            detail: "{}".into(),
        };
        let last = log.last(&subject).await.unwrap().map_or(Position::START, |entry| entry.position);
        log.append(&subject, last, vec![record.encode()]).await.unwrap().await.unwrap();
    }
}

/// Waits until a history has so many commands, each once.
async fn has(ledger: &Arc<dyn Ledger>, commands: usize) {
    let deadline = Instant::now() + SOON;
    loop {
        let asked = Arc::clone(ledger);
        let found = tokio::task::spawn_blocking(move || asked.commands(None, &Paging::first(1_000))).await.unwrap();
        let found = found.map_or(0, |page| page.items.len());
        assert!(found <= commands, "something was told twice");
        if found == commands {
            return;
        }
        assert!(Instant::now() < deadline, "{found} of {commands} commands are in the history");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_a_history_and_the_next_goes_on_where_one_ended() {
    let server = Postgres::start(Settings::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, USER.1).unwrap();
    let options = StorageOptions {
        ledger: Some(format!("postgres://{}@{}/{DATABASE}?sslmode=disable", USER.0, server.address())),
        ledger_password_file: Some(password),
        ledger_authorities: None,
    };
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(16));
    let (first, name) = options.clone().open(folder.path(), [7; 16]).await.unwrap();
    let (second, same) = options.open(folder.path(), [7; 16]).await.unwrap();
    assert!(name.is_some() && name == same, "one history has one name");

    let (stop, stopped) = watch::channel(false);
    let feeding = tokio::spawn(feed::keep(Arc::clone(&log), Arc::clone(&first), stopped));
    write(&*log, 20).await;
    has(&first, 20).await;
    let (stop_second, stopped) = watch::channel(false);
    let standing_by = tokio::spawn(feed::keep(Arc::clone(&log), Arc::clone(&second), stopped));
    write(&*log, 20).await;
    has(&second, 40).await;

    stop.send(true).unwrap();
    feeding.await.unwrap().unwrap();
    tokio::task::block_in_place(|| server.kill());
    write(&*log, 20).await;
    server.restart().unwrap();
    has(&second, 60).await;
    has(&first, 60).await;
    stop_second.send(true).unwrap();
    standing_by.await.unwrap().unwrap();
}
