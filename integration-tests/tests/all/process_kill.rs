//! The engine killed without warning, at random moments under load, again and again: custody and order hold.
//!
//! 10,000 messages by default, so that a run stays short; BARID_KILL_MESSAGES=50000 for the full proof. The destination
//! is HTTP, where a possible duplicate is marked on the request itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use barid_testkit::generate::Generator;
use barid_testkit::receiver::{Options, Protocol, Receiver};
use barid_testkit::sender::{self, Made};

use crate::process_relay::{Ended, PATIENCE, Relay, distinct, settled};

const SENDERS: u64 = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_under_load_the_engine_loses_nothing_reorders_nothing_and_marks_repeats() {
    let messages = std::env::var("BARID_KILL_MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000u64);
    let each = messages.div_ceil(SENDERS);
    let mut seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() | 1;
    let receiver = Receiver::start(Options { protocol: Protocol::Http, ..Options::default() }).await.unwrap();
    let relay = Relay::to(&format!("http: {{url: \"http://{}/hl7\"}}", receiver.address()));
    let ended = Ended::default();
    let generators = (0..SENDERS).map(|n| Generator::new(n, &format!("H{n:02}"))).collect();
    let source = Arc::new(Made::new(generators, each));
    let sending = tokio::spawn(sender::run(relay.load(SENDERS as usize, 4), source, ended.observer()));
    let mut kills = 0;
    let mut running = relay.start().await;
    while !sending.is_finished() {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        tokio::time::sleep(Duration::from_millis(100 + u64::from(seed >> 16) % 1000)).await;
        running.alive().unwrap();
        running.kill().unwrap();
        kills += 1;
        running = relay.start().await;
    }
    let report = tokio::time::timeout(PATIENCE, sending).await.unwrap().unwrap();
    assert_eq!(report.accepted, each * SENDERS, "not all were acknowledged: {report:?}");
    distinct(&receiver, (each * SENDERS) as usize).await;
    let verdict = ended.history(&receiver).judge();
    println!("{kills} kills\n{verdict}");
    assert!(kills > 0, "the load was over before the first kill");
    assert!(verdict.is_clean(), "{kills} kills\n{verdict}");
    // The ledger agrees: each message was routed and delivered once, whatever was sent or asked again.
    let balance = settled(&relay.home, each * SENDERS).await;
    assert_eq!(balance.count("deliveries routed"), Some(each * SENDERS), "{balance}");
    // And what a last kill leaves is accounted for before and after the next start.
    running.kill().unwrap();
    relay.home.audit(true).await.unwrap();
    relay.start().await.end(PATIENCE).await.unwrap();
}
