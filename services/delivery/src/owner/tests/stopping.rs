//! An owner that is told to stop ends what is on its way, and does nothing else meanwhile.

use std::sync::Arc;
use std::time::Duration;

use barid_log::Writer;
use barid_model::Name;
use barid_pipeline::subject;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::house::{Does, House, Manners, P, Receiver};
use crate::connect::Fence;
use crate::testing::lanes;
use crate::window::Entry;

#[tokio::test(start_paused = true)]
async fn a_stopping_owner_does_not_spin_on_back_offs_that_are_over() {
    let mut owner = House::new(Receiver::new(|_| Does::Accepts)).owner().await;
    owner.stopping = true;
    let (now, pause) = (owner.now(), Duration::from_millis(10));
    owner.circuit.failed(now, |_| pause);
    let id = owner.window.admit(Entry::from_out(Arc::new(lanes(&[1])), P, 1, now));
    owner.window.wait_until(id, now.plus(pause));
    assert!(owner.wake_at(Instant::now() + 2 * pause, None) <= Instant::now() + pause);
    tokio::time::advance(2 * pause).await;
    owner.step().await.unwrap();
    // A timer that stays in the past wakes at once, for ever: what is waited for is the next commit alone.
    let commit = Instant::now() + Duration::from_secs(1);
    assert_eq!(owner.wake_at(commit, None), commit);
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_owner_may_have_sent_stays_in_doubt_though_the_next_one_stops_before_it_has_read_it_again() {
    let mut house = House::new(Receiver::new(|number| if number == 1 { Does::Accepts } else { Does::Silence }));
    house.route(1, |_| vec![1]).await;
    let first = house.run(Manners::default());
    first.until("one is delivered", |view| view.finished == [(P, 1)]).await;
    first.stop().await;
    house.route(1, |_| vec![1]).await;
    let killed = house.run(Manners::default());
    killed.until("the other is on its way", |view| view.sending == 1).await;
    killed.task.abort();
    house.owner().await.commit(true).await.unwrap();
    house.receiver.becomes(|_| Does::Accepts);
    let last = house.run(Manners::default());
    last.until("both are delivered", |view| view.finished == [(P, 2)]).await;
    last.stop().await;
    assert_eq!(*house.receiver.saw.lock(), [(1, false), (2, false), (2, true)]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_a_kill_is_in_no_doubt_though_the_dead_owner_was_allowed_to_send_it() {
    let mut house = House::new(Receiver::new(|_| Does::Accepts));
    house.route(1, |_| vec![1]).await;
    let killed = house.run(Manners::default());
    killed.until("one is delivered", |view| view.finished == [(P, 1)]).await;
    killed.task.abort();
    let next = house.run(Manners::default());
    next.until("it has begun", |view| view.finished == [(P, 1)]).await;
    house.route(1, |_| vec![2]).await;
    next.until("the next is delivered", |view| view.finished == [(P, 2)]).await;
    next.stop().await;
    assert_eq!(*house.receiver.saw.lock(), [(1, false), (2, false)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_when_a_run_breaks_off_is_cut_before_anybody_else_may_begin() {
    let mut house = House::new(Receiver::new(|number| if number == 1 { Does::Slowly } else { Does::Accepts }));
    house.route(1, |number| vec![number]).await;
    let running = house.run(Manners::default());
    running.until("it is on its way", |view| view.sending == 1).await;
    // Somebody else writes where only the owner does.
    let outcomes = subject::outcome(&Name::local("destination")).unwrap();
    let (mut other, _) = Writer::open(Arc::clone(&house.log), outcomes).await.unwrap();
    other.append_durable(vec!["another owner".into()]).await.unwrap();
    house.route(1, |number| vec![number]).await;
    assert!(running.task.await.unwrap().is_err(), "the outcome of the second has no place");
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(*house.receiver.saw.lock(), [(1, false), (2, false)]);
    assert_eq!(house.took(|_| true), [2], "the first came through after the run had ended");
}

#[tokio::test(start_paused = true)]
async fn a_send_that_outlasts_the_drain_is_cut_before_the_destination_is_given_back() {
    let mut house = House::new(Receiver::new(|_| Does::Slowly));
    house.route(1, |_| vec![1]).await;
    let running = house.run(Manners::default());
    running.until("it is on its way", |view| view.sending == 1).await;
    running.stop().await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(house.took(|_| true).is_empty(), "it came through after the run had ended");
    house.receiver.becomes(|_| Does::Accepts);
    let next = house.run(Manners::default());
    next.until("it is delivered", |view| view.finished == [(P, 1)]).await;
    next.stop().await;
    assert_eq!(*house.receiver.saw.lock(), [(1, false), (1, true)]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_takes_what_is_on_its_way_with_it() {
    let mut house = House::new(Receiver::new(|_| Does::Slowly));
    house.route(1, |_| vec![1]).await;
    let running = house.run(Manners::default());
    running.until("it is on its way", |view| view.sending == 1).await;
    running.task.abort();
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(house.took(|_| true).is_empty(), "it came through after the run had ended");
}

/// A lease that was lost.
struct Lost;

impl Fence for Lost {
    fn holds(&self) -> bool {
        false
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn regained(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_begins_again_when_its_lease_is_lost_takes_nothing_back_of_what_its_successor_may_send() {
    let mut house = House::new(Receiver::new(|number| if number == 1 { Does::Accepts } else { Does::Silence }));
    house.route(1, |_| vec![1]).await;
    let successor = house.run(Manners::default());
    successor.until("one is delivered", |view| view.finished == [(P, 1)]).await;
    let stale = house.run_behind(Manners::default(), Some(Arc::new(Lost)));
    tokio::time::sleep(Duration::from_millis(300)).await;
    stale.stop.send_replace(true);
    assert!(stale.task.await.unwrap().is_err(), "it does not take over");
    house.route(1, |_| vec![1]).await;
    successor.until("the other is on its way", |view| view.sending == 1).await;
    successor.task.abort();
    house.receiver.becomes(|_| Does::Accepts);
    let last = house.run(Manners::default());
    last.until("both are delivered", |view| view.finished == [(P, 2)]).await;
    last.stop().await;
    assert_eq!(*house.receiver.saw.lock(), [(1, false), (2, false), (2, true)]);
}
