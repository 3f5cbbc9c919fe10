//! A start is quick whatever the log holds, and clean after a clean end.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;

use super::{Written, open_on, read_all, subject};
use crate::disk::simulated::Simulated;
use crate::disk::{DiskLog, Options};
use crate::{Log, Position, ReadLimit};

#[tokio::test]
async fn a_million_records_are_ready_within_a_second() {
    const APPENDS: u64 = 1000;
    let directory = TempDir::new().unwrap();
    let options = || Options { segment_bytes: 16 << 20, ..Options::new(64, "sha256") };
    let (log, _) = DiskLog::open(directory.path(), options()).unwrap();
    for n in 0..APPENDS {
        let s = subject(&format!("in.{:02}", n % 50));
        let records = (0..1000u64).map(|m| Bytes::from(format!("{:060}", n * 1000 + m))).collect();
        log.append(&s, Position(n / 50 * 1000), records).await.unwrap().await.unwrap();
    }
    drop(log);
    let started = Instant::now();
    let (log, recovery) = DiskLog::open(directory.path(), options()).unwrap();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(1), "start took {took:?}");
    assert!(recovery.segments > 4 && recovery.damaged_places.is_empty());
    let batch = log.read(&subject("in.49"), Position(20_000), ReadLimit::default()).await.unwrap();
    assert_eq!(batch.entries[0].record, format!("{:060}", 999_999));
}

#[tokio::test]
async fn a_clean_end_leaves_nothing_to_recover_and_no_new_segment() {
    let disk = Simulated::new();
    let mut written = Written::default();
    let mut segments = Vec::new();
    for _ in 0..5 {
        let (log, recovery) = open_on(&disk);
        assert_eq!((recovery.torn_bytes, recovery.damaged_places.len()), (0, 0));
        assert_eq!(written.check(&log).await, 0);
        written.append(&log, "in.00", &[100]).await;
        segments.push(recovery.segments);
    }
    assert_eq!(segments, [1; 5]);
}

#[tokio::test]
async fn a_killed_log_starts_again_and_again_without_growing() {
    let mut disk = Simulated::new();
    let mut written = Written::default();
    let (log, _) = open_on(&disk);
    written.append(&log, "in.00", &[100, 200]).await;
    for _ in 0..5 {
        let killed = disk.after_kill();
        let (log, recovery) = open_on(&killed);
        assert_eq!((recovery.torn_bytes, recovery.segments), (0, 1));
        assert_eq!(written.check(&log).await, 0);
        disk = killed;
    }
    assert_eq!(read_all(&open_on(&disk.after_kill()).0, &subject("in.00")).await.entries.len(), 2);
}
