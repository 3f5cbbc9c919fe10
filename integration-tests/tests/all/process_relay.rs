//! What the process tests share: the smallest set of documents, one engine on free ports, and the way to send and to judge.
//!
//! The engine is the real program. Times are minutes, since a loaded machine is slow and only a broken engine is late.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_testkit::history::{History, Key};
use barid_testkit::process::{Balance, Home, Running, free_port};
use barid_testkit::receiver::Receiver;
use barid_testkit::sender::{Done, Load, Target};
use parking_lot::Mutex;
use serde_json::Value;

/// How long anything may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// The one destination's name in histories.
pub(crate) const OUT: &str = "out";

/// An engine's place with the documents of a relay: one MLLP listener, one channel, one destination.
pub(crate) struct Relay {
    pub(crate) home: Home,
    pub(crate) port: u16,
}

impl Relay {
    /// With a destination as its transport block says, such as `mllp: {endpoints: [...]}`.
    pub(crate) fn to(transport: &str) -> Self {
        let (home, port) = (Home::new().unwrap(), free_port().unwrap());
        let text = format!(
            "kind: Listener\nmetadata: {{name: in}}\nspec:\n  mllp: {{port: {port}, address: 127.0.0.1}}\n  unknownFacility: accept\n\
             ---\nkind: Channel\nmetadata: {{name: relay}}\nspec:\n  from: {{listeners: [{{name: in}}]}}\n  order: {{by: facility}}\n  \
             routes: [{{name: out, to: {{destination: out}}}}]\n\
             ---\nkind: Destination\nmetadata: {{name: out}}\nspec:\n  {transport}\n  timeout: 1s\n  retry: {{initial: 20ms, max: 200ms}}\n"
        );
        home.write("relay.yaml", &text).unwrap();
        Self { home, port }
    }

    /// With this MLLP receiver.
    pub(crate) fn mllp(receiver: &Receiver) -> Self {
        Self::to(&format!("mllp: {{endpoints: [\"{}\"]}}", receiver.address()))
    }

    /// Starts the engine and waits for it.
    pub(crate) async fn start(&self) -> Running<'_> {
        let mut running = self.home.start().unwrap();
        running.ready(PATIENCE).await.unwrap();
        running
    }

    /// Sending to its listener, again until acknowledged.
    pub(crate) fn load(&self, connections: usize, pipeline: usize) -> Load {
        let target = Target::Mllp(format!("127.0.0.1:{}", self.port));
        Load { connections, pipeline, resend: true, give_up: PATIENCE, ..Load::to(target) }
    }
}

/// Keeps how every message ended.
#[derive(Clone, Default)]
pub(crate) struct Ended(pub(crate) Arc<Mutex<Vec<Done>>>);

impl Ended {
    pub(crate) fn observer(&self) -> Option<barid_testkit::sender::Observer> {
        let kept = Arc::clone(&self.0);
        Some(Arc::new(move |done| kept.lock().push(done.clone())))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().len()
    }

    /// The history of what was sent and what came. Control ids begin with the facility, which is the lane.
    pub(crate) fn history(&self, receiver: &Receiver) -> History {
        self.history_at(&[(OUT, receiver)])
    }

    /// The same for several destinations, each of which every message was meant for.
    pub(crate) fn history_at(&self, receivers: &[(&str, &Receiver)]) -> History {
        let mut history = History::default();
        let names: Vec<&str> = receivers.iter().map(|(name, _)| *name).collect();
        for done in self.0.lock().iter() {
            let facility = facility(&String::from_utf8_lossy(&done.control_id));
            history.sent(done, &facility, vec![facility.clone()], &names);
        }
        for (name, receiver) in receivers {
            for received in receiver.received() {
                history.arrived(name, &received);
            }
        }
        history
    }
}

/// The facility a made control id begins with.
fn facility(control_id: &str) -> String {
    control_id.rsplit_once('-').map_or(control_id, |(facility, _)| facility).to_owned()
}

/// The deliveries that the ledger marks: their destination may have them twice.
pub(crate) async fn marked(home: &Home) -> BTreeSet<(String, Key)> {
    let mut marked = BTreeSet::new();
    for message in rows(home, &["messages", "--possible-duplicates"]).await {
        let control_id = message["controlId"].as_str().unwrap();
        let key = Key::new(facility(control_id), control_id);
        for delivery in message["deliveries"].as_array().unwrap() {
            if delivery["possibleDuplicate"] == true {
                let destination = delivery["destination"].as_str().unwrap();
                marked.insert((destination.rsplit('/').next().unwrap().to_owned(), key.clone()));
            }
        }
    }
    marked
}

/// The rows that a list of the tool prints.
pub(crate) async fn rows(home: &Home, arguments: &[&str]) -> Vec<Value> {
    let told = tool(home, &[arguments, &["--json", "--limit", "100000"]].concat()).await;
    told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a command of the tool prints; it has to end well.
pub(crate) async fn tool(home: &Home, arguments: &[&str]) -> String {
    let output = home.tool(arguments).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (told, wrong) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "barid {}: {}\n{told}{wrong}", arguments.join(" "), output.status);
    told
}

/// Waits until so many different messages arrived.
pub(crate) async fn distinct(receiver: &Receiver, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let have = receiver.count() as usize;
        let mut keys = std::collections::BTreeSet::new();
        if have >= count {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            keys.extend(receiver.received().iter().map(|one| Key::new(text(&one.facility), text(&one.control_id))));
        }
        if keys.len() >= count {
            return;
        }
        assert!(Instant::now() < deadline, "{} of {count} messages arrived, {have} arrivals", keys.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the engine has recorded so many deliveries as delivered and nothing is on its way; the balance holds all
/// the while.
pub(crate) async fn settled(home: &Home, delivered: u64) -> Balance {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let balance = home.audit(false).await.unwrap();
        let waiting = [balance.count("not yet routed"), balance.count("in flight")];
        if balance.count("delivered") == Some(delivered) && waiting == [Some(0), Some(0)] {
            return balance;
        }
        assert!(Instant::now() < deadline, "not {delivered} deliveries, or more on their way:\n{balance}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How long nothing may move before what is on its way is taken for lost.
const STANDSTILL: Duration = Duration::from_secs(20);

/// Waits until the engine says that nothing is on its way, or nothing has arrived for a while: what is missing then is for
/// the judge to say.
pub(crate) async fn quiet(home: &Home, receivers: &[&Receiver]) {
    let arrived = || receivers.iter().map(|receiver| receiver.count()).sum::<u64>();
    let (mut last, mut moved) = (arrived(), Instant::now());
    while moved.elapsed() < STANDSTILL {
        let balance = home.audit(false).await.unwrap();
        if ["not yet routed", "in flight"].map(|words| balance.count(words)) == [Some(0); 2] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        if arrived() != last {
            (last, moved) = (arrived(), Instant::now());
        }
    }
}
