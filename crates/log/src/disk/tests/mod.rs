//! The disk log keeps the contract, and what only a disk can do to it: crashes, torn writes, flipped bits, failed syncs, full volumes, compaction.

mod compaction;
mod contract;
mod damage;
mod faults;
mod power;
mod start;
mod tail;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::simulated::Simulated;
use super::{DiskLog, Options, Recovery};
use crate::{Batch, Log, Position, ReadLimit, Subject};

/// Small segments and quick steps; nothing is confirmed by itself unless a test asks for it.
fn options() -> Options {
    Options {
        segment_bytes: 256 << 10,
        intake_floor: 0,
        routing_floor: 0,
        reserve_bytes: 64 << 10,
        confirm_after: Duration::from_secs(3600),
        keep_every: Duration::from_millis(10),
        ..Options::new(64, "sha256")
    }
}

fn open(directory: &Path) -> (Arc<DiskLog>, Recovery) {
    let (log, recovery) = DiskLog::open(directory, options()).unwrap();
    (Arc::new(log), recovery)
}

fn open_on(disk: &Simulated) -> (Arc<DiskLog>, Recovery) {
    let (log, recovery) = DiskLog::open_on(Arc::new(disk.clone()), options()).unwrap();
    (Arc::new(log), recovery)
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

/// A record that shows which one it is, of about this size.
fn record(subject: &Subject, position: u64, size: usize) -> Bytes {
    let mut text = format!("{subject}@{position};");
    while text.len() < size {
        text.push(char::from(b'a' + (text.len() as u64 + position) as u8 % 26));
    }
    text.into()
}

async fn append(log: &DiskLog, subject: &Subject, last: u64, records: Vec<Bytes>) -> Position {
    log.append(subject, Position(last), records).await.unwrap().await.unwrap()
}

async fn read_all(log: &DiskLog, subject: &Subject) -> Batch {
    let mut all = Batch { next: Position(1), ..Batch::default() };
    loop {
        let batch = log.read(subject, all.next, ReadLimit { records: 100, bytes: 1 << 20 }).await.unwrap();
        if batch.entries.is_empty() && batch.damaged.is_empty() {
            return all;
        }
        all.next = batch.next;
        all.entries.extend(batch.entries);
        all.damaged.extend(batch.damaged);
    }
}

/// What was written, to compare with what is read.
#[derive(Default, Clone)]
struct Written(BTreeMap<Subject, Vec<Bytes>>);

impl Written {
    /// Appends records of these sizes as one append.
    async fn append(&mut self, log: &DiskLog, name: &str, sizes: &[usize]) {
        let subject = subject(name);
        let known = self.0.entry(subject.clone()).or_default();
        let last = known.len() as u64;
        let records: Vec<Bytes> =
            (last + 1..).zip(sizes).map(|(position, size)| record(&subject, position, *size)).collect();
        append(log, &subject, last, records.clone()).await;
        known.extend(records);
    }

    /// Reads everything: what comes must be what was written, in order, and what does not come must be reported. Returns how many were lost that way.
    async fn check(&self, log: &DiskLog) -> u64 {
        let mut lost = 0;
        for (subject, records) in &self.0 {
            let batch = read_all(log, subject).await;
            let mut at = 1;
            let mut damaged = batch.damaged.into_iter().peekable();
            for entry in &batch.entries {
                while at < entry.position.0 {
                    let damage =
                        damaged.next().unwrap_or_else(|| panic!("{subject}: {at} is missing and not reported"));
                    assert_eq!(damage.from.0, at, "{subject}: {damage:?}");
                    assert!(damage.place.contains("seg"), "{damage:?}");
                    lost += damage.to.0 - damage.from.0 + 1;
                    at = damage.to.0 + 1;
                }
                assert_eq!(entry.position.0, at, "{subject}");
                assert!(entry.record == records[at as usize - 1], "{subject}: record {at} is garbled");
                at += 1;
            }
            for damage in damaged {
                lost += damage.to.0 - damage.from.0 + 1;
                at = damage.to.0 + 1;
            }
            assert_eq!(at, records.len() as u64 + 1, "{subject}: the end is missing");
        }
        lost
    }
}

/// Polls until it is true; fails after ten seconds.
async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !check().await {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
