use std::sync::atomic::{AtomicUsize, Ordering};

use barid_log::memory::MemoryLog;
use barid_log::{
    Batch, Bounds, BoxFuture, Entry, Identity, Key, MAX_APPEND_BYTES, ReadLimit, Revision, SpaceLevel, Subject, Ticket,
};
use barid_model::{MessageType, Name, Payload, Timestamp};
use tokio::sync::watch;

use super::*;

/// A log that is away for some questions about a subject's end, and remembers its largest append.
#[derive(Default)]
struct Away {
    log: MemoryLog,
    away: AtomicUsize,
    largest: AtomicUsize,
}

impl Log for Away {
    fn append<'a>(
        &'a self,
        subject: &'a Subject,
        last: Position,
        records: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<Ticket, LogError>> {
        self.largest.fetch_max(records.iter().map(Bytes::len).sum(), Ordering::Relaxed);
        self.log.append(subject, last, records)
    }

    fn last<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Option<Entry>, LogError>> {
        let less = |left: usize| left.checked_sub(1);
        if self.away.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            return Box::pin(async { Err(LogError::Busy("away".into())) });
        }
        self.log.last(subject)
    }

    fn read<'a>(
        &'a self,
        subject: &'a Subject,
        from: Position,
        limit: ReadLimit,
    ) -> BoxFuture<'a, Result<Batch, LogError>> {
        self.log.read(subject, from, limit)
    }

    fn changed(&self, subject: &Subject) -> watch::Receiver<Position> {
        self.log.changed(subject)
    }

    fn trim<'a>(&'a self, _: &'a Subject, _: Position) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async { Err(LogError::Busy("away".into())) })
    }

    fn bounds<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Bounds, LogError>> {
        self.log.bounds(subject)
    }

    fn subjects<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Subject>, LogError>> {
        self.log.subjects(prefix)
    }

    fn put<'a>(&'a self, key: &'a Key, expect: Revision, value: Bytes) -> BoxFuture<'a, Result<Revision, LogError>> {
        self.log.put(key, expect, value)
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<(Revision, Bytes)>, LogError>> {
        self.log.get(key)
    }

    fn delete<'a>(&'a self, key: &'a Key, expect: Revision) -> BoxFuture<'a, Result<(), LogError>> {
        self.log.delete(key, expect)
    }

    fn keys<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Key>, LogError>> {
        self.log.keys(prefix)
    }

    fn watch_key(&self, key: &Key) -> watch::Receiver<Revision> {
        self.log.watch_key(key)
    }

    fn watch_keys(&self, prefix: &str) -> watch::Receiver<Revision> {
        self.log.watch_keys(prefix)
    }

    fn space(&self) -> watch::Receiver<SpaceLevel> {
        self.log.space()
    }

    fn identity(&self) -> &Identity {
        self.log.identity()
    }
}

fn refusal(raw: Vec<u8>) -> RefusedRecord {
    RefusedRecord {
        at: Timestamp::from_micros(0),
        listener: Name::local("mllp"),
        origin: "10.0.0.1:1".into(),
        facility: None,
        channel: None,
        control_id: Bytes::new(),
        message_type: MessageType::default(),
        code: "AE".into(),
        findings: Vec::new(),
        raw: Payload::new(Bytes::from(raw)),
    }
}

/// What is kept of these.
async fn kept(log: &Arc<Away>, raws: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (refusals, write) = Refusals::new(Arc::clone(log) as Arc<dyn Log>);
    for raw in raws {
        refusals.keep(refusal(raw.clone()));
    }
    // It ends when nobody is left to send.
    drop(refusals);
    write.await.unwrap();
    let limit = ReadLimit { records: usize::MAX, bytes: MAX_APPEND_BYTES };
    let read = log.read(&subject::refused().unwrap(), Position(1), limit).await.unwrap();
    let raw = |entry: Entry| RefusedRecord::decode(entry.record).unwrap().raw.bytes().to_vec();
    read.entries.into_iter().map(raw).collect()
}

#[tokio::test]
async fn refusals_wait_for_a_log_that_is_away_and_are_kept_once_each() {
    let log = Arc::new(Away { away: AtomicUsize::new(2), ..Away::default() });
    // More than are taken at once: what follows finds the task at work still.
    let raws: Vec<Vec<u8>> = (0..600_u32).map(|number| number.to_be_bytes().to_vec()).collect();
    let mut kept = kept(&log, &raws).await;
    // Those that waited may come after others.
    kept.sort_unstable();
    assert_eq!(kept, raws);
}

#[tokio::test]
async fn large_refusals_go_in_appends_that_are_stored_whole_or_not_at_all() {
    let log = Arc::new(Away::default());
    let raws: Vec<Vec<u8>> = (0..20).map(|number| vec![number; 60 << 10]).collect();
    assert_eq!(kept(&log, &raws).await, raws);
    assert!(log.largest.load(Ordering::Relaxed) <= 256 << 10, "one block of the mesh's log");
}
