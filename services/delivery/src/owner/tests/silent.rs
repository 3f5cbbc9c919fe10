//! Messages that the destination cannot bear, and a destination that is away: the one must not be taken for the other.

use std::time::Duration;

use barid_config::document::OnReject;
use barid_model::Outcome;
use barid_model::record::Parked;

use super::house::{Does, House, Manners, Receiver};
use crate::owner::command::Act;

const BAD: u64 = 21;
/// Long enough that the pauses have grown to their longest; a day takes the test a minute.
const HOURS: Duration = Duration::from_secs(4 * 3_600);

fn bad(does: Does) -> Receiver {
    Receiver::new(move |number| if number == BAD { does } else { Does::Accepts })
}

/// Sixteen lanes, each message in one of them.
fn lane(number: u64) -> Vec<u64> {
    vec![number % 16]
}

async fn one_bad_among_others(does: Does, connections: usize) {
    let mut house = House::new(bad(does));
    house.route(400, lane).await;
    let running = house.run(Manners { connections, ..Manners::default() });
    running.busy_until(&mut house, "it is set aside", |view| view.quarantined == 1).await;
    for lane in 0..16 {
        let wanted: Vec<u64> = (1..=house.written).filter(|number| number % 16 == lane && *number != BAD).collect();
        assert_eq!(house.took(|number| number % 16 == lane), wanted, "lane {lane} with {connections} connections");
    }
    assert_eq!(house.ended(Outcome::Quarantined).await, [BAD], "{connections} connections");
    let parked = house.parked().await;
    let aside = parked.iter().find(|record| record.why == Parked::Quarantined).unwrap();
    assert_eq!(aside.findings.iter().map(|found| found.rule.as_str()).collect::<Vec<_>>(), ["destination.unanswered"]);
    assert!(aside.possible_duplicate && aside.attempts >= 3, "{aside:?}");
    // The receiver is mended: it is run again, as the same delivery's next run.
    house.receiver.becomes(|_| Does::Accepts);
    let position = position_of_aside(&house).await;
    running.act(Act::Rerun(position)).await.unwrap();
    running.until("it is run again", |view| view.quarantined == 0 && view.parked == 0 && view.window == 0).await;
    assert_eq!(house.took(|number| number == BAD), [BAD]);
    running.stop().await;
}

async fn position_of_aside(house: &House) -> u64 {
    let outcomes = house.outcomes().await;
    outcomes.iter().find(|record| record.outcome == Some(Outcome::Quarantined)).and_then(|record| record.park).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_never_answered_is_set_aside_and_the_others_go_on() {
    for connections in [1, 4, 16] {
        one_bad_among_others(Does::Silence, connections).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_on_which_the_receiver_dies_is_set_aside_and_none_that_died_with_it() {
    for connections in [1, 4, 16] {
        one_bad_among_others(Does::Dies, connections).await;
    }
}

#[tokio::test(start_paused = true)]
async fn several_bad_messages_in_as_many_lanes_are_all_set_aside() {
    let mut house = House::new(Receiver::new(|number| if number <= 3 { Does::Dies } else { Does::Accepts }));
    house.route(200, lane).await;
    let running = house.run(Manners::default());
    running.busy_until(&mut house, "all are set aside", |view| view.quarantined == 3).await;
    let mut aside = house.ended(Outcome::Quarantined).await;
    aside.sort_unstable();
    assert_eq!(aside, [1, 2, 3]);
    assert_eq!(house.took(|_| true).len() as u64, house.written - 3);
    running.stop().await;
}

/// For hours everything fails, then all is well: nothing was set aside, nothing is lost, order holds.
async fn away_for_hours(does: Does, connections: usize) {
    let mut house = House::new(Receiver::new(move |_| does));
    house.route(400, lane).await;
    let running = house.run(Manners { connections, ..Manners::default() });
    tokio::time::sleep(HOURS).await;
    assert_eq!(running.shared.view().window, 400);
    assert!(house.parked().await.is_empty() && house.outcomes().await.is_empty());
    let tried: std::collections::BTreeSet<u64> = house.receiver.saw.lock().iter().map(|(number, _)| *number).collect();
    assert!(tried.len() <= 16, "only heads are tried: {tried:?}");
    house.receiver.becomes(|_| Does::Accepts);
    running.until("all is delivered", |view| view.window == 0).await;
    assert_eq!(house.ended(Outcome::Delivered).await.len(), 400);
    assert!(house.parked().await.is_empty());
    for lane in 0..16 {
        let wanted: Vec<u64> = (1..=400).filter(|number| number % 16 == lane).collect();
        assert_eq!(house.took(|number| number % 16 == lane), wanted);
    }
    let saw = house.receiver.saw.lock().clone();
    for number in tried {
        let last = saw.iter().rev().find(|(seen, _)| *seen == number);
        assert!(last.is_some_and(|(_, marked)| *marked), "what may have arrived before is marked: {number}");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_silent_for_hours_has_nothing_set_aside() {
    for connections in [1, 16] {
        away_for_hours(Does::Silence, connections).await;
        away_for_hours(Does::Dies, connections).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_nobody_can_connect_to_for_hours_has_nothing_set_aside() {
    away_for_hours(Does::Refuses, 4).await;
}

#[tokio::test(start_paused = true)]
async fn where_only_one_lane_waits_nothing_is_set_aside_until_others_are_answered() {
    let mut house = House::new(Receiver::new(|number| if number == 1 { Does::Dies } else { Does::Accepts }));
    house.route(5, |_| vec![7]).await;
    let running = house.run(Manners::default());
    tokio::time::sleep(HOURS).await;
    assert_eq!((running.shared.view().window, house.parked().await.len()), (5, 0), "the destination may be down");
    // Another lane's messages come, one each time: each that is answered tells.
    // The first of these has its lane parked, and the counting begins anew there.
    for _ in 0..4 {
        assert_eq!(running.shared.view().quarantined, 0);
        house.route(1, |_| vec![8]).await;
        tokio::time::sleep(Duration::from_secs(1_000)).await;
    }
    running.until("it is set aside", |view| view.quarantined == 1 && view.window == 0).await;
    assert_eq!(house.took(|number| number <= 5), [2, 3, 4, 5]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_of_two_lanes_keeps_both_in_order_while_it_is_suspected() {
    let mut house = House::new(bad(Does::Silence));
    house.route(120, |number| if number == BAD { vec![1, 2] } else { vec![number % 16] }).await;
    let running = house.run(Manners::default());
    running.busy_until(&mut house, "it is set aside", |view| view.quarantined == 1).await;
    for lane in 0..16 {
        let wanted: Vec<u64> = (1..=house.written).filter(|number| number % 16 == lane && *number != BAD).collect();
        assert_eq!(house.took(|number| number % 16 == lane), wanted);
    }
    let at = |number: u64| house.receiver.saw.lock().iter().position(|(seen, _)| *seen == number).unwrap();
    let last_bad = house.receiver.saw.lock().iter().rposition(|(seen, _)| *seen == BAD).unwrap();
    assert!(at(33) > last_bad && at(34) > last_bad, "what follows it in either lane waits until it is decided");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_refusals_hold_is_held_and_what_they_retry_backs_off_alone() {
    for on_reject in [OnReject::Hold, OnReject::Retry] {
        let mut house = House::new(bad(Does::Silence));
        house.route(400, lane).await;
        let running = house.run(Manners { on_reject, ..Manners::default() });
        for _ in 0..200 {
            house.route(16, lane).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        let behind = (1..=house.written).filter(|number| number % 16 == BAD % 16 && *number >= BAD).count();
        running.until("all other lanes are delivered", |view| view.parked == behind as u64).await;
        let aside = house.ended(Outcome::Quarantined).await;
        assert!(aside.is_empty(), "{on_reject:?}: {aside:?}");
        assert_eq!(running.shared.view().held.1, usize::from(on_reject == OnReject::Hold));
        house.receiver.becomes(|_| Does::Accepts);
        if on_reject == OnReject::Hold {
            running.act(Act::Release(None)).await.unwrap();
        }
        running.until("all is delivered", |view| view.window == 0 && view.parked == 0).await;
        let wanted: Vec<u64> = (1..=house.written).filter(|number| number % 16 == BAD % 16).collect();
        assert_eq!(house.took(|number| number % 16 == BAD % 16), wanted);
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_is_told_of_the_last_tries_and_of_the_next() {
    let mut house = House::new(bad(Does::Silence));
    house.route(100, lane).await;
    let running = house.run(Manners::default());
    running
        .until("it was tried twice", |_| {
            running.shared.trouble(super::house::delivery(BAD)).is_some_and(|trouble| trouble.tries.len() == 2)
        })
        .await;
    let trouble = running.shared.trouble(super::house::delivery(BAD)).unwrap();
    assert_eq!(trouble.tries[1].text, "timeout: no answer within 1000 ms");
    assert_eq!(trouble.tries[1].number, 2);
    assert!(trouble.next.is_some());
    assert_eq!(running.shared.trouble(super::house::delivery(1)), None, "what went well at once is not kept");
    running.stop().await;
}
