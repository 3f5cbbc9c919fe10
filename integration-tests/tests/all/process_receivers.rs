//! Receivers that misbehave: down, slow, late, twice, for another message, garbage, closing. All arrive, in order.
//!
//! MLLP has no place for a mark, so the marks are those of the ledger, asked for with the tool: what arrives twice has
//! one, and there are no more of them than there were occasions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_testkit::generate::Generator;
use barid_testkit::receiver::{Act, Faults, Options, Receiver, Which};
use barid_testkit::sender::{self, Made};

use crate::process_relay::{Ended, PATIENCE, Relay, distinct, marked, settled};

const FACILITIES: u64 = 4;
const EACH: u64 = 50;
/// Arrivals after which a destination goes away for a moment.
const CUTS: [u64; 4] = [20, 60, 100, 140];

/// Sends to a receiver that does this to each so many-th arrival, and judges: each time one message may go twice.
async fn all_arrive_in_order(every: u64, act: Act) {
    let faults = Faults::on(Which::Every(every), act);
    let receiver = Receiver::start(Options { faults, ..Options::default() }).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let ended = send(&relay).await;
    finish(&relay, &receiver, &ended, |arrivals| arrivals / every).await;
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

/// Waits for all and judges; `occasions`: how many deliveries may be marked for so many arrivals.
async fn finish(relay: &Relay, receiver: &Receiver, ended: &Ended, occasions: impl Fn(u64) -> u64) {
    distinct(receiver, (FACILITIES * EACH) as usize).await;
    settled(&relay.home, FACILITIES * EACH).await;
    let mut history = ended.history(receiver);
    history.marked = marked(&relay.home).await;
    let (marks, arrivals) = (history.marked.len() as u64, receiver.count());
    let verdict = history.judge();
    assert!(verdict.is_clean(), "{verdict}");
    assert!(marks <= occasions(arrivals), "{marks} deliveries are marked of {arrivals} arrivals\n{verdict}");
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
    finish(&relay, &receiver, &ended, |_| 0).await;
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
    for next in CUTS {
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
    finish(&relay, &receiver, &ended, |_| CUTS.len() as u64).await;
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_slow_destination_gets_everything_in_order_and_nothing_twice() {
    let faults = Faults::always(Act::Delay(Duration::from_millis(20)));
    let receiver = Receiver::start(Options { faults, ..Options::default() }).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let ended = send(&relay).await;
    finish(&relay, &receiver, &ended, |_| 0).await;
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_never_taken_for_another_message() {
    all_arrive_in_order(40, Act::Delay(Duration::from_millis(1500))).await;
}

#[tokio::test]
async fn a_second_answer_to_the_same_message_confirms_no_other() {
    all_arrive_in_order(3, Act::Twice).await;
}

#[tokio::test]
async fn an_answer_that_names_another_message_confirms_none() {
    all_arrive_in_order(40, Act::WrongId).await;
}

#[tokio::test]
async fn garbage_instead_of_an_answer_confirms_nothing() {
    all_arrive_in_order(40, Act::Garbage).await;
}

#[tokio::test]
async fn a_connection_closed_before_the_answer_means_sending_again_in_order() {
    all_arrive_in_order(10, Act::Close).await;
}
