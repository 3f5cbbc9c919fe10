//! What people decide on something that only waits.

use std::time::Duration;

use barid_model::Outcome;

use super::house::{Does, House, Manners, P, Receiver, delivery};
use crate::owner::command::{Act, Refusal};

fn end(number: u64, keep: bool) -> Act {
    Act::EndWaiting { delivery: delivery(number), out: (P, number), keep }
}

#[tokio::test(start_paused = true)]
async fn the_head_of_a_destination_that_backs_off_is_given_up_and_its_lane_goes_on() {
    for does in [Does::Dies, Does::Refuses] {
        let mut house = House::new(Receiver::new(move |number| if number == 1 { does } else { Does::Accepts }));
        house.route(3, |_| vec![1]).await;
        let running = house.run(Manners::default());
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(running.act(end(1, false)).await, Ok(1));
        running.until("the others are delivered", |view| view.window == 0).await;
        assert_eq!((house.took(|_| true), house.ended(Outcome::Discarded).await), (vec![2, 3], vec![1]));
        let outcomes = house.outcomes().await;
        let given_up = outcomes.iter().find(|record| record.outcome == Some(Outcome::Discarded)).unwrap();
        assert_eq!((given_up.actor.as_deref(), given_up.reason.as_deref()), (Some("somebody"), Some("a test")));
        assert_eq!(given_up.findings.len(), 1, "why it was not delivered so far: {given_up:?}");
        assert_eq!(running.act(end(1, false)).await, Err(Refusal::Gone));
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_paused_destination_is_given_up_or_set_aside_wherever_it_stands_in_its_lane() {
    let mut house = House::new(Receiver::new(|_| Does::Accepts));
    house.route(4, |_| vec![1]).await;
    let running = house.run(Manners { paused: true, ..Manners::default() });
    running.until("it is read", |view| view.window == 4).await;
    assert_eq!(running.act(end(3, false)).await, Ok(1));
    assert_eq!(running.act(end(1, true)).await, Ok(1));
    running.until("it is set aside", |view| view.quarantined == 1 && view.window == 2).await;
    running.plan.send_replace(house.plan(Manners::default()));
    running.until("the rest is delivered", |view| view.window == 0).await;
    assert_eq!(house.took(|_| true), [2, 4]);
    let aside = house.outcomes().await.iter().find_map(|record| record.park).unwrap();
    running.act(Act::Rerun(aside)).await.unwrap();
    running.until("what was set aside is run again", |view| view.quarantined == 0 && view.parked == 0).await;
    assert_eq!(house.took(|_| true), [2, 4, 1]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_is_not_begun() {
    let mut house = House::new(Receiver::new(|_| Does::Refuses));
    house.route(1, |_| vec![1]).await;
    let running = house.run(Manners::default());
    running.until("it waits", |view| view.window == 1).await;
    // Who asked was told that nobody decided in time, and looks again.
    drop(running.begin(end(1, false)).await);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(house.ended(Outcome::Discarded).await, Vec::<u64>::new());
    assert_eq!(running.act(end(1, false)).await, Ok(1));
    assert_eq!(house.ended(Outcome::Discarded).await, [1]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_is_given_up_when_the_try_has_failed_and_not_where_it_was_answered() {
    let mut house = House::new(Receiver::new(|number| if number == 1 { Does::Silence } else { Does::Accepts }));
    house.route(2, |_| vec![1]).await;
    let running = house.run(Manners::default());
    running.until("it is on its way", |view| view.sending == 1).await;
    let done = running.begin(end(1, false)).await;
    assert_eq!(done.await.unwrap(), Ok(1));
    assert_eq!(house.receiver.saw.lock().iter().filter(|(number, _)| *number == 1).count(), 1, "it is not tried again");
    running.until("the next is delivered", |view| view.window == 0).await;

    house.receiver.becomes(|_| Does::Accepts);
    house.route(1, |_| vec![1]).await;
    let answered = async {
        loop {
            match running.act(end(3, false)).await {
                Err(Refusal::Gone) if house.took(|number| number == 3).is_empty() => tokio::task::yield_now().await,
                other => return other,
            }
        }
    };
    let refused = answered.await;
    running.until("it is over", |view| view.window == 0).await;
    match refused {
        Ok(_) => assert!(house.took(|number| number == 3).is_empty()),
        Err(_) => assert_eq!(house.took(|number| number == 3), [3]),
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_stands_behind_the_window_is_ended_ahead_of_reading_also_over_a_restart() {
    let mut house = House::new(Receiver::new(|_| Does::Refuses));
    let all = crate::window::WINDOW_ENTRIES as u64 + 500;
    house.route(all, |number| vec![number % 8]).await;
    let running = house.run(Manners::default());
    running.until("the window is full", |view| view.window >= crate::window::WINDOW_ENTRIES).await;
    for number in [all, all - 20, all - 10] {
        assert_eq!(running.act(end(number, number == all - 10)).await, Ok(1), "{number}");
        assert_eq!(running.act(end(number, false)).await, Err(Refusal::Gone), "{number}");
    }
    assert_eq!(running.act(Act::EndWaiting { delivery: delivery(1), out: (P, all - 1), keep: false }).await, Ok(1));
    running.task.abort();

    let running = house.run(Manners::default());
    running.until("it is full again", |view| view.window >= crate::window::WINDOW_ENTRIES).await;
    assert_eq!(running.act(end(all - 20, false)).await, Err(Refusal::Gone));
    house.receiver.becomes(|_| Does::Accepts);
    running.until("all is over", |view| view.window == 0 && view.ended_above == 0).await;
    let mut took = house.took(|_| true);
    took.sort_unstable();
    let wanted: Vec<u64> = (2..=all).filter(|number| ![all, all - 20, all - 10].contains(number)).collect();
    assert_eq!(took, wanted);
    assert_eq!(running.shared.view().quarantined, 1);
    running.stop().await;
}
