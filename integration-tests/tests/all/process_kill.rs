//! The engine killed without warning, at random moments under load, again and again: custody and order hold.
//!
//! Two connections a facility, so that the order of a lane is judged across connections too; two destinations, so that
//! a kill can come between the outputs of one message. HTTP carries the mark of a possible duplicate on the request
//! itself; for MLLP, which has no place for one, the ledger's marks count, asked for with the tool. Some kills come
//! while the engine is still starting: recovery has to survive itself. BARID_KILL_MESSAGES sets another number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use barid_model::Digest;
use barid_testkit::generate::Generator;
use barid_testkit::history::{History, Key};
use barid_testkit::receiver::{Options, Protocol, Receiver};
use barid_testkit::sender::{self, Made};

use crate::process_relay::{Ended, PATIENCE, Relay, marked, quiet, settled};

/// Messages in all.
const MESSAGES: u64 = 50_000;
const SENDERS: u64 = 32;
const FACILITIES: u64 = 16;
const WEB: &str = "web";
const WIRE: &str = "wire";

/// Numbers that look random; the seed is the time.
pub(crate) struct Moments(pub(crate) u64);

impl Moments {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// One channel with a route to each receiver.
fn relay(web: &Receiver, wire: &Receiver) -> Relay {
    let relay = Relay::to(&format!("http: {{url: \"http://{}/hl7\"}}", web.address()));
    let path = relay.home.documents().join("relay.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let routes = "routes: [{name: web, to: {destination: web}}, {name: wire, to: {destination: wire}}]";
    let text = text.replace("routes: [{name: out, to: {destination: out}}]", routes).replace("name: out", "name: web");
    let other = format!(
        "---\nkind: Destination\nmetadata: {{name: wire}}\nspec:\n  mllp: {{endpoints: [\"{}\"], connections: 4}}\n  \
         timeout: 10s\n  retry: {{initial: 20ms, max: 200ms}}\n",
        wire.address()
    );
    std::fs::write(&path, text.replace("timeout: 1s", "timeout: 10s") + &other).unwrap();
    relay
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m13_d02_o01_killed_at_random_moments_under_load_the_engine_loses_nothing_reorders_nothing_and_marks_repeats() {
    let messages = std::env::var("BARID_KILL_MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(MESSAGES);
    let each = messages.div_ceil(FACILITIES);
    let total = each * FACILITIES;
    let web = Receiver::start(Options { protocol: Protocol::Http, ..Options::default() }).await.unwrap();
    let wire = Receiver::start(Options::default()).await.unwrap();
    let relay = relay(&web, &wire);
    let ended = Ended::default();
    let generators: Vec<_> = (0..FACILITIES).map(|n| Generator::new(n, &format!("H{n:02}"))).collect();
    let source = Arc::new(Made::new(generators.clone(), each));
    let sending = tokio::spawn(sender::run(relay.load(SENDERS as usize, 4), source, ended.observer()));
    let mut moments = Moments(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into());
    let (mut kills, mut early) = (0, 0);
    let mut running = relay.start().await;
    while !sending.is_finished() {
        tokio::time::sleep(Duration::from_millis(50 + moments.below(1000))).await;
        running.alive().unwrap();
        running.kill().unwrap();
        kills += 1;
        while moments.below(4) == 0 {
            let mut starting = relay.home.start().unwrap();
            tokio::time::sleep(Duration::from_millis(moments.below(150))).await;
            starting.alive().unwrap();
            starting.kill().unwrap();
            early += 1;
        }
        running = relay.start().await;
    }
    let report = tokio::time::timeout(PATIENCE, sending).await.unwrap().unwrap();
    assert_eq!(report.accepted, total, "not all were acknowledged: {report:?}");
    quiet(&relay.home, &[&web, &wire]).await;
    let marked = marked(&relay.home).await;
    let mut history = ended.history_at(&[(WEB, &web), (WIRE, &wire)]);
    expect(&mut history, &generators);
    // At the HTTP receiver the mark on the request alone counts.
    history.marked = marked.iter().filter(|(destination, _)| destination == WIRE).cloned().collect();
    let verdict = history.judge();
    println!("{kills} kills, {early} more while starting, {} deliveries marked\n{verdict}", marked.len());
    assert!(kills > 0, "the load was over before the first kill");
    assert!(verdict.is_clean(), "{kills} kills\n{verdict}");
    // The ledger agrees: each message was routed and delivered once, whatever was sent or asked again.
    let balance = settled(&relay.home, 2 * total).await;
    assert_eq!(balance.count("deliveries routed"), Some(2 * total), "{balance}");
    // A mark is for what a kill may have cut: the heads of lanes, not everything below the send limit.
    let bound = 2 * FACILITIES * (kills + early);
    assert!(marked.len() as u64 <= bound, "{} deliveries are marked after {kills}+{early} kills", marked.len());
    told_at_the_receiver(&web, &marked);
    // And what a last kill leaves is accounted for before and after the next start.
    running.kill().unwrap();
    relay.home.audit(true).await.unwrap();
    relay.start().await.end(PATIENCE).await.unwrap();
}

/// Nothing on the way changes a byte.
pub(crate) fn expect(history: &mut History, generators: &[Generator]) {
    for sent in &mut history.sent {
        let (facility, n) = sent.key.control_id.rsplit_once('-').unwrap();
        let generator = &generators[facility.trim_start_matches('H').parse::<usize>().unwrap()];
        sent.expected = Some(Digest::of(&generator.message(n.parse().unwrap()).bytes));
    }
}

/// What was marked on a request is marked in the ledger, and a repeat keeps its idempotency key.
fn told_at_the_receiver(web: &Receiver, marked: &BTreeSet<(String, Key)>) {
    let mut keys: BTreeMap<Key, Option<String>> = BTreeMap::new();
    for received in web.received() {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let key = Key::new(text(&received.facility), text(&received.control_id));
        assert!(received.idempotency_key.is_some(), "{key} has no idempotency key");
        if received.is_possible_duplicate {
            assert!(marked.contains(&(WEB.to_owned(), key.clone())), "{key} is marked on the request alone");
        }
        let first = keys.entry(key.clone()).or_insert_with(|| received.idempotency_key.clone());
        assert_eq!(*first, received.idempotency_key, "a repeat of {key} has another idempotency key");
    }
}
