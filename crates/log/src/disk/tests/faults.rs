//! Failed syncs, full volumes, and what keeps a log from opening.

use std::sync::Arc;
use std::time::Duration;

use super::{Written, append, eventually, open, open_on, options, read_all, record, subject};
use crate::disk::simulated::Simulated;
use crate::disk::{DiskLog, OpenError, Options};
use crate::{Key, Log, LogError, Position, Revision, SpaceLevel};

#[tokio::test]
async fn after_a_failed_sync_the_log_takes_nothing_more() {
    let disk = Simulated::new();
    let (log, _) = open_on(&disk);
    let s = subject("in.00");
    append(&log, &s, 0, vec![record(&s, 1, 100)]).await;
    disk.fail_sync_after(0);
    let ticket = log.append(&s, Position(1), vec![record(&s, 2, 100)]).await.unwrap();
    let error = ticket.await.unwrap_err();
    assert!(matches!(error, LogError::Failed(_)) && error.is_unknown() && error.is_fatal());
    assert!(matches!(log.append(&s, Position(1), vec![record(&s, 2, 100)]).await, Err(LogError::Failed(_))));
    assert!(matches!(
        log.put(&Key::new("k").unwrap(), Revision::NONE, record(&s, 1, 1)).await,
        Err(LogError::Failed(_))
    ));
    assert!(matches!(log.last(&s).await, Err(LogError::Failed(_))));
}

/// The page cache shows what the device never got. Whatever the next process serves must outlive a power cut.
#[tokio::test]
async fn what_a_restart_serves_after_a_failed_sync_is_durable() {
    for failing in 0..6 {
        let disk = Simulated::new();
        let (log, _) = open_on(&disk);
        let s = subject("in.00");
        let mut acknowledged = 0;
        disk.fail_sync_after(failing);
        for n in 1..=6u64 {
            let appended = match log.append(&s, Position(n - 1), vec![record(&s, n, 700)]).await {
                Ok(ticket) => ticket.await.is_ok(),
                Err(_) => false,
            };
            if !appended {
                break;
            }
            acknowledged = n;
        }
        assert_eq!(acknowledged, failing.min(6));
        let restarted = disk.after_kill();
        let (log, recovery) = open_on(&restarted);
        assert!(recovery.damaged_places.is_empty());
        let served = read_all(&log, &s).await.entries;
        assert!(served.len() as u64 >= acknowledged);
        for seed in 0..5 {
            let (log, recovery) = open_on(&restarted.after_power_cut(seed));
            assert!(recovery.damaged_places.is_empty());
            assert_eq!(read_all(&log, &s).await.entries, served, "failing sync {failing}, seed {seed}");
        }
    }
}

fn small_volume() -> Options {
    Options { confirm_after: Duration::from_millis(10), ..options() }
}

#[tokio::test]
async fn a_full_volume_refuses_intake_first_and_recovers_when_space_returns() {
    let disk = Simulated::new();
    disk.set_capacity(Some(900 << 10));
    let (log, _) = DiskLog::open_on(Arc::new(disk.clone()), small_volume()).unwrap();
    let mut written = Written::default();
    let (s, outcome) = (subject("in.00"), subject("outcome.a"));
    let mut last = 0;
    let refused = loop {
        let result = match log.append(&s, Position(last), vec![record(&s, last + 1, 20_000)]).await {
            Ok(ticket) => ticket.await.map(|_| ()),
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => {
                written.0.entry(s.clone()).or_default().push(record(&s, last + 1, 20_000));
                last += 1;
            }
            Err(error) => break error,
        }
        assert!(last < 100, "never full");
    };
    assert!(matches!(refused, LogError::NoSpace(_)) && refused.is_retryable(), "{refused}");
    assert_eq!(*log.space().borrow(), SpaceLevel::NoRouting);
    assert!(last > 20);
    // Routing waits too, outcomes and commits go on.
    assert!(matches!(
        log.append(&subject("out.a.00"), Position(0), vec![record(&s, 1, 10)]).await,
        Err(LogError::NoSpace(_))
    ));
    for _ in 0..20 {
        written.append(&log, "outcome.a", &[100]).await;
    }
    let key = Key::new("commit.a").unwrap();
    log.put(&key, Revision::NONE, record(&outcome, 1, 50)).await.unwrap();
    assert_eq!(written.check(&log).await, 0);
    disk.set_capacity(None);
    eventually("space is seen to be back", async || *log.space().borrow() == SpaceLevel::Free).await;
    written.append(&log, "in.00", &[20_000]).await;
    assert_eq!(written.check(&log).await, 0);
    drop(log);
    let (log, recovery) = open_on(&disk);
    assert_eq!((written.check(&log).await, recovery.damaged_places.len()), (0, 0));
    assert!(log.get(&key).await.unwrap().is_some());
}

#[tokio::test]
async fn with_nothing_left_everything_is_refused_and_a_trim_still_makes_space() {
    let disk = Simulated::new();
    disk.set_capacity(Some(5 << 20));
    let (log, _) = DiskLog::open_on(Arc::new(disk.clone()), small_volume()).unwrap();
    let (s, outcome) = (subject("in.00"), subject("outcome.a"));
    let mut ends = [0u64; 2];
    for (end, s, size) in [(0, &s, 20_000), (1, &outcome, 7_000)] {
        while let Ok(ticket) = log.append(s, Position(ends[end]), vec![record(s, ends[end] + 1, size)]).await
            && ticket.await.is_ok()
        {
            ends[end] += 1;
            assert!(ends[end] < 2000, "never full");
        }
    }
    assert_eq!(*log.space().borrow(), SpaceLevel::Exhausted);
    let refused = log.put(&Key::new("commit.a").unwrap(), Revision::NONE, record(&s, 1, 50)).await;
    assert!(matches!(refused, Err(LogError::NoSpace(_))));
    assert_eq!(log.last(&s).await.unwrap().unwrap().position.0, ends[0]);
    // The trim is written into what is left of the segment, although nothing else is, and behind it space returns.
    log.trim(&s, Position(ends[0])).await.unwrap();
    for (n, s) in [&s, &outcome].into_iter().enumerate() {
        eventually("appends are taken again", async || {
            match log.append(s, Position(ends[n]), vec![record(s, ends[n] + 1, 100_000)]).await {
                Ok(ticket) => ticket.await.is_ok(),
                Err(error) => {
                    assert!(error.is_retryable(), "{error}");
                    false
                }
            }
        })
        .await;
    }
    assert_eq!(read_all(&log, &outcome).await.entries.len() as u64, ends[1] + 1);
}

#[test]
fn a_small_volume_gets_floors_that_are_a_part_of_it() {
    let defaults = || Options::new(16, "sha256");
    let large = defaults().fitted(4 << 30);
    let kept = defaults();
    assert_eq!((large.intake_floor, large.routing_floor), (kept.intake_floor, kept.routing_floor));
    assert_eq!((large.reserve_bytes, large.segment_bytes), (kept.reserve_bytes, kept.segment_bytes));
    let small = defaults().fitted(256 << 20);
    assert_eq!((small.intake_floor, small.routing_floor), (64 << 20, 32 << 20));
    assert_eq!((small.reserve_bytes, small.segment_bytes), (8 << 20, 8 << 20));
}

/// Killed at any moment of filling up, with what it wrote last still to be copied.
#[tokio::test]
async fn a_full_volume_does_not_keep_a_log_from_opening() {
    for stop in (1..60).step_by(7) {
        let disk = Simulated::new();
        disk.set_capacity(Some(900 << 10));
        let (log, _) = open_on(&disk);
        let mut written = Written::default();
        // Intake until it is refused, outcomes until nothing is taken any more.
        for (name, size) in [("in.00", 20_000), ("outcome.a", 3_000)] {
            for n in 0..if name == "in.00" { 100 } else { stop } {
                let s = subject(name);
                let known = written.0.entry(s.clone()).or_default();
                let bytes = record(&s, n + 1, size);
                let appended = match log.append(&s, Position(n), vec![bytes.clone()]).await {
                    Ok(ticket) => ticket.await.is_ok(),
                    Err(_) => false,
                };
                if !appended {
                    break;
                }
                known.push(bytes);
            }
        }
        // Whatever is free is taken by others.
        let killed = disk.after_kill();
        let used = killed.files().iter().map(|(_, bytes)| *bytes as u64).sum::<u64>();
        killed.set_capacity(Some(used));
        let (log, recovery) = open_on(&killed);
        assert_eq!((written.check(&log).await, recovery.damaged_places.len()), (0, 0), "after {stop} outcomes");
        killed.set_capacity(None);
        eventually("space is seen to be back", async || *log.space().borrow() == SpaceLevel::Free).await;
        written.append(&log, "in.00", &[20_000]).await;
        drop(log);
        let (log, recovery) = open_on(&killed);
        assert_eq!((written.check(&log).await, recovery.damaged_places.len()), (0, 0), "after {stop} outcomes");
    }
}

#[tokio::test]
async fn floors_of_free_space_refuse_before_the_volume_is_full() {
    let disk = Simulated::new();
    disk.set_capacity(Some(2 << 20));
    let floors = Options { intake_floor: 1 << 20, routing_floor: 512 << 10, ..options() };
    let (log, _) = DiskLog::open_on(Arc::new(disk.clone()), floors).unwrap();
    let level = || *log.space().borrow();
    assert_eq!(level(), SpaceLevel::Free);
    for (capacity, expected) in [
        (1200, SpaceLevel::NoIntake),
        (800, SpaceLevel::NoRouting),
        (1000, SpaceLevel::NoIntake),
        (2048, SpaceLevel::Free),
    ] {
        disk.set_capacity(Some(capacity << 10));
        eventually("the level follows", async || level() == expected).await;
    }
}

#[tokio::test]
async fn one_process_at_a_time_opens_a_log() {
    let directory = tempfile::TempDir::new().unwrap();
    let (log, _) = open(directory.path());
    let second = DiskLog::open(directory.path(), options());
    assert!(matches!(second, Err(OpenError::Locked(_))));
    drop(log);
    open(directory.path());
}

#[tokio::test]
async fn other_partitions_or_another_hash_are_refused() {
    let disk = Simulated::new();
    drop(open_on(&disk));
    let error = DiskLog::open_on(Arc::new(disk.clone()), Options { partitions: 32, ..options() }).err().unwrap();
    assert!(matches!(error, OpenError::Partitions { stored: 64, asked: 32, .. }), "{error}");
    let error = DiskLog::open_on(Arc::new(disk.clone()), Options { hash: "fnv".into(), ..options() }).err().unwrap();
    assert!(error.to_string().contains("64 partitions by sha256"), "{error}");
    open_on(&disk);
}

#[tokio::test]
async fn one_of_two_identity_files_is_enough_and_without_them_nothing_is_made_up() {
    let disk = Simulated::new();
    let (log, _) = open_on(&disk);
    let identity = log.identity().clone();
    append(&log, &subject("in.00"), 0, vec![record(&subject("in.00"), 1, 10)]).await;
    drop(log);
    disk.edit("identity", |bytes| bytes[20] ^= 1);
    let (log, _) = open_on(&disk);
    assert!(*log.identity() == identity);
    assert_eq!(read_all(&log, &subject("in.00")).await.entries.len(), 1);
    drop(log);
    // The start has repaired the damaged one.
    disk.edit("identity.copy", |bytes| bytes.clear());
    drop(open_on(&disk));
    disk.edit("identity", |bytes| bytes.clear());
    disk.edit("identity.copy", |bytes| bytes.clear());
    assert!(matches!(DiskLog::open_on(Arc::new(disk), options()).err(), Some(OpenError::NoIdentity(_))));
}
