//! A mesh over three servers, under load from its start to its end, and what is judged then.
//!
//! Two connections a facility, so that the order of a lane is judged across connections; behind a balancer, so that what is
//! sent again reaches another listener. Two destinations, one of which carries marks on the request, the other by MLLP,
//! where the ledger's marks count.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use barid_testkit::generate::Generator;
use barid_testkit::history::Key;
use barid_testkit::mesh::{Mesh, Places, Role, Settings};
use barid_testkit::network::HOME;
use barid_testkit::process::free_port;
use barid_testkit::receiver::{Options, Protocol, Receiver};
use barid_testkit::sender::{self, Latencies, Load, Made, Report, Target};
use barid_testkit::servers::nats;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::balancer::Balancer;
use super::ground::Ground;
use crate::mesh_flow::facilities;
use crate::process_kill::expect;
use crate::process_relay::{Ended, PATIENCE};

pub(super) const PARTITIONS: u32 = 16;
pub(super) const WEB: &str = "web";
pub(super) const WIRE: &str = "wire";
const FACILITIES: u64 = 8;
const SENDERS: usize = 16;
/// Received messages that are kept: more than any run sends.
const KEEP: usize = 50_000_000;
/// How long nothing may arrive before what is missing is taken for lost.
const STANDSTILL: Duration = Duration::from_secs(40);

/// What arrived so far.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<Arrived>>);

#[derive(Default)]
struct Arrived {
    /// Facility and control id.
    seen: HashSet<(Bytes, Bytes)>,
    moved: Option<Instant>,
}

impl Tally {
    async fn receiver(&self, protocol: Protocol, address: Ipv4Addr) -> Receiver {
        let tally = self.clone();
        let on_message: barid_testkit::receiver::Watcher = Arc::new(move |received| {
            let mut tally = tally.0.lock();
            tally.seen.insert((received.facility.clone(), received.control_id.clone()));
            tally.moved = Some(Instant::now());
        });
        let address = SocketAddr::from((address, 0));
        let options = Options { address, protocol, keep: KEEP, on_message: Some(on_message), ..Options::default() };
        Receiver::start(options).await.unwrap()
    }

    fn count(&self) -> usize {
        self.0.lock().seen.len()
    }
}

pub(super) struct House {
    pub(super) mesh: Mesh,
    pub(super) web: Receiver,
    pub(super) wire: Receiver,
    ground: Option<Ground>,
    balancer: Balancer,
    port: u16,
    tallies: [Tally; 2],
    generators: Vec<Generator>,
    ended: Ended,
    stop: Arc<AtomicBool>,
    sending: Option<JoinHandle<Report>>,
    received_since: Instant,
    sent_since: Instant,
}

/// What a run came to.
pub(super) struct Outcome {
    pub(super) report: Report,
    /// From acknowledgement to arrival, at both destinations.
    pub(super) delivery: Latencies,
    pub(super) marked: usize,
    pub(super) verdict: barid_testkit::history::Report,
}

fn documents(port: u16, web: &Receiver, wire: &Receiver) -> String {
    format!(
        "kind: Listener\nmetadata: {{name: in}}\nspec:\n  mllp: {{port: {port}, address: 127.0.0.1}}\n  unknownFacility: accept\n\
         ---\nkind: Channel\nmetadata: {{name: relay}}\nspec:\n  from: {{listeners: [{{name: in}}]}}\n  order: {{by: facility}}\n  \
         routes: [{{name: web, to: {{destination: web}}}}, {{name: wire, to: {{destination: wire}}}}]\n\
         ---\nkind: Destination\nmetadata: {{name: web}}\nspec:\n  http: {{url: \"http://{}/hl7\"}}\n  timeout: 10s\n  \
         retry: {{initial: 20ms, max: 200ms}}\n\
         ---\nkind: Destination\nmetadata: {{name: wire}}\nspec:\n  mllp: {{endpoints: [\"{}\"], connections: 4}}\n  timeout: 10s\n  \
         retry: {{initial: 20ms, max: 200ms}}\n",
        web.address(),
        wire.address()
    )
}

impl House {
    /// A mesh where there may be so many of each service, of which the first so many run; nothing is sent yet.
    pub(super) async fn build(replicas: &[(Role, usize, usize)]) -> Self {
        Self::build_on(None, replicas).await
    }

    /// The same with three servers and all of these on machines of their own.
    pub(super) async fn build_apart(replicas: &[(Role, usize, usize)]) -> Self {
        Self::build_on(Some(Ground::new(3, replicas)), replicas).await
    }

    async fn build_on(ground: Option<Ground>, replicas: &[(Role, usize, usize)]) -> Self {
        let received_since = Instant::now();
        let tallies = [Tally::default(), Tally::default()];
        let here = if ground.is_some() { HOME } else { Ipv4Addr::LOCALHOST };
        let web = tallies[0].receiver(Protocol::Http, here).await;
        let wire = tallies[1].receiver(Protocol::Mllp, here).await;
        let port = free_port().unwrap();
        let servers = ground.as_ref().map_or_else(Vec::new, Ground::servers);
        let places = ground.as_ref().map_or_else(Places::default, Ground::replicas);
        let nats = nats::Settings { file_store: 4 << 30, places: servers, ..nats::Settings::default() };
        let all: BTreeMap<Role, usize> = replicas.iter().map(|(role, all, _)| (*role, *all)).collect();
        let documents = documents(port, &web, &wire);
        let settings = Settings { documents, replicas: all, nats, partitions: PARTITIONS };
        let mesh = Mesh::prepare_at(settings, &places).await.unwrap();
        for (role, _, running) in replicas {
            (0..*running).for_each(|number| mesh.restart(*role, number).unwrap());
        }
        mesh.ready(PATIENCE).await.unwrap();
        let house = Self {
            mesh,
            web,
            wire,
            ground,
            balancer: Balancer::start().await,
            port,
            tallies,
            generators: facilities(FACILITIES),
            ended: Ended::default(),
            stop: Arc::default(),
            sending: None,
            received_since,
            sent_since: Instant::now(),
        };
        let listeners = replicas.iter().find(|(role, ..)| *role == Role::Ingress).map_or(0, |(_, _, running)| *running);
        house.lead_to(listeners);
        house
    }

    /// Where new connections of senders go.
    pub(super) fn lead_to(&self, listeners: usize) {
        let address = |number| SocketAddr::from((self.mesh.listener(number), self.port));
        self.balancer.lead_to((0..listeners).map(address).collect());
    }

    /// Machines and clocks.
    pub(super) fn ground(&self) -> &Ground {
        self.ground.as_ref().unwrap()
    }

    /// Whether it stands on machines of its own.
    pub(super) fn has_ground(&self) -> bool {
        self.ground.is_some()
    }

    /// Sends at a rate until the end.
    pub(super) fn send(&mut self, rate: f64) {
        let load = Load {
            connections: SENDERS,
            pipeline: 4,
            rate: Some(rate),
            timeout: Duration::from_secs(6),
            resend: true,
            give_up: PATIENCE,
            stop: Arc::clone(&self.stop),
            ..Load::to(Target::Mllp(self.balancer.address.to_string()))
        };
        let source = Arc::new(Made::new(self.generators.clone(), u64::MAX));
        self.sent_since = Instant::now();
        self.sending = Some(tokio::spawn(sender::run(load, source, self.ended.observer())));
    }

    /// How many messages have ended so far.
    pub(super) fn acknowledged(&self) -> usize {
        self.ended.count()
    }

    /// How many different messages arrived at the destination that has fewer.
    pub(super) fn arrived(&self) -> usize {
        self.tallies.iter().map(Tally::count).min().unwrap_or(0)
    }

    /// Waits until so many more messages are delivered everywhere: traffic passes.
    pub(super) async fn passes(&self, more: usize) {
        let (from, begun) = (self.arrived(), Instant::now());
        while self.arrived() < from + more {
            assert!(begun.elapsed() < 2 * STANDSTILL, "only {} of {more} messages passed", self.arrived() - from);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the load, waits for what is on its way, and judges. Every process has to run.
    pub(super) async fn end(&mut self) -> Outcome {
        self.stop.store(true, Ordering::SeqCst);
        let sending = self.sending.take().unwrap();
        let report = tokio::time::timeout(PATIENCE, sending).await.unwrap().unwrap();
        let total = usize::try_from(report.accepted).unwrap();
        println!("{total} acknowledged, {} delivered everywhere", self.arrived());
        assert_eq!(report.accepted, report.messages(), "not all were acknowledged: {report:?}");
        for tally in &self.tallies {
            let begun = Instant::now();
            let still = |tally: &Tally| {
                tally.0.lock().moved.map_or(begun.elapsed(), |moved| begun.elapsed().min(moved.elapsed()))
            };
            while tally.count() < total && still(tally) < STANDSTILL {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        println!("{} delivered everywhere", self.arrived());
        let mut history = self.ended.history_at(&[(WEB, &self.web), (WIRE, &self.wire)]);
        expect(&mut history, &self.generators);
        let marked = self.marked().await;
        history.marked = marked.iter().filter(|(destination, _)| destination == WIRE).cloned().collect();
        let verdict = history.judge();
        let delivery = self.delivery();
        Outcome { report, delivery, marked: marked.len(), verdict }
    }

    /// The ledger agrees: everything is accounted for, and each message went once to each destination.
    pub(super) async fn balances(&self, outcome: &Outcome) {
        let begun = Instant::now();
        loop {
            let told = self.told(&["audit", "--json"]).await;
            let audit: Value = serde_json::from_str(&told).unwrap();
            let (messages, deliveries) = (&audit["messages"], &audit["deliveries"]);
            let settled = audit["behind"] == 0 && messages["waiting"] == 0 && deliveries["inFlight"] == 0;
            if settled && deliveries["delivered"] == 2 * outcome.report.accepted {
                assert_eq!(audit["holds"], true, "{told}");
                assert_eq!(deliveries["routed"], 2 * outcome.report.accepted, "{told}");
                return;
            }
            assert!(begun.elapsed() < STANDSTILL, "{} were accepted: {told}", outcome.report.accepted);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Deliveries that the ledger marks.
    async fn marked(&self) -> BTreeSet<(String, Key)> {
        let told = self.told(&["messages", "--possible-duplicates", "--json", "--limit", "100000"]).await;
        let mut marked = BTreeSet::new();
        for message in told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            let id = message["controlId"].as_str().unwrap().to_owned();
            let facility = id.rsplit_once('-').map_or(&*id, |(facility, _)| facility).to_owned();
            for delivery in message["deliveries"].as_array().unwrap() {
                if delivery["possibleDuplicate"] == true {
                    let destination = delivery["destination"].as_str().unwrap().rsplit('/').next().unwrap();
                    marked.insert((destination.to_owned(), Key::new(facility.clone(), id.clone())));
                }
            }
        }
        marked
    }

    async fn told(&self, arguments: &[&str]) -> String {
        let output = self.mesh.tool(0, arguments).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (told, wrong) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "barid {}: {}\n{told}{wrong}", arguments.join(" "), output.status);
        told
    }

    /// From acknowledgement to the first arrival.
    fn delivery(&self) -> Latencies {
        let acknowledged: BTreeMap<Bytes, Instant> = {
            let ended = self.ended.0.lock();
            let at = |done: &sender::Done| Some((done.control_id.clone(), self.sent_since + done.answered?));
            ended.iter().filter_map(at).collect()
        };
        let mut latencies = Latencies::default();
        for receiver in [&self.web, &self.wire] {
            let mut seen = HashSet::new();
            for received in receiver.received() {
                if let Some(from) = acknowledged.get(&received.control_id)
                    && seen.insert(received.control_id.clone())
                {
                    latencies.record((self.received_since + received.at).saturating_duration_since(*from));
                }
            }
        }
        latencies
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { report, delivery, marked, verdict } = self;
        let line = |latencies: &Latencies| {
            let at = |share| latencies.at(share).as_secs_f64() * 1000.0;
            let max = latencies.max().as_secs_f64() * 1000.0;
            format!("p50 {:.1} ms, p99 {:.0} ms, p99.9 {:.0} ms, max {max:.0} ms", at(0.5), at(0.99), at(0.999))
        };
        writeln!(
            f,
            "{} messages in {:.0} s ({:.0}/s), {} sent more than once, {marked} deliveries marked",
            report.accepted,
            report.elapsed.as_secs_f64(),
            report.per_second(),
            report.resent
        )?;
        writeln!(f, "acknowledged after: {}", line(&report.latencies))?;
        writeln!(f, "delivered after acknowledgement: {}", line(delivery))?;
        write!(f, "{verdict}")
    }
}
