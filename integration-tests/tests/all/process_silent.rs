//! A message that a receiver cannot bear, in the middle of what sixteen facilities send: it never answers it, or closes the
//! connection on it, every time. All others arrive in order meanwhile, it is set aside with the reason, and when the receiver is
//! mended it is run again. A receiver that bears nothing has nothing set aside.

use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_testkit::generate::Generator;
use barid_testkit::receiver::{Act, Faults, Options, Receiver, Which};
use barid_testkit::sender::{self, Load, Made};
use serde_json::Value;

use crate::process_relay::{Ended, PATIENCE, Relay, distinct, marked, rows, settled, tool};

const FACILITIES: u64 = 16;
const EACH: u64 = 100;
/// Messages a second: the load lasts while the bad one is tried again and again.
const RATE: f64 = 150.0;
const BAD: &str = "P3-00000004";

async fn send(relay: &Relay, ended: &Ended, each: u64) {
    let generators = (0..FACILITIES).map(|n| Generator::new(n, &format!("P{n}"))).collect();
    let load = Load { rate: Some(RATE), ..relay.load(FACILITIES as usize, 4) };
    let report = sender::run(load, Arc::new(Made::new(generators, each)), ended.observer()).await;
    assert_eq!(report.accepted, FACILITIES * each, "{report:?}");
}

async fn one_bad_message(act: Act) {
    let faults = Faults::on(Which::ControlId(BAD.into()), act);
    let receiver = Receiver::start(Options { faults, ..Options::default() }).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let ended = Ended::default();
    send(&relay, &ended, EACH).await;
    distinct(&receiver, (FACILITIES * EACH) as usize).await;
    let parked = aside(&relay).await;
    let (uid, why) = (parked["uid"].as_str().unwrap(), parked["findings"][0]["text"].as_str().unwrap());
    assert!(why.starts_with("no answer to this message 5 times in a row, while others were answered: "), "{why}");
    let shown = tool(&relay.home, &["show", uid]).await;
    assert!(shown.contains("tried") && shown.contains("try 5: "), "{shown}");

    receiver.set_faults(Faults::default());
    tool(&relay.home, &["rerun", uid, "--actor", "amina", "--reason", "the receiver is mended"]).await;
    settled(&relay.home, FACILITIES * EACH).await;
    let mut history = ended.history(&receiver);
    history.marked = marked(&relay.home).await;
    let verdict = history.judge();
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!(history.marked.len(), 1, "the bad one alone may be there twice: {:?}", history.marked);
    running.end(PATIENCE).await.unwrap();
}

/// The one that is set aside.
async fn aside(relay: &Relay) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut parked = rows(&relay.home, &["messages", "--parked", "--why", "quarantined"]).await;
        if let Some(parked) = parked.pop() {
            return parked;
        }
        assert!(Instant::now() < deadline, "it is not set aside");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_message_that_is_never_answered_stops_no_other() {
    one_bad_message(Act::Silent).await;
}

#[tokio::test]
async fn a_message_on_which_the_receiver_closes_stops_no_other() {
    one_bad_message(Act::Close).await;
}

#[tokio::test]
async fn a_destination_that_answers_nothing_has_nothing_set_aside_and_its_backlog_can_be_given_up() {
    let receiver = Receiver::start(Options { faults: Faults::always(Act::Close), ..Options::default() }).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let ended = Ended::default();
    send(&relay, &ended, 2).await;
    // Many times as often as one bad message would be tried.
    assert!(receiver.wait_for(40, PATIENCE).await, "{} arrived", receiver.count());
    let parked = rows(&relay.home, &["messages", "--parked", "--why", "quarantined"]).await;
    assert!(parked.is_empty(), "{parked:?}");
    let told = tool(&relay.home, &["discard", "--destination", "out", "--in-flight", "--reason", "it is gone"]).await;
    assert!(told.contains("32 of 32 discarded"), "{told}");
    let rest = rows(&relay.home, &["messages", "--state", "inFlight"]).await;
    assert!(rest.is_empty(), "{rest:?}");
    running.end(PATIENCE).await.unwrap();
}
