//! A new owner whose questions are answered by a server of the log that was deposed and does not know it yet; and one that
//! does not know yet that it was.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use barid_log::memory::MemoryLog;
use barid_log::{
    Batch, Bounds, BoxFuture, Entry, Identity, Key, Log, LogError, Position, ReadLimit, Revision, SpaceLevel, Subject,
    Ticket, Writer,
};
use barid_model::record::{OutRecord, ParkEvent, Parked, Record as _};
use barid_model::{Name, Outcome};
use barid_pipeline::subject;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::house::{Does, House, Manners, P, Receiver, delivery, uid};
use crate::connect::Fence;
use crate::testing::{lanes, parked};

/// A log that shows some subjects up to a position only, until their ends are proven.
struct Deposed {
    inner: MemoryLog,
    shown: Mutex<HashMap<Subject, Position>>,
    proven: Mutex<Vec<Subject>>,
}

impl Deposed {
    fn new() -> Arc<Self> {
        Arc::new(Self { inner: MemoryLog::new(1), shown: Mutex::default(), proven: Mutex::default() })
    }

    fn hide(&self, subject: Subject, after: u64) {
        self.shown.lock().insert(subject, Position(after));
    }

    fn shown(&self, subject: &Subject) -> Position {
        self.shown.lock().get(subject).copied().unwrap_or(Position(u64::MAX))
    }
}

impl Log for Deposed {
    fn append<'a>(
        &'a self,
        subject: &'a Subject,
        last: Position,
        records: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<Ticket, LogError>> {
        self.inner.append(subject, last, records)
    }

    fn last<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Option<Entry>, LogError>> {
        Box::pin(async move {
            let last = self.inner.last(subject).await?;
            let shown = self.shown(subject);
            match last {
                Some(last) if last.position > shown => {
                    let batch = self.inner.read(subject, shown, ReadLimit { records: 1, bytes: 1 }).await?;
                    Ok(batch.entries.into_iter().find(|entry| entry.position == shown))
                }
                last => Ok(last),
            }
        })
    }

    fn proven_end<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Position, LogError>> {
        self.shown.lock().remove(subject);
        self.proven.lock().push(subject.clone());
        self.inner.proven_end(subject)
    }

    fn read<'a>(
        &'a self,
        subject: &'a Subject,
        from: Position,
        limit: ReadLimit,
    ) -> BoxFuture<'a, Result<Batch, LogError>> {
        Box::pin(async move {
            let mut batch = self.inner.read(subject, from, limit).await?;
            let shown = self.shown(subject);
            batch.entries.retain(|entry| entry.position <= shown);
            batch.next = batch.next.min(shown.next()).max(from);
            Ok(batch)
        })
    }

    fn changed(&self, subject: &Subject) -> watch::Receiver<Position> {
        let shown = self.shown(subject);
        if shown.0 < u64::MAX { watch::channel(shown).1 } else { self.inner.changed(subject) }
    }

    fn appended(&self, subject: &Subject) -> watch::Receiver<Position> {
        self.inner.appended(subject)
    }

    fn trim<'a>(&'a self, subject: &'a Subject, before: Position) -> BoxFuture<'a, Result<(), LogError>> {
        self.inner.trim(subject, before)
    }

    fn bounds<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Bounds, LogError>> {
        Box::pin(async move {
            let bounds = self.inner.bounds(subject).await?;
            Ok(Bounds { last: bounds.last.min(self.shown(subject)), ..bounds })
        })
    }

    fn subjects<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Subject>, LogError>> {
        self.inner.subjects(prefix)
    }

    fn put<'a>(&'a self, key: &'a Key, expect: Revision, value: Bytes) -> BoxFuture<'a, Result<Revision, LogError>> {
        self.inner.put(key, expect, value)
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<(Revision, Bytes)>, LogError>> {
        self.inner.get(key)
    }

    fn delete<'a>(&'a self, key: &'a Key, expect: Revision) -> BoxFuture<'a, Result<(), LogError>> {
        self.inner.delete(key, expect)
    }

    fn keys<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Key>, LogError>> {
        self.inner.keys(prefix)
    }

    fn watch_key(&self, key: &Key) -> watch::Receiver<Revision> {
        self.inner.watch_key(key)
    }

    fn watch_keys(&self, prefix: &str) -> watch::Receiver<Revision> {
        self.inner.watch_keys(prefix)
    }

    fn space(&self) -> watch::Receiver<SpaceLevel> {
        self.inner.space()
    }

    fn identity(&self) -> &Identity {
        self.inner.identity()
    }
}

/// A lease that holds, or has run out.
struct Holds(AtomicBool);

impl Fence for Holds {
    fn holds(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn regained(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { true })
    }
}

fn fence() -> Option<Arc<dyn Fence>> {
    Some(Arc::new(Holds(AtomicBool::new(true))))
}

fn house(log: &Arc<Deposed>, receiver: Receiver) -> House {
    House { log: Arc::clone(log) as Arc<dyn Log>, ..House::new(receiver) }
}

fn destination() -> Name {
    Name::local("destination")
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_is_not_sent_again_though_its_outcome_is_not_shown_yet() {
    let log = Deposed::new();
    let mut house = house(&log, Receiver::new(|_| Does::Accepts));
    house.route(3, |_| vec![1]).await;
    let first = house.run_behind(Manners::default(), fence());
    first.until("all are delivered", |view| view.finished == [(P, 3)]).await;
    first.task.abort();
    let outcome = subject::outcome(&destination()).unwrap();
    log.proven.lock().clear();
    log.hide(outcome.clone(), 0);
    let next = house.run_behind(Manners::default(), fence());
    next.until("it is known", |view| view.finished == [(P, 3)]).await;
    next.stop().await;
    assert_eq!(*house.receiver.saw.lock(), [(1, false), (2, false), (3, false)]);
    assert_eq!(*log.proven.lock(), [outcome, subject::park(&destination()).unwrap()], "once each");
}

#[tokio::test(start_paused = true)]
async fn what_was_set_aside_stays_so_though_park_does_not_show_it_yet() {
    let log = Deposed::new();
    let house = house(&log, Receiver::new(|_| Does::Accepts));
    let park = subject::park(&destination()).unwrap();
    let (mut writer, _) = Writer::open(Arc::clone(&house.log), park.clone()).await.unwrap();
    let record = OutRecord { id: delivery(1), uid: uid(1), ..lanes(&[1]) };
    let aside = ParkEvent::Parked(Box::new(parked(Parked::Quarantined, 1, record)));
    writer.append_durable(vec![aside.encode()]).await.unwrap();
    log.hide(park, 0);
    let next = house.run_behind(Manners::default(), fence());
    next.until("it is told of", |view| view.quarantined == 1).await;
    next.stop().await;
    assert_eq!(house.ended(Outcome::Quarantined).await, [1]);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_sent_stays_in_doubt_though_an_owner_came_and_went_to_whom_out_did_not_show_it() {
    let log = Deposed::new();
    let mut house = house(&log, Receiver::new(|number| if number == 1 { Does::Accepts } else { Does::Silence }));
    house.route(1, |_| vec![1]).await;
    let first = house.run_behind(Manners::default(), fence());
    first.until("one is delivered", |view| view.finished == [(P, 1)]).await;
    first.stop().await;
    house.route(1, |_| vec![1]).await;
    let killed = house.run_behind(Manners::default(), fence());
    killed.until("the other is on its way", |view| view.sending == 1).await;
    killed.task.abort();
    let out = subject::out(&destination(), P).unwrap();
    log.hide(out.clone(), 1);
    house.owner_behind(fence()).await.commit(true).await.unwrap();
    log.shown.lock().remove(&out);
    house.receiver.becomes(|_| Does::Accepts);
    let last = house.run_behind(Manners::default(), fence());
    last.until("both are delivered", |view| view.finished == [(P, 2)]).await;
    last.stop().await;
    assert_eq!(*house.receiver.saw.lock(), [(1, false), (2, false), (2, true)]);
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_back_from_park_before_what_stands_before_it_in_out_though_that_is_not_shown_yet() {
    let log = Deposed::new();
    let mut house = house(&log, Receiver::new(|_| Does::Accepts));
    house.route(2, |_| vec![1]).await;
    // The second is of a channel that was paused, and the first was still in the window.
    let park = subject::park(&destination()).unwrap();
    let (mut writer, _) = Writer::open(Arc::clone(&house.log), park).await.unwrap();
    let record = OutRecord { id: delivery(2), uid: uid(2), ..lanes(&[1]) };
    let waits = ParkEvent::Parked(Box::new(parked(Parked::Paused, 2, record)));
    writer.append_durable(vec![waits.encode()]).await.unwrap();
    let out = subject::out(&destination(), P).unwrap();
    log.hide(out.clone(), 0);
    let mut owner = house.owner_behind(fence()).await;
    log.shown.lock().remove(&out);
    assert_eq!(owner.wants_park(), None, "the first has not been read again");
}

#[tokio::test(start_paused = true)]
async fn an_owner_whose_lease_has_run_out_writes_nothing_behind_its_successors_back() {
    let log = Deposed::new();
    let mut house = house(&log, Receiver::new(|_| Does::Slowly));
    let lease = Arc::new(Holds(AtomicBool::new(true)));
    let owner = house.run_behind(Manners::default(), Some(Arc::clone(&lease) as Arc<dyn Fence>));
    house.route(1, |_| vec![1]).await;
    owner.until("it is on its way", |view| view.sending == 1).await;
    lease.0.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(house.took(|_| true), [1]);
    assert!(house.outcomes().await.is_empty(), "another may have begun");
    lease.0.store(true, Ordering::SeqCst);
    owner.until("it is told", |view| view.finished == [(P, 1)]).await;
    owner.stop().await;
}
