//! Rules of the writers of subjects: taking over, staleness, many at once.

use std::sync::Arc;

use super::{Harness, expect_records, record, subject};
use crate::{Log, LogError, Position, Writer};

async fn writer(log: &Arc<dyn Log>, name: &str) -> Writer {
    Writer::open(log.clone(), subject(name)).await.unwrap().0
}

/// A new writer begins after the last durable record, which it gets to see.
pub async fn a_writer_goes_on_after_a_restart(harness: &dyn Harness) {
    let log = harness.open().await;
    let mut first = writer(&log, "in.03").await;
    for n in 1..=3 {
        assert_eq!(first.append_durable(vec![record("w", n)]).await.unwrap(), Position(n));
    }
    drop(first);
    let log = harness.restart(log).await;
    let (mut second, last) = Writer::open(log.clone(), subject("in.03")).await.unwrap();
    assert_eq!(last.unwrap().record, record("w", 3));
    second.append_durable(vec![record("w", 4)]).await.unwrap();
    expect_records(&log, &subject("in.03"), &[record("w", 1), record("w", 2), record("w", 3), record("w", 4)]).await;
}

/// Once another writer has appended, the first one can do nothing any more, whatever it tries.
pub async fn the_older_of_two_writers_is_stale(harness: &dyn Harness) {
    let log = harness.open().await;
    let (mut old, mut new) = (writer(&log, "in.03").await, writer(&log, "in.03").await);
    old.append_durable(vec![record("old", 1)]).await.unwrap();
    assert!(matches!(new.append(vec![record("new", 1)]).await, Err(LogError::WrongLast { .. })));
    let mut new = writer(&log, "in.03").await;
    new.append_durable(vec![record("new", 2)]).await.unwrap();
    assert!(matches!(old.append(vec![record("old", 2)]).await, Err(LogError::WrongLast { .. })));
    assert!(matches!(old.settle().await, Err(LogError::WrongLast { .. })));
    assert!(old.append(vec![record("old", 2)]).await.is_err());
    expect_records(&log, &subject("in.03"), &[record("old", 1), record("new", 2)]).await;
}

/// Who asks where a subject ends gets everything that was appended, takes no position, and leaves the writers here as they are.
pub async fn a_proven_end_is_behind_all_that_was_appended_and_takes_no_position(harness: &dyn Harness) {
    let log = harness.open().await;
    let (full, none) = (subject("outcome.a"), subject("park.a"));
    assert_eq!(log.proven_end(&none).await.unwrap(), Position::START);
    assert!(log.last(&none).await.unwrap().is_none());
    assert_eq!(
        (log.bounds(&none).await.unwrap().records(), log.bounds(&none).await.unwrap().last),
        (0, Position::START)
    );
    expect_records(&log, &none, &[]).await;
    let mut appending = writer(&log, "outcome.a").await;
    let mut tickets = Vec::new();
    for n in 1..=3 {
        tickets.push(appending.append(vec![record("e", 2 * n - 1), record("e", 2 * n)]).await.unwrap());
    }
    assert_eq!(log.proven_end(&full).await.unwrap(), Position(6), "what is on its way is waited for");
    for ticket in tickets {
        ticket.await.unwrap();
    }
    for _ in 0..3 {
        assert_eq!(log.proven_end(&full).await.unwrap(), Position(6));
    }
    assert_eq!(appending.append_durable(vec![record("e", 7)]).await.unwrap(), Position(7));
    let records: Vec<_> = (1..=7).map(|n| record("e", n)).collect();
    expect_records(&log, &full, &records).await;
    log.trim(&full, Position(7)).await.unwrap();
    assert_eq!(log.proven_end(&full).await.unwrap(), Position(7));
    drop(appending);
    let log = harness.restart(log).await;
    assert_eq!(log.proven_end(&full).await.unwrap(), Position(7));
    assert_eq!(log.proven_end(&none).await.unwrap(), Position::START);
    let (mut next, last) = Writer::open(log.clone(), full.clone()).await.unwrap();
    assert_eq!(last.unwrap().record, record("e", 7));
    next.append_durable(vec![record("e", 8)]).await.unwrap();
    assert_eq!(log.proven_end(&full).await.unwrap(), Position(8));
    let mut first = writer(&log, "park.a").await;
    assert_eq!(first.append_durable(vec![record("p", 1)]).await.unwrap(), Position(1));
}

/// An append is not held up by who asks where its subject ends, and neither gets the other's place.
pub async fn ends_can_be_asked_for_while_others_append(harness: &dyn Harness) {
    let log = harness.open().await;
    let asked = subject("outcome.a");
    let asking = {
        let (log, asked) = (log.clone(), asked.clone());
        tokio::spawn(async move {
            let mut before = Position::START;
            while before < Position(200) {
                let end = log.proven_end(&asked).await.unwrap();
                assert!(end >= before, "{end} after {before}");
                before = end;
            }
        })
    };
    let mut appending = writer(&log, "outcome.a").await;
    for n in 1..=100 {
        let ticket = appending.append(vec![record("e", 2 * n - 1), record("e", 2 * n)]).await.unwrap();
        if n % 3 == 0 {
            ticket.await.unwrap();
        }
    }
    asking.await.unwrap();
    let records: Vec<_> = (1..=200).map(|n| record("e", n)).collect();
    expect_records(&log, &asked, &records).await;
}

/// Writers of many subjects at once, in pipelines: every record is there once, in its writer's order, before and after a restart.
pub async fn many_writers_at_once_lose_nothing(harness: &dyn Harness) {
    const WRITERS: u64 = 16;
    const RECORDS: u64 = 100;
    let log = harness.open().await;
    let tasks: Vec<_> = (0..WRITERS)
        .map(|w| {
            let log = log.clone();
            tokio::spawn(async move {
                let name = format!("in.{w:02}");
                let mut writer = writer(&log, &name).await;
                let mut tickets = Vec::new();
                for n in 1..=RECORDS {
                    tickets.push(writer.append(vec![record(&name, n)]).await.unwrap());
                    if tickets.len() == 8 {
                        for ticket in tickets.drain(..) {
                            ticket.await.unwrap();
                        }
                    }
                }
                for ticket in tickets {
                    ticket.await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let log = harness.restart(log).await;
    for w in 0..WRITERS {
        let name = format!("in.{w:02}");
        let records: Vec<_> = (1..=RECORDS).map(|n| record(&name, n)).collect();
        expect_records(&log, &subject(&name), &records).await;
    }
}
