//! The memory log keeps the contract, and plays crashes, faults and a full volume as told.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Fault, MemoryLog};
use crate::contract::Harness;
use crate::{BoxFuture, Key, Log, LogError, Position, ReadLimit, Revision, SpaceLevel, Subject, Writer};

#[derive(Default)]
struct Memory(Mutex<MemoryLog>);

impl Harness for Memory {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Log>> {
        Box::pin(async { Arc::new(self.0.lock().clone()) as Arc<dyn Log> })
    }
    fn restart(&self, _: Arc<dyn Log>) -> BoxFuture<'_, Arc<dyn Log>> {
        Box::pin(async {
            let mut log = self.0.lock();
            let after = log.crash(0);
            *log = after.clone();
            Arc::new(after) as Arc<dyn Log>
        })
    }
}

mod contract {
    use super::Memory;
    crate::log_contract!(Memory::default());
}

fn subject() -> Subject {
    Subject::new("in.03").unwrap()
}

fn record(n: u64) -> Bytes {
    Bytes::from(format!("record {n}"))
}

async fn held() -> (MemoryLog, Writer) {
    let log = MemoryLog::default();
    log.hold(true);
    let writer = Writer::open(Arc::new(log.clone()), subject()).await.unwrap().0;
    (log, writer)
}

#[tokio::test]
async fn held_appends_are_neither_seen_nor_confirmed_until_released() {
    let (log, mut writer) = held().await;
    let mut one = writer.append(vec![record(1)]).await.unwrap();
    let two = writer.append(vec![record(2)]).await.unwrap();
    assert!(futures_util::future::poll_immediate(&mut one).await.is_none());
    assert!(log.read(&subject(), Position(1), ReadLimit::default()).await.unwrap().entries.is_empty());
    assert_eq!((log.queued(), log.release(1)), (2, 1));
    assert_eq!(one.await.unwrap(), Position(1));
    assert_eq!(log.read(&subject(), Position(1), ReadLimit::default()).await.unwrap().entries.len(), 1);
    log.hold(false);
    assert_eq!(two.await.unwrap(), Position(2));
}

#[tokio::test]
async fn a_crash_keeps_a_prefix_of_the_queue_and_tells_no_waiter() {
    for stored in 0..=3 {
        let (log, mut writer) = held().await;
        let mut tickets = Vec::new();
        for n in 1..=3 {
            tickets.push(writer.append(vec![record(n)]).await.unwrap());
        }
        let after = log.crash(stored);
        for ticket in tickets {
            assert!(ticket.await.unwrap_err().is_unknown());
        }
        assert!(matches!(log.last(&subject()).await, Err(LogError::Failed(_))));
        let last = after.last(&subject()).await.unwrap();
        assert_eq!(last.map_or(0, |e| e.position.0), stored as u64);
    }
}

#[tokio::test]
async fn a_writer_in_doubt_settles_by_what_is_stored() {
    for (fault, stored) in [(Fault::UnknownStored, true), (Fault::UnknownLost, false), (Fault::NoSpace, false)] {
        let (log, mut writer) = held().await;
        let doubtful = writer.append(vec![record(1)]).await.unwrap();
        let after = writer.append(vec![record(2)]).await.unwrap();
        log.fail_next(fault);
        log.hold(false);
        assert_eq!(doubtful.await.is_err_and(|e| e.is_unknown()), fault != Fault::NoSpace);
        assert_eq!(after.await.is_ok(), stored, "what follows a lost append is lost too");
        if !stored {
            assert!(matches!(writer.append(vec![record(3)]).await, Err(LogError::Unsettled(_))));
        }
        writer.settle().await.unwrap();
        assert_eq!(writer.last(), Position(if stored { 2 } else { 0 }));
        writer.append_durable(vec![record(9)]).await.unwrap();
    }
}

#[tokio::test]
async fn settling_waits_for_what_is_still_in_flight() {
    let (log, mut writer) = held().await;
    let ticket = writer.append(vec![record(1)]).await.unwrap();
    let settling = tokio::spawn(async move { writer.settle().await.map(|entry| entry.map(|e| e.position)) });
    tokio::task::yield_now().await;
    assert!(!settling.is_finished());
    log.release(1);
    assert_eq!(settling.await.unwrap().unwrap(), Some(Position(1)));
    ticket.await.unwrap();
}

#[tokio::test]
async fn a_writer_whose_place_another_took_never_settles() {
    let (log, mut writer) = held().await;
    let lost = writer.append(vec![record(1)]).await.unwrap();
    log.fail_next(Fault::UnknownLost);
    log.release(1);
    assert!(lost.await.unwrap_err().is_unknown());
    log.hold(false);
    log.append(&subject(), Position::START, vec![Bytes::from_static(b"the new owner")]).await.unwrap().await.unwrap();
    assert!(matches!(writer.settle().await, Err(LogError::WrongLast { .. })));
}

#[tokio::test]
async fn with_little_space_intake_stops_first_and_commits_last() {
    let log = MemoryLog::default();
    let taken = |name: &'static str| {
        let log = log.clone();
        async move { log.append(&Subject::new(name).unwrap(), Position::START, vec![record(1)]).await.map(|_| ()) }
    };
    log.set_space(SpaceLevel::NoIntake);
    assert!(matches!(taken("in.00").await, Err(LogError::NoSpace(_))));
    assert!(taken("routed.00").await.is_ok());
    log.set_space(SpaceLevel::NoRouting);
    assert!(matches!(taken("out.x.00").await, Err(LogError::NoSpace(_))));
    assert!(taken("outcome.x").await.is_ok());
    let key = Key::new("commit.x").unwrap();
    let revision = log.put(&key, Revision::NONE, record(1)).await.unwrap();
    log.set_space(SpaceLevel::Exhausted);
    assert!(matches!(log.put(&key, revision, record(2)).await, Err(LogError::NoSpace(_))));
    assert!(matches!(taken("park.x").await, Err(LogError::NoSpace(_))));
    log.set_space(SpaceLevel::Free);
    assert!(taken("in.00").await.is_ok());
}

#[tokio::test]
async fn appends_wait_while_the_queue_is_full() {
    let (log, mut writer) = held().await;
    let big = Bytes::from(vec![0; crate::MAX_RECORD_BYTES]);
    let tickets = [writer.append(vec![big.clone()]).await.unwrap(), writer.append(vec![big]).await.unwrap()];
    let mut third = Box::pin(writer.append(vec![record(3)]));
    assert!(futures_util::future::poll_immediate(&mut third).await.is_none());
    log.release(1);
    let third = third.await.unwrap();
    log.hold(false);
    for ticket in tickets.into_iter().chain([third]) {
        ticket.await.unwrap();
    }
}
