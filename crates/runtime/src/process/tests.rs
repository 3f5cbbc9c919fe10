use std::time::Duration;

use super::Process;
use crate::{Exit, Kind};

fn nothing_wrong() -> Result<(), std::io::Error> {
    Ok(())
}

#[tokio::test]
async fn a_critical_task_that_fails_stops_the_process_with_its_code() {
    let process = Process::new(Duration::from_secs(5));
    process.tasks.spawn(Kind::Critical(Exit::Storage), "log", async { Err(std::io::Error::other("fsync failed")) });
    assert_eq!(process.run().await, Exit::Storage);
}

#[tokio::test]
async fn a_critical_task_that_ends_before_its_time_or_panics_stops_the_process() {
    let process = Process::new(Duration::from_secs(5));
    process.tasks.spawn(Kind::Critical(Exit::Failure), "router", async { nothing_wrong() });
    assert_eq!(process.run().await, Exit::Failure);

    let process = Process::new(Duration::from_secs(5));
    process.tasks.spawn(Kind::Critical(Exit::Storage), "router", async {
        let empty: Vec<u8> = Vec::new();
        assert_eq!(empty.first(), Some(&1), "a panic");
        nothing_wrong()
    });
    assert_eq!(process.run().await, Exit::Storage);
}

#[tokio::test]
async fn a_service_that_fails_leaves_the_process_running_and_a_drain_waits_for_what_works() {
    let process = Process::new(Duration::from_secs(5));
    process.tasks.spawn(Kind::Service, "watcher", async { Err(std::io::Error::other("gone")) });
    let mut drain = process.drain();
    process.tasks.spawn(Kind::Critical(Exit::Failure), "delivery", async move {
        drain.started().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        nothing_wrong()
    });
    let shutdown = process.shutdown.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        shutdown.begin("test", Exit::Ok);
    });
    assert_eq!(process.run().await, Exit::Ok);
    assert!(!process.readiness.missing().is_empty(), "a draining process is not ready");
}

#[tokio::test]
async fn a_drain_that_does_not_end_in_time_is_given_up_and_says_so() {
    let process = Process::new(Duration::from_millis(50));
    process.tasks.spawn(Kind::Service, "stuck", async {
        std::future::pending::<()>().await;
        nothing_wrong()
    });
    process.shutdown.begin("test", Exit::Ok);
    assert_eq!(process.run().await, Exit::Undrained);
}

#[tokio::test]
async fn background_tasks_are_not_waited_for() {
    let process = Process::new(Duration::from_secs(60));
    process.tasks.spawn(Kind::Background, "admin", async {
        std::future::pending::<()>().await;
        nothing_wrong()
    });
    process.shutdown.begin("test", Exit::Ok);
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), process.run()).await, Ok(Exit::Ok));
}

#[tokio::test]
async fn the_first_reason_to_stop_decides_the_code() {
    let process = Process::new(Duration::from_secs(5));
    process.shutdown.begin("first", Exit::Configuration);
    process.shutdown.begin("second", Exit::Ok);
    assert_eq!(process.run().await, Exit::Configuration);
}

#[tokio::test]
async fn what_a_background_task_holds_is_gone_when_the_process_has_ended() {
    let process = Process::new(Duration::from_secs(5));
    let held = std::sync::Arc::new(());
    let holds = std::sync::Arc::clone(&held);
    process.tasks.spawn(Kind::Background, "control socket", async move {
        let _holds = holds;
        std::future::pending::<()>().await;
        nothing_wrong()
    });
    process.shutdown.begin("test", Exit::Ok);
    assert_eq!(process.run().await, Exit::Ok);
    assert_eq!(std::sync::Arc::strong_count(&held), 1);
}
