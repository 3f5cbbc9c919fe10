//! Rules of keyed state: durability, compare-and-set, watching.

use bytes::Bytes;

use super::{Harness, key};
use crate::{LogError, MAX_VALUE_BYTES, Revision};

/// What `put` has returned is there after a crash, with its revision; values over the limit are refused.
pub async fn a_value_is_durable_when_put_returns(harness: &dyn Harness) {
    let log = harness.open().await;
    let (small, large) = (key("commit.in.03"), key("checkpoint.in.03"));
    let first = log.put(&small, Revision::NONE, Bytes::from_static(b"one")).await.unwrap();
    let second = log.put(&small, first, Bytes::from_static(b"two")).await.unwrap();
    assert!(second > first && first > Revision::NONE);
    let value = Bytes::from(vec![9; MAX_VALUE_BYTES]);
    log.put(&large, Revision::NONE, value.clone()).await.unwrap();
    let too_large = log.put(&large, Revision::NONE, vec![9; MAX_VALUE_BYTES + 1].into()).await;
    assert!(matches!(too_large, Err(LogError::TooLarge { .. })));
    let log = harness.restart(log).await;
    assert_eq!(log.get(&small).await.unwrap(), Some((second, Bytes::from_static(b"two"))));
    assert!(log.get(&large).await.unwrap().unwrap().1 == value);
    assert_eq!(log.get(&key("commit.in.04")).await.unwrap(), None);
}

/// A put or delete that names another revision than the newest changes nothing: this is what stops a stale owner's commit.
pub async fn a_put_with_a_stale_revision_is_refused(harness: &dyn Harness) {
    let log = harness.open().await;
    let k = key("commit.in.03");
    let absent = log.put(&k, Revision(7), Bytes::from_static(b"x")).await;
    assert!(matches!(absent, Err(LogError::WrongRevision { actual: Revision::NONE, .. })));
    let first = log.put(&k, Revision::NONE, Bytes::from_static(b"owner 1")).await.unwrap();
    let second = log.put(&k, first, Bytes::from_static(b"owner 2")).await.unwrap();
    for stale in [Revision::NONE, first] {
        let put = log.put(&k, stale, Bytes::from_static(b"stale")).await;
        assert!(matches!(put, Err(LogError::WrongRevision { actual, .. }) if actual == second));
        assert!(matches!(log.delete(&k, stale).await, Err(LogError::WrongRevision { .. })));
    }
    assert_eq!(log.get(&k).await.unwrap(), Some((second, Bytes::from_static(b"owner 2"))));
}

/// Of many who put at once on the same revision exactly one succeeds.
pub async fn of_many_puts_one_wins(harness: &dyn Harness) {
    let log = harness.open().await;
    let mut expect = Revision::NONE;
    for _ in 0..5 {
        let tasks: Vec<_> = (0..16u8)
            .map(|n| {
                let log = log.clone();
                tokio::spawn(async move { log.put(&key("lease.in.03"), expect, vec![n].into()).await.map(|r| (r, n)) })
            })
            .collect();
        let mut winners = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Ok(winner) => winners.push(winner),
                Err(error) => assert!(matches!(error, LogError::WrongRevision { .. }), "{error}"),
            }
        }
        assert_eq!(winners.len(), 1);
        let (revision, value) = log.get(&key("lease.in.03")).await.unwrap().unwrap();
        assert_eq!((revision, value.to_vec()), (winners[0].0, vec![winners[0].1]));
        expect = revision;
    }
}

/// Not after a delete, not after a restart: a revision that was once seen never means another value.
pub async fn revisions_are_never_used_twice(harness: &dyn Harness) {
    let mut log = harness.open().await;
    let k = key("answer.x");
    let mut newest = Revision::NONE;
    for round in 0..4u8 {
        let revision = log.put(&k, Revision::NONE, vec![round].into()).await.unwrap();
        assert!(revision > newest);
        newest = revision;
        log.delete(&k, revision).await.unwrap();
        log = harness.restart(log).await;
    }
}

/// A deleted key has no value, can be made again, and stays deleted over a restart.
pub async fn deleted_keys_are_gone(harness: &dyn Harness) {
    let log = harness.open().await;
    let (gone, again) = (key("a.gone"), key("a.again"));
    let revision = log.put(&gone, Revision::NONE, Bytes::from_static(b"1")).await.unwrap();
    log.delete(&gone, revision).await.unwrap();
    let revision = log.put(&again, Revision::NONE, Bytes::from_static(b"1")).await.unwrap();
    log.delete(&again, revision).await.unwrap();
    assert_eq!(log.get(&again).await.unwrap(), None);
    let revision = log.put(&again, Revision::NONE, Bytes::from_static(b"2")).await.unwrap();
    assert!(matches!(log.delete(&gone, Revision(1)).await, Err(LogError::WrongRevision { .. })));
    let log = harness.restart(log).await;
    assert_eq!(log.get(&gone).await.unwrap(), None);
    assert_eq!(log.get(&again).await.unwrap(), Some((revision, Bytes::from_static(b"2"))));
}

/// Keys with a value, sorted, by prefix.
pub async fn keys_are_listed_by_prefix(harness: &dyn Harness) {
    let log = harness.open().await;
    for name in ["commit.in.03", "commit.in.00", "commit.out", "lease.in.00", "commit"] {
        log.put(&key(name), Revision::NONE, Bytes::from_static(b"v")).await.unwrap();
    }
    let log = harness.restart(log).await;
    let names: Vec<_> = log.keys("commit.in.").await.unwrap().iter().map(|k| k.as_str().to_owned()).collect();
    assert_eq!(names, ["commit.in.00", "commit.in.03"]);
    assert_eq!(log.keys("").await.unwrap().len(), 5);
    assert!(log.keys("x").await.unwrap().is_empty());
}

/// Whoever watches a key sees every state it stays in, starting from the one at the call.
pub async fn watchers_of_a_key_wake(harness: &dyn Harness) {
    let log = harness.open().await;
    let k = key("answer.1");
    let mut absent = log.watch_key(&k);
    assert_eq!(*absent.borrow_and_update(), Revision::NONE);
    let revision = log.put(&k, Revision::NONE, Bytes::from_static(b"answer")).await.unwrap();
    absent.changed().await.unwrap();
    assert_eq!(*absent.borrow_and_update(), revision);
    let mut present = log.watch_key(&k);
    assert_eq!(*present.borrow_and_update(), revision);
    log.put(&key("answer.2"), Revision::NONE, Bytes::from_static(b"other")).await.unwrap();
    assert!(!present.has_changed().unwrap());
    log.delete(&k, revision).await.unwrap();
    present.changed().await.unwrap();
    assert_eq!(log.get(&k).await.unwrap(), None);
}

/// Whoever watches a prefix wakes for each key below it, and for no other.
pub async fn watchers_of_a_prefix_wake(harness: &dyn Harness) {
    let log = harness.open().await;
    let mut pauses = log.watch_keys("pause.");
    pauses.borrow_and_update();
    log.put(&key("lease.in.00"), Revision::NONE, Bytes::from_static(b"v")).await.unwrap();
    assert!(!pauses.has_changed().unwrap());
    let revision = log.put(&key("pause.channel.admissions"), Revision::NONE, Bytes::from_static(b"v")).await.unwrap();
    pauses.changed().await.unwrap();
    assert_eq!(*pauses.borrow_and_update(), revision);
}
