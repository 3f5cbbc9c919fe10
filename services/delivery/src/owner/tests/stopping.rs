//! An owner that is told to stop ends what is on its way, and does nothing else meanwhile.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use super::house::{Does, House, Manners, P, Receiver};

/// Looks at an owner in the second that a silent message takes: a few wake-ups are its own work; each turn of an owner
/// that spins is one more.
const TURNS_MAX: u64 = 200;

#[tokio::test(start_paused = true)]
async fn a_stopping_owner_does_not_spin_on_a_back_off_that_is_over() {
    // One is refused, so that its back-off ends while the other is still on its way.
    let mut house = House::new(Receiver::new(|number| if number == 1 { Does::Refuses } else { Does::Silence }));
    house.route(2, |number| vec![number]).await;
    let turns = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&turns);
    let running = house.run_as(Manners::default(), |mut run| {
        tokio::spawn(std::future::poll_fn(move |context| {
            let turn = counted.fetch_add(1, Ordering::Relaxed);
            if turn > 100 * TURNS_MAX {
                // Time would stand still for ever.
                return Poll::Ready(Ok(()));
            }
            Pin::new(&mut run).poll(context)
        }))
    });
    running
        .until("one is on its way, and the destination backs off", |view| view.sending == 1 && view.failures > 0)
        .await;
    let before = turns.load(Ordering::Relaxed);
    running.stop.send_replace(true);
    tokio::time::timeout(Duration::from_secs(60), running.task).await.unwrap().unwrap().unwrap();
    let turns = turns.load(Ordering::Relaxed) - before;
    assert!(turns < TURNS_MAX, "{turns} turns of an owner that had nothing to do but wait");
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
