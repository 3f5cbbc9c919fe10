//! Receivers that misbehave: down, slow, late, twice, for another message, garbage, closing. All arrive, in order.
//!
//! MLLP has no place for a mark, so where the engine has to send again what the receiver has already, repeats are
//! allowed; what is judged then is that nothing is missing and first arrivals are in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_testkit::generate::Generator;
use barid_testkit::receiver::{Act, Faults, Options, Receiver, Which};
use barid_testkit::sender::{self, Made};

use crate::process_relay::{Ended, OUT, PATIENCE, Relay, distinct};

const FACILITIES: u64 = 4;
const EACH: u64 = 50;

/// Sends to a receiver with these faults and judges; `may_repeat`: whether it has reason to get messages twice.
async fn all_arrive_in_order(faults: Faults, may_repeat: bool) {
    let receiver = Receiver::start(Options { faults, ..Options::default() }).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let ended = send(&relay).await;
    finish(&receiver, &ended, may_repeat).await;
    running.end(PATIENCE).await.unwrap();
}

async fn send(relay: &Relay) -> Ended {
    let ended = Ended::default();
    let generators = (0..FACILITIES).map(|n| Generator::new(n, &format!("R{n}"))).collect();
    let source = Arc::new(Made::new(generators, EACH));
    let report = sender::run(relay.load(FACILITIES as usize, 8), source, ended.observer()).await;
    assert_eq!(report.accepted, FACILITIES * EACH, "{report:?}");
    ended
}

async fn finish(receiver: &Receiver, ended: &Ended, may_repeat: bool) {
    distinct(receiver, (FACILITIES * EACH) as usize).await;
    let mut history = ended.history(receiver);
    if may_repeat {
        history.marked = history.sent.iter().map(|sent| (OUT.to_owned(), sent.key.clone())).collect();
    }
    let verdict = history.judge();
    assert!(verdict.is_clean(), "{verdict}");
}

#[tokio::test]
async fn what_was_accepted_while_the_destination_was_down_arrives_when_it_is_back() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    receiver.refuse();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let ended = send(&relay).await;
    assert_eq!(receiver.count(), 0);
    receiver.accept();
    finish(&receiver, &ended, false).await;
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_destination_that_comes_and_goes_gets_everything_in_order() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let faults = Faults::always(Act::Delay(Duration::from_millis(5)));
    receiver.set_faults(faults);
    let sending = send(&relay);
    tokio::pin!(sending);
    let deadline = Instant::now() + PATIENCE;
    let mut ended = None;
    // Each time some more arrived, the port closes under what is on its way.
    for next in [20, 60, 100, 140] {
        while receiver.count() < next {
            assert!(Instant::now() < deadline, "{} of {next} arrived", receiver.count());
            tokio::select! {
                done = &mut sending, if ended.is_none() => ended = Some(done),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
        receiver.refuse();
        while receiver.connections() > 0 {
            assert!(Instant::now() < deadline, "connections stay open");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        receiver.accept();
    }
    let ended = match ended {
        Some(ended) => ended,
        None => sending.await,
    };
    finish(&receiver, &ended, true).await;
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_slow_destination_gets_everything_in_order_and_nothing_twice() {
    all_arrive_in_order(Faults::always(Act::Delay(Duration::from_millis(20))), false).await;
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_never_taken_for_another_message() {
    all_arrive_in_order(Faults::on(Which::Every(40), Act::Delay(Duration::from_millis(1500))), true).await;
}

#[tokio::test]
async fn a_second_answer_to_the_same_message_confirms_no_other() {
    all_arrive_in_order(Faults::on(Which::Every(3), Act::Twice), true).await;
}

#[tokio::test]
async fn an_answer_that_names_another_message_confirms_none() {
    all_arrive_in_order(Faults::on(Which::Every(40), Act::WrongId), true).await;
}

#[tokio::test]
async fn garbage_instead_of_an_answer_confirms_nothing() {
    all_arrive_in_order(Faults::on(Which::Every(40), Act::Garbage), true).await;
}

#[tokio::test]
async fn a_connection_closed_before_the_answer_means_sending_again_in_order() {
    all_arrive_in_order(Faults::on(Which::Every(10), Act::Close), true).await;
}
