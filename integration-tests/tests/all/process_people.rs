//! What people command with the tool while messages flow, and a kill right after: the engine comes back as it was told
//! to be, says so in its status, and the history keeps every rule.
//!
//! A command that has ended well is durable: each kill here follows as soon as the tool has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use barid_testkit::generate::Generator;
use barid_testkit::history::History;
use barid_testkit::process::Home;
use barid_testkit::receiver::{Faults, Options, Receiver};
use barid_testkit::sender::{self, Load, Made, Report};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::mesh_flow::clean;
use crate::process_relay::{Ended, OUT, PATIENCE, Relay, distinct, marked, rows, settled, tool};

const FACILITIES: u64 = 8;
/// Messages of each.
const EACH: u64 = 150;
const TOTAL: u64 = FACILITIES * EACH;
/// Messages a second: the load lasts for a few seconds, and the commands come in the middle.
const RATE: f64 = 400.0;
/// Who commands, and why.
const BY: [&str; 4] = ["--actor", "amina", "--reason", "the process test"];

/// An engine under load.
struct Scene {
    relay: Relay,
    receiver: Receiver,
    ended: Ended,
    /// Ends a load that has no end of its own.
    stop: Arc<AtomicBool>,
}

impl Scene {
    /// With a receiver that misbehaves so, and with these words in the destination.
    async fn set(fault: Option<&str>, destination: &str) -> Self {
        let rules = fault.into_iter().map(|rule| rule.parse().unwrap()).collect();
        let faults = Faults { rules, ..Faults::default() };
        let receiver = Receiver::start(Options { faults, ..Options::default() }).await.unwrap();
        let relay = Relay::mllp(&receiver);
        let path = relay.home.documents().join("relay.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("  timeout: 1s", &format!("  timeout: 10s\n{destination}"))).unwrap();
        Self { relay, receiver, ended: Ended::default(), stop: Arc::default() }
    }

    /// So many messages of each facility.
    fn load(&self, each: u64) -> JoinHandle<Report> {
        let generators = (0..FACILITIES).map(|n| Generator::new(n, &format!("P{n}"))).collect();
        let load = Load { rate: Some(RATE), stop: Arc::clone(&self.stop), ..self.relay.load(FACILITIES as usize, 4) };
        tokio::spawn(sender::run(load, Arc::new(Made::new(generators, each)), self.ended.observer()))
    }

    /// Gives a command; it has to end well.
    async fn command(&self, arguments: &[&str]) -> String {
        tool(&self.relay.home, &[arguments, &BY].concat()).await
    }

    async fn status(&self) -> Value {
        serde_json::from_str(&tool(&self.relay.home, &["status", "--json"]).await).unwrap()
    }

    /// Waits until so many messages are acknowledged.
    async fn acknowledged(&self, count: usize) {
        until("acknowledged", async || self.ended.count() >= count).await;
    }

    async fn arrived(&self, count: u64) {
        assert!(self.receiver.wait_for(count, PATIENCE).await, "{} of {count} arrived", self.receiver.count());
    }

    /// The history with the ledger's marks; each kill may have cut the head of each lane.
    async fn history(&self, kills: u64) -> History {
        let mut history = self.ended.history(&self.receiver);
        history.marked = marked(&self.relay.home).await;
        assert!(history.marked.len() as u64 <= kills * FACILITIES, "{} are marked", history.marked.len());
        history
    }
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn count(home: &Home, words: &str) -> u64 {
    home.audit(false).await.unwrap().count(words).unwrap()
}

#[tokio::test]
async fn a_destination_paused_under_load_gets_nothing_beyond_a_kill_until_it_is_resumed() {
    let scene = Scene::set(None, "").await;
    let running = scene.relay.start().await;
    let sending = scene.load(u64::MAX);
    scene.arrived(100).await;
    scene.command(&["pause", "destination", OUT]).await;
    running.kill().unwrap();
    // What was on its way when the engine died has arrived.
    until("the dead engine's connections are closed", async || scene.receiver.connections() == 0).await;
    let (before, accepted) = (scene.receiver.count(), scene.ended.count());
    let running = scene.relay.start().await;
    scene.acknowledged(accepted + 200).await;
    assert_eq!(scene.receiver.count(), before, "something was sent to a paused destination");
    let destination = &scene.status().await["destinations"][0];
    assert_eq!((&destination["state"], &destination["pause"]["actor"]), (&"paused".into(), &"amina".into()));
    scene.command(&["resume", "destination", OUT]).await;
    running.kill().unwrap();
    let running = scene.relay.start().await;
    assert!(scene.status().await["destinations"][0]["pause"].is_null());
    scene.stop.store(true, Ordering::Relaxed);
    let total = sending.await.unwrap().accepted;
    distinct(&scene.receiver, total as usize).await;
    settled(&scene.relay.home, total).await;
    clean(&scene.history(2).await);
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_channel_paused_under_load_accepts_and_holds_beyond_a_kill_and_a_closed_one_refuses() {
    let scene = Scene::set(None, "").await;
    let running = scene.relay.start().await;
    let sending = scene.load(u64::MAX);
    scene.arrived(100).await;
    scene.command(&["pause", "channel", "relay"]).await;
    running.kill().unwrap();
    // What was on its way when the engine died has arrived.
    until("the dead engine's connections are closed", async || scene.receiver.connections() == 0).await;
    let (before, accepted) = (scene.receiver.count(), scene.ended.count());
    let running = scene.relay.start().await;
    scene.acknowledged(accepted + 200).await;
    assert_eq!(scene.receiver.count(), before, "something of a paused channel was sent");
    let channel = &scene.status().await["channels"][0];
    assert_eq!((&channel["state"], &channel["pause"]["actor"]), (&"paused".into(), &"amina".into()));
    scene.command(&["resume", "channel", "relay"]).await;
    running.kill().unwrap();
    let running = scene.relay.start().await;
    scene.arrived(before + 200).await;
    scene.command(&["pause", "channel", "relay", "--closed"]).await;
    running.kill().unwrap();
    let closed = scene.ended.count();
    let running = scene.relay.start().await;
    assert_eq!(scene.status().await["channels"][0]["state"], "closed");
    // What it had, it finishes; what is sent anew it refuses, and the senders keep it.
    for words in ["not yet routed", "in flight"] {
        until("nothing is on its way", async || count(&scene.relay.home, words).await == 0).await;
    }
    assert!(scene.ended.count() - closed <= FACILITIES as usize * 4, "a closed channel took messages");
    let one = Arc::new(Made::new(vec![Generator::new(99, "P9")], 1));
    let refused = sender::run(Load { resend: false, ..scene.relay.load(1, 1) }, one, None).await;
    assert_eq!((refused.accepted, refused.codes.get("CE")), (0, Some(&1)), "{refused:?}");
    scene.command(&["resume", "channel", "relay"]).await;
    running.kill().unwrap();
    let running = scene.relay.start().await;
    assert_eq!(scene.status().await["channels"][0]["state"], "running");
    scene.stop.store(true, Ordering::Relaxed);
    let total = sending.await.unwrap().accepted;
    distinct(&scene.receiver, total as usize).await;
    settled(&scene.relay.home, total).await;
    // Each kill may also have cut what came back from PARK.
    clean(&scene.history(8).await);
    running.end(PATIENCE).await.unwrap();
}

/// A message whose lane is held for it.
const HELD: &str = "P3-00000005";
/// One more, which is given up.
const GIVEN_UP: &str = "P5-00000007";

/// The rows of what waits for this reason.
async fn waiting(scene: &Scene, why: &str) -> Vec<Value> {
    rows(&scene.relay.home, &["messages", "--parked", "--why", why]).await
}

#[tokio::test]
async fn held_lanes_stay_held_beyond_a_kill_and_go_on_as_their_release_says() {
    let scene = Scene::set(Some("reject=AE/101@id=P3-00000005"), "  onReject: hold").await;
    let more = format!("reject=AE/101@id={GIVEN_UP}");
    let faults = [format!("reject=AE/101@id={HELD}"), more].map(|rule| rule.parse().unwrap());
    scene.receiver.set_faults(Faults { rules: faults.to_vec(), ..Faults::default() });
    let running = scene.relay.start().await;
    let sending = scene.load(EACH);
    assert_eq!(sending.await.unwrap().accepted, TOTAL);
    // All lanes but two, and those as far as they go.
    let follow = [5, 7].map(|n| EACH - n - 1).iter().sum::<u64>();
    distinct(&scene.receiver, (TOTAL - follow) as usize).await;
    running.kill().unwrap();
    let running = scene.relay.start().await;
    until("both lanes are held", async || scene.status().await["destinations"][0]["heldLanes"] == 2).await;
    let held = waiting(&scene, "held").await;
    assert_eq!((held.len() as u64, waiting(&scene, "follows").await.len() as u64), (2, follow));
    let lane = |facility: &str| {
        let row = held.iter().find(|row| row["facility"] == facility).unwrap();
        row["lanes"][0].as_str().unwrap().to_owned()
    };
    // Given up: its lane goes on with what follows.
    scene.command(&["release", OUT, "--lane", &lane("P5"), "--head", "discard"]).await;
    running.kill().unwrap();
    let running = scene.relay.start().await;
    until("one lane is held", async || scene.status().await["destinations"][0]["heldLanes"] == 1).await;
    distinct(&scene.receiver, (TOTAL - (EACH - 6)) as usize).await;
    // Tried again and refused again: held again, also for the next start.
    let refused = scene.receiver.count();
    scene.command(&["release", OUT, "--lane", &lane("P3")]).await;
    scene.arrived(refused + 1).await;
    until("the lane is held again", async || scene.status().await["destinations"][0]["heldLanes"] == 1).await;
    running.kill().unwrap();
    let running = scene.relay.start().await;
    until("the lane is held", async || scene.status().await["destinations"][0]["heldLanes"] == 1).await;
    let healed = scene.receiver.count();
    scene.receiver.set_faults(Faults::default());
    scene.command(&["release", OUT]).await;
    running.kill().unwrap();
    let running = scene.relay.start().await;
    settled(&scene.relay.home, TOTAL - 1).await;
    let discarded = rows(&scene.relay.home, &["messages", "--state", "discarded"]).await;
    assert_eq!((discarded.len(), discarded[0]["controlId"].as_str()), (1, Some(GIVEN_UP)));
    let story = tool(&scene.relay.home, &["show", discarded[0]["uid"].as_str().unwrap()]).await;
    assert!(story.contains("by amina: the process test"), "{story}");
    let mut history = scene.history(8).await;
    // What the receiver refused, it does not have: the one given up never arrived, the other when it was released.
    let kept = history.arrived.remove(OUT).unwrap().into_iter().zip(0..).filter(|(arrival, order)| {
        let id = arrival.key.control_id.as_str();
        id != GIVEN_UP && (id != HELD || *order >= healed)
    });
    history.arrived.insert(OUT.to_owned(), kept.map(|(arrival, _)| arrival).collect());
    let given_up = history.sent.iter().find(|sent| sent.key.control_id == GIVEN_UP).unwrap();
    history.accounted.insert((OUT.to_owned(), given_up.key.clone()));
    clean(&history);
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn what_is_discarded_and_run_again_stays_so_beyond_a_kill() {
    let scene = Scene::set(Some("reject=AE/101@prefix=P1-0000000"), "").await;
    let running = scene.relay.start().await;
    let sending = scene.load(EACH);
    until("ten are quarantined", async || count(&scene.relay.home, "quarantined").await == 10).await;
    let set_aside = waiting(&scene, "quarantined").await;
    let uid = |row: &Value| row["uid"].as_str().unwrap().to_owned();
    for row in set_aside.iter().take(4) {
        scene.command(&["discard", &uid(row)]).await;
    }
    running.kill().unwrap();
    let running = scene.relay.start().await;
    assert_eq!(waiting(&scene, "quarantined").await.len(), 6, "what was discarded waits again");
    assert_eq!(rows(&scene.relay.home, &["messages", "--state", "discarded"]).await.len(), 4);
    // Refused again: set aside as the next run.
    scene.command(&["rerun", &uid(&set_aside[9])]).await;
    running.kill().unwrap();
    let running = scene.relay.start().await;
    let again = async || {
        let told = tool(&scene.relay.home, &["show", &uid(&set_aside[9]), "--json"]).await;
        let shown: Value = serde_json::from_str(&told).unwrap();
        shown["runs"].as_array().unwrap().iter().any(|run| run["run"] == 1 && run["state"] == "quarantined")
    };
    until("the re-run is refused", again).await;
    let healed = scene.receiver.count();
    scene.receiver.set_faults(Faults::default());
    scene.command(&["rerun", "--destination", OUT]).await;
    running.kill().unwrap();
    let running = scene.relay.start().await;
    assert_eq!(sending.await.unwrap().accepted, TOTAL);
    // Ten ended as quarantined at first; six of them were run again, one of these twice.
    let balance = settled(&scene.relay.home, TOTAL - 4).await;
    assert_eq!(balance.count("discarded"), Some(4), "{balance}");
    assert!(waiting(&scene, "quarantined").await.is_empty());
    // The lane went on without those ten: what matters of them is that the right ones are there in the end.
    let mut history = scene.history(8).await;
    let quarantined = |id: &str| id.starts_with("P1-0000000");
    let arrived = |row: &Value| {
        let id = row["controlId"].as_str().unwrap();
        scene.receiver.received().iter().filter(|one| one.order >= healed && one.control_id == id.as_bytes()).count()
    };
    for row in rows(&scene.relay.home, &["messages", "--facility", "P1"]).await {
        if quarantined(row["controlId"].as_str().unwrap()) {
            assert_eq!(arrived(&row) > 0, row["state"] == "delivered", "{row}");
        }
    }
    history.sent.retain(|sent| !quarantined(&sent.key.control_id));
    history.arrived.get_mut(OUT).unwrap().retain(|arrival| !quarantined(&arrival.key.control_id));
    clean(&history);
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_replay_under_load_is_made_once_and_in_order_whatever_ends_the_engine_then() {
    let scene = Scene::set(None, "").await;
    let running = scene.relay.start().await;
    let sending = scene.load(EACH);
    scene.acknowledged(400).await;
    let told = scene.command(&["replay", "--facility", "P2", "--cause", "received", "--json"]).await;
    running.kill().unwrap();
    let made: Value = serde_json::from_str(&told).unwrap();
    let made = made["made"].as_u64().unwrap();
    assert!(made > 10, "{told}");
    let running = scene.relay.start().await;
    assert_eq!(sending.await.unwrap().accepted, TOTAL);
    settled(&scene.relay.home, TOTAL + made).await;
    let replayed = rows(&scene.relay.home, &["messages", "--cause", "replayed"]).await;
    assert_eq!(replayed.len() as u64, made);
    let mut history = scene.history(2).await;
    // Every replayed one came once more, in the order of the first; beyond that every rule holds.
    let arrivals = history.arrived.remove(OUT).unwrap();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut seen = std::collections::BTreeMap::<_, u32>::new();
    for arrival in arrivals {
        let times = seen.entry(arrival.key.clone()).or_default();
        *times += 1;
        let is_replay = *times == 2
            && arrival.key.facility == "P2"
            && !history.marked.contains(&(OUT.to_owned(), arrival.key.clone()));
        if is_replay { second.push(arrival.key.control_id) } else { first.push(arrival) }
    }
    assert!(second.is_sorted(), "replayed out of order: {second:?}");
    let marked = history.marked.iter().filter(|(_, key)| key.facility == "P2").count() as u64;
    assert!(second.len() as u64 <= made && second.len() as u64 + marked >= made, "{} of {made} replayed", second.len());
    history.arrived.insert(OUT.to_owned(), first);
    clean(&history);
    running.end(PATIENCE).await.unwrap();
}
