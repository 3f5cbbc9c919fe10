//! What people command in a mesh: the tool beside a ledger reaches whoever owns the destination, whichever process that is,
//! and says and does the same as with an engine.
//!
//! Needs the programs of all services (`cargo build`) and NATS (`scripts/nats`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_testkit::generate::Generator;
use barid_testkit::mesh::{Mesh, Role};
use barid_testkit::process::free_port;
use barid_testkit::receiver::{Faults, Options, Receiver};
use barid_testkit::sender::{self, Listed, Load};
use serde_json::Value;

use crate::mesh_takeover::{load, mesh, owned};
use crate::process_relay::PATIENCE;

/// Who commands, and why.
const BY: [&str; 4] = ["--actor", "amina", "--reason", "the mesh test"];
/// Two of each service that moves messages or is asked.
const TWO: [(Role, usize); 4] = [(Role::Ingress, 2), (Role::Router, 2), (Role::Delivery, 2), (Role::Ledger, 2)];

/// A mesh with one channel and these destinations: name, receiver, and what stands in the document besides.
struct Scene {
    mesh: Mesh,
    port: u16,
    /// Where what comes is kept, though no channel takes it.
    aside: u16,
    generator: Generator,
}

impl Scene {
    async fn set(destinations: &[(&str, &Receiver, &str)]) -> Self {
        let (port, aside) = (free_port().unwrap(), free_port().unwrap());
        let routes: Vec<String> =
            destinations.iter().map(|(name, _, _)| format!("{{name: {name}, to: {{destination: {name}}}}}")).collect();
        let mut text = format!(
            "kind: Listener\nmetadata: {{name: in}}\nspec:\n  mllp: {{port: {port}, address: 127.0.0.1}}\n  \
             unknownFacility: accept\n---\nkind: Listener\nmetadata: {{name: aside}}\nspec:\n  \
             mllp: {{port: {aside}, address: 127.0.0.1}}\n  unknownFacility: accept\n  onUnmatched: accept\n---\nkind: Channel\nmetadata: {{name: relay}}\nspec:\n  \
             from: {{listeners: [{{name: in}}]}}\n  order: {{by: facility}}\n  routes: [{}]\n",
            routes.join(", ")
        );
        for (name, receiver, more) in destinations {
            text += &format!(
                "---\nkind: Destination\nmetadata: {{name: {name}}}\nspec:\n  mllp: {{endpoints: [\"{}\"]}}\n  \
                 timeout: 2s\n  retry: {{initial: 20ms, max: 200ms}}\n{more}",
                receiver.address()
            );
        }
        Self { mesh: mesh(text, &TWO).await, port, aside, generator: Generator::new(7, "CHN") }
    }

    /// Sends one message to an ingress replica.
    async fn send(&self, ingress: usize, number: u64) {
        self.send_to(self.port, ingress, number).await;
    }

    async fn send_to(&self, port: u16, ingress: usize, number: u64) {
        let load = Load { connections: 1, ..load(ingress, port) };
        let message = self.generator.message(number).bytes;
        let report = sender::run(load, Arc::new(Listed::new([message])), None).await;
        assert_eq!(report.accepted, 1, "{report:?}");
    }

    /// What the tool says beside a ledger; it has to end well.
    async fn told(&self, ledger: usize, arguments: &[&str]) -> String {
        let output = self.mesh.tool(ledger, arguments).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (told, wrong) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "barid {}: {}\n{told}{wrong}", arguments.join(" "), output.status);
        told
    }

    /// Gives a command, by whom and why.
    async fn command(&self, ledger: usize, arguments: &[&str]) -> String {
        self.told(ledger, &[arguments, &BY].concat()).await
    }

    /// The rows of a list.
    async fn rows(&self, ledger: usize, arguments: &[&str]) -> Vec<Value> {
        let told = self.told(ledger, &[arguments, &["--json", "--limit", "1000"]].concat()).await;
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until so many wait for a reason; gives the first one's message.
    async fn waiting(&self, ledger: usize, why: &str, count: usize) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rows = self.rows(ledger, &["messages", "--parked", "--why", why]).await;
            if rows.len() == count {
                return rows.first().map(|row| row["uid"].as_str().unwrap().to_owned()).unwrap_or_default();
            }
            assert!(Instant::now() < deadline, "{} of {count} wait: {rows:?}", rows.len());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn show(&self, ledger: usize, uid: &str) -> Value {
        serde_json::from_str(&self.told(ledger, &["show", uid, "--json"]).await).unwrap()
    }

    /// Waits until the balance holds and nothing is on its way.
    async fn settled(&self, ledger: usize) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.told(ledger, &["audit", "--json"]).await;
            let audit: Value = serde_json::from_str(&told).unwrap();
            assert_eq!(audit["holds"], true, "{told}");
            if audit["messages"]["waiting"] == 0 && audit["deliveries"]["inFlight"] == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{told}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn mllp() -> Receiver {
    Receiver::start(Options::default()).await.unwrap()
}

/// Has a receiver refuse the n-th message.
fn refuses(receiver: &Receiver, numbers: &[u64]) {
    let rule = |number: &u64| format!("reject=AE/101@id=CHN-{number:08}").parse().unwrap();
    receiver.set_faults(Faults { rules: numbers.iter().map(rule).collect(), ..Faults::default() });
}

/// The numbers of the messages that arrived, in their order.
fn arrived(receiver: &Receiver) -> Vec<u64> {
    let number = |id: &[u8]| String::from_utf8_lossy(id).rsplit('-').next().unwrap().parse().unwrap();
    receiver.received().iter().map(|received| number(&received.control_id)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_aside_or_held_in_a_mesh_is_run_again_given_up_and_released_by_its_owner() {
    let (loose, strict) = (mllp().await, mllp().await);
    let scene = Scene::set(&[("loose", &loose, ""), ("strict", &strict, "  onReject: hold\n")]).await;
    refuses(&loose, &[1, 2]);
    for number in 0..3 {
        scene.send((number % 2) as usize, number).await;
    }
    scene.waiting(0, "quarantined", 2).await;
    assert_eq!(arrived(&loose), [0, 1, 2], "what follows what is set aside goes on");
    let rows = scene.rows(0, &["messages"]).await;
    let of = |number: u64| {
        let row = rows.iter().find(|row| row["controlId"] == format!("CHN-{number:08}")).unwrap();
        row["uid"].as_str().unwrap().to_owned()
    };
    refuses(&loose, &[]);
    // Whichever ledger is told, and whoever delivers: once.
    let done: Value = serde_json::from_str(&scene.command(1, &["rerun", &of(1), "--json"]).await).unwrap();
    assert_eq!((&done["matched"], &done["done"]), (&1.into(), &1.into()), "{done}");
    assert!(loose.wait_for(4, PATIENCE).await, "it is delivered");
    let again = scene.mesh.tool(1, &[&["rerun", &of(1)][..], &BY].concat()).await.unwrap();
    assert!(!again.status.success(), "what was run again does not wait any more");
    scene.command(0, &["discard", &of(2)]).await;
    scene.waiting(0, "quarantined", 0).await;
    scene.waiting(1, "quarantined", 0).await;
    let story = scene.told(1, &["show", &of(2)]).await;
    assert!(story.contains("discarded") && story.contains("by amina: the mesh test"), "{story}");
    scene.settled(0).await;
    assert_eq!(arrived(&loose), [0, 1, 2, 1], "once, and what was given up not at all");

    refuses(&strict, &[3]);
    for number in 3..6 {
        scene.send(0, number).await;
    }
    scene.waiting(0, "held", 1).await;
    scene.waiting(1, "follows", 2).await;
    let before = strict.count();
    refuses(&strict, &[]);
    let told = scene.command(0, &["release", "strict"]).await;
    assert!(strict.wait_for(before + 3, PATIENCE).await, "{told}");
    scene.settled(1).await;
    assert_eq!(arrived(&strict), [0, 1, 2, 3, 3, 4, 5], "in order, when it is released");
    let nobody = scene.mesh.tool(0, &[&["release", "nowhere"][..], &BY].concat()).await.unwrap();
    assert_eq!(nobody.status.code(), Some(i32::from(barid_code::NOT_FOUND)), "{nobody:?}");
}

/// Two people at two ledgers: nobody owns what was set aside before routing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_set_aside_before_routing_that_two_ledgers_run_again_at_once_is_made_once() {
    let receiver = mllp().await;
    let scene = Scene::set(&[("out", &receiver, "")]).await;
    for number in 0..4 {
        scene.send_to(scene.aside, (number % 2) as usize, number).await;
    }
    scene.waiting(0, "quarantined", 4).await;
    scene.waiting(1, "quarantined", 4).await;
    let rows = scene.rows(0, &["messages"]).await;
    for row in &rows {
        let uid = row["uid"].as_str().unwrap();
        let rerun = [&["rerun", uid, "--json"][..], &BY].concat();
        let (one, two) = tokio::join!(scene.mesh.tool(0, &rerun), scene.mesh.tool(1, &rerun));
        let done = [one.unwrap(), two.unwrap()].map(|output| {
            let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            told["done"].as_u64().unwrap_or(0)
        });
        assert_eq!(done.iter().sum::<u64>(), 1, "{done:?}");
    }
    // What each became is set aside as well: still no channel takes it.
    scene.waiting(0, "quarantined", 4).await;
    scene.waiting(1, "quarantined", 4).await;
    assert_eq!(scene.rows(1, &["messages"]).await.len(), 8, "each has one child");
    scene.settled(1).await;
}

/// Exit codes of the tool.
mod barid_code {
    pub(super) const NOT_FOUND: u8 = 9;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_replayed_and_resent_in_a_mesh_and_a_destination_is_probed_from_where_it_is_owned() {
    let out = mllp().await;
    let scene = Scene::set(&[("out", &out, "")]).await;
    for number in 0..4 {
        scene.send((number % 2) as usize, number).await;
    }
    assert!(out.wait_for(4, PATIENCE).await);
    let told = scene.command(0, &["replay", "--channel", "relay", "--cause", "received", "--json"]).await;
    let replayed: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&replayed["matched"], &replayed["made"]), (&4.into(), &4.into()), "{told}");
    assert!(out.wait_for(8, PATIENCE).await, "they are delivered again");
    assert_eq!(arrived(&out), [0, 1, 2, 3, 0, 1, 2, 3], "in the order of their lane");
    scene.settled(1).await;
    let rows = scene.rows(1, &["messages", "--cause", "replayed"]).await;
    assert_eq!(rows.len(), 4);
    let story = scene.told(1, &["show", rows[0]["uid"].as_str().unwrap()]).await;
    assert!(story.contains("amina: the mesh test"), "{story}");

    let original = scene.rows(0, &["messages", "--cause", "received"]).await[0]["uid"].as_str().unwrap().to_owned();
    let edited = String::from_utf8(scene.generator.message(9).bytes.to_vec()).unwrap();
    let file = scene.mesh.data(Role::Ledger, 0).join("edited.hl7");
    std::fs::write(&file, &edited).unwrap();
    let path = file.display().to_string();
    let told = scene.command(1, &["resend", &original, "--file", &path, "--json"]).await;
    let resent: Value = serde_json::from_str(&told).unwrap();
    assert!(out.wait_for(9, PATIENCE).await, "the edited message is delivered");
    scene.settled(1).await;
    let child = scene.show(1, resent["uid"].as_str().unwrap()).await;
    assert!(child.to_string().contains(&original), "the child names its parent: {child}");
    assert_eq!(arrived(&out).last(), Some(&9));

    let met: Value = serde_json::from_str(&scene.told(0, &["probe", "out", "--json"]).await).unwrap();
    assert_eq!(met[0]["usable"], true, "{met}");
    assert_eq!(met[0]["target"], out.address().to_string());
    let nobody = scene.mesh.tool(0, &["probe", "nowhere"]).await.unwrap();
    assert_eq!(nobody.status.code(), Some(i32::from(barid_code::NOT_FOUND)), "{nobody:?}");
}

/// What a takeover may take, and the answer of who took over.
const TAKEOVER: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_a_mesh_is_told_in_time_while_a_process_is_dead_and_names_it_and_the_next_owner_does_what_is_asked()
 {
    let out = mllp().await;
    let scene = Scene::set(&[("out", &out, "")]).await;
    refuses(&out, &[1]);
    scene.send(0, 0).await;
    scene.send(1, 1).await;
    scene.waiting(0, "quarantined", 1).await;
    // The history may know it before the destination's next look at what it set aside.
    let begun = Instant::now();
    let status = loop {
        let status: Value = serde_json::from_str(&scene.told(0, &["status", "--json"]).await).unwrap();
        if list(&status, "destinations")[0]["quarantined"] == 1 || begun.elapsed() > PATIENCE {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let names: Vec<&str> = list(&status, "replicas").iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ingress-0", "ingress-1", "router-0", "router-1", "delivery-0", "delivery-1"]);
    assert!(list(&status, "replicas").iter().all(|one| one["state"] == "running"), "{status}");
    assert_eq!((list(&status, "notReady").len(), list(&status, "listeners").len()), (0, 4), "{status}");
    let destination = &list(&status, "destinations")[0];
    assert_eq!((&destination["delivered"], &destination["quarantined"]), (&1.into(), &1.into()), "{status}");
    assert_eq!(list(&status, "channels")[0]["accepted"], 2, "{status}");
    let sent: u64 = list(&status, "senders").iter().map(|sender| sender["accepted"].as_u64().unwrap()).sum();
    assert_eq!(sent, 2, "{status}");
    assert_eq!(status["router"]["waiting"], 0, "{status}");
    assert!(status["storage"]["logBytes"].as_u64().unwrap() > 0, "{status}");
    for (role, figure) in [
        (Role::Delivery, "barid_deliveries_total{destination=\"default/out\",outcome=\"delivered\"} 1"),
        (Role::Router, "barid_routed_total"),
    ] {
        let mut found = false;
        for number in 0..2 {
            let (_, figures) = scene.mesh.ask(role, number, "/metrics").await.unwrap();
            assert!(figures.contains("barid_process_resident_memory_bytes"), "{figures}");
            found |= figures.contains(figure);
            assert_eq!(scene.mesh.ask(role, number, "/healthz").await.unwrap().0, 200);
        }
        assert!(found, "nobody shows {figure}");
    }
    tries_are_told(&scene, &out).await;

    let owner = usize::from(!owned(&scene.mesh, Role::Delivery, 0).contains("default.out"));
    refuses(&out, &[]);
    scene.mesh.kill(Role::Delivery, owner);
    let begun = Instant::now();
    let told = scene.mesh.tool(0, &["status"]).await.unwrap();
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(!told.status.success(), "not all of it runs: {text}");
    assert!(text.contains(&format!("delivery-{owner}: has not answered")), "{text}");
    assert!(text.contains("silent"), "{text}");
    // Said while nobody owns the destination: its next owner is waited for, and told.
    let uid = scene.waiting(0, "quarantined", 1).await;
    let (begun, before) = (Instant::now(), out.count());
    scene.command(1, &["rerun", &uid]).await;
    assert!(begun.elapsed() < TAKEOVER, "{:?}", begun.elapsed());
    assert!(out.wait_for(before + 1, PATIENCE).await, "it is delivered");
    scene.settled(1).await;
    assert_eq!(arrived(&out).into_iter().filter(|number| *number != TRIED).collect::<Vec<_>>(), [0, 1, 1]);
    scene.mesh.restart(Role::Delivery, owner).unwrap();
    scene.mesh.ready(PATIENCE).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !scene.mesh.tool(1, &["status"]).await.unwrap().status.success() {
        assert!(Instant::now() < deadline, "all of it runs again");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The message that is tried in vain for a while.
const TRIED: u64 = 2;

/// Who delivers tells of what it tries in vain; and `reload` answers, though others read the documents.
async fn tries_are_told(scene: &Scene, out: &Receiver) {
    let rules = ["close@id=CHN-00000002", "reject=AE/101@id=CHN-00000001"].map(|rule| rule.parse().unwrap());
    out.set_faults(Faults { rules: rules.to_vec(), ..Faults::default() });
    scene.send(1, TRIED).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = scene.rows(0, &["messages", "--control-id", "CHN-00000002"]).await;
        let story = match found.first() {
            Some(row) => scene.show(1, row["uid"].as_str().unwrap()).await,
            None => Value::Null,
        };
        let tried = story["events"].as_array().is_some_and(|all| all.iter().any(|event| event["what"] == "tried"));
        if tried && story["runs"][0]["attempts"].as_u64() > Some(0) && !story["runs"][0]["failing"].is_null() {
            break;
        }
        assert!(Instant::now() < deadline, "{story}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let reloaded: Value = serde_json::from_str(&scene.command(0, &["reload", "--json"]).await).unwrap();
    assert!(reloaded["snapshot"].as_u64() > Some(0) && list(&reloaded, "changed").is_empty(), "{reloaded}");
    refuses(out, &[1]);
    scene.settled(0).await;
}

/// A list in a status.
fn list<'v>(status: &'v Value, name: &str) -> &'v [Value] {
    status[name].as_array().unwrap_or_else(|| panic!("no {name} in {status}"))
}
