//! A connection's order where several of its messages are on their way and one is refused for our reasons (G2).

use std::sync::Arc;
use std::time::Duration;

use barid_log::memory::{Fault, MemoryLog};
use barid_log::{Log, Position, ReadLimit, Subject};
use barid_pipeline::Joint;
use tokio::sync::Semaphore;

use super::house::Plan;
use super::wire::{adt, framed, msa};
use crate::AcceptError;

fn frames(ids: &[&str]) -> Vec<u8> {
    ids.iter().flat_map(|id| framed(&adt(id))).collect()
}

fn subject() -> Subject {
    Subject::new("in.00").unwrap()
}

/// Listeners over a log that they write as those of a mesh do.
fn over(log: &MemoryLog) -> Plan {
    let joint = Joint::new(Arc::new(log.clone()), subject());
    Plan { joint: Some(Arc::new(joint)), ..Plan::default() }
}

/// Control ids of what is stored.
async fn stored(log: &MemoryLog) -> Vec<String> {
    let read = log.read(&subject(), Position(1), ReadLimit::default()).await.unwrap();
    let id = |record: &[u8]| String::from_utf8_lossy(record).split('|').nth(9).unwrap().to_owned();
    read.entries.iter().map(|entry| id(&entry.record)).collect()
}

#[tokio::test]
async fn g2_behind_a_message_that_the_log_refuses_nothing_of_its_connection_is_stored() {
    let (log, go) = (MemoryLog::new(1), Arc::new(Semaphore::new(0)));
    let plan = over(&log);
    let joint = Arc::clone(plan.joint.as_ref().unwrap());
    let house = Plan { stall: Some((b"|4|", Arc::clone(&go))), ..plan }.open().await;
    let mut client = house.connect().await;
    log.hold(true);
    client.send(&frames(&["1"])).await;
    house.until("the first is on its way", |_| log.queued() == 1).await;
    client.send(&frames(&["2", "3"])).await;
    house.until("the others wait behind it", |house| house.memory.submitted().len() == 3).await;
    client.send(&frames(&["4"])).await;
    house.until("the stage is asked about one more", |house| house.listeners.connections()[0].messages == 4).await;
    // The log refuses the first, and could take the others before the connection looks at that.
    log.fail_next(Fault::NoSpace);
    log.hold(false);
    let other = joint.submit(adt("other").into()).await.unwrap();
    other.await.unwrap().unwrap();
    assert_eq!(stored(&log).await, ["other"], "none overtakes the first");
    go.add_permits(1);
    for id in ["1", "2", "3", "4"] {
        assert_eq!(msa(&client.answer().await), ("AE", id));
    }
    go.add_permits(1);
    client.send(&frames(&["1", "2", "3", "4"])).await;
    for id in ["1", "2", "3", "4"] {
        assert_eq!(msa(&client.answer().await), ("AA", id));
    }
    assert_eq!(stored(&log).await, ["other", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn g2_behind_a_message_that_is_not_durable_in_time_nothing_of_its_connection_is_stored() {
    let log = MemoryLog::new(1);
    let mut plan = over(&log);
    plan.bounds.durable = Duration::from_millis(200);
    let house = plan.open().await;
    let mut client = house.connect().await;
    log.hold(true);
    client.send(&frames(&["1"])).await;
    house.until("the first is on its way", |_| log.queued() == 1).await;
    client.send(&frames(&["2"])).await;
    for id in ["1", "2"] {
        assert_eq!(msa(&client.answer().await), ("AE", id));
    }
    log.fail_next(Fault::UnknownLost);
    log.hold(false);
    client.send(&frames(&["1", "2"])).await;
    for id in ["1", "2"] {
        assert_eq!(msa(&client.answer().await), ("AA", id));
    }
    assert_eq!(stored(&log).await, ["1", "2"]);
}

#[tokio::test]
async fn g2_what_crosses_a_refusal_on_its_way_is_refused_until_the_refused_message_comes_again() {
    let house = Plan::default().open().await;
    house.memory.fail("2", AcceptError::NoSpace);
    let mut client = house.connect().await;
    client.send(&frames(&["1", "2", "3"])).await;
    for told in [("AA", "1"), ("AE", "2"), ("AE", "3")] {
        assert_eq!(msa(&client.answer().await), told);
    }
    // Sent when the first was answered, before the second's refusal was read.
    let crossing = client.ask(&adt("4")).await;
    assert_eq!(msa(&crossing), ("AE", "4"));
    assert!(crossing.contains("207"), "{crossing}");
    client.send(&frames(&["2", "3", "4", "5"])).await;
    for id in ["2", "3", "4", "5"] {
        assert_eq!(msa(&client.answer().await), ("AA", id));
    }
    assert_eq!(house.memory.control_ids(), ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_sender_that_gives_a_refused_message_up_goes_on_after_a_while_and_one_that_waits_for_answers_at_once() {
    let house = Plan::default().open().await;
    house.memory.fail("1", AcceptError::NoSpace);
    let mut waiting = house.connect().await;
    assert_eq!(msa(&waiting.ask(&adt("1")).await), ("AE", "1"));
    assert_eq!(msa(&waiting.ask(&adt("2")).await), ("AA", "2"), "nothing can have crossed its refusal");
    house.memory.fail("a", AcceptError::NoSpace);
    let mut client = house.connect().await;
    client.send(&frames(&["a", "b"])).await;
    for id in ["a", "b"] {
        assert_eq!(msa(&client.answer().await), ("AE", id));
    }
    let mut tries = 0;
    let patience = tokio::time::Instant::now() + super::wire::PATIENCE;
    while msa(&client.ask(&adt("c")).await) != ("AA", "c") {
        assert!(tokio::time::Instant::now() < patience, "it goes on");
        tries += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(tries > 1);
    assert_eq!(house.memory.control_ids(), ["2", "c"]);
}
