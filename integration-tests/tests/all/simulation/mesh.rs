//! Several processes over one log: who owns what by leases, and what becomes of it when any of them dies, is frozen in the
//! middle of a write and wakes after its lease, is cut off, or lives in another hour.
//!
//! Each process has a runtime of its own, whose time stands still until the world moves it: a process that is frozen is not
//! moved, and finds when it wakes that all of that time is over at once. In each run the real intake, ownership, router, owner
//! and fence. The senders send again what is not acknowledged, to another process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barid_config::document::OnReject;
use barid_delivery::connect::{Fence, Fenced};
use barid_delivery::owner::command::{Act, Command, Refusal};
use barid_delivery::owner::status::Shared;
use barid_delivery::owner::{self, Plan};
use barid_log::Log;
use barid_model::record::{InRecord, Intake as Which, OutcomeRecord, Parked, Record as _};
use barid_model::{
    Cause, Clock, Envelope, FacilityRef, Format, Lane, Lanes, MessageType, MessageUid, Name, Partition, Partitions,
    Payload, Revision, Timestamp,
};
use barid_pipeline::{Handle, Intake, router, subject, supervise};
use barid_replica::{Ownership, Owns, Tenure, Terms};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot, watch};

use super::client::Client;
use super::cluster::{Cluster, STEP_MS};
use super::ends::{Everywhere, Plain, Receiver, judge, parked};
use super::history::{History, Sent};
use super::random::Random;
use super::tell::tell;

const PARTITIONS: Partitions = Partitions::new(2);
const FACILITIES: [&str; 4] = ["default/a", "default/b", "default/c", "default/d"];
const NODES: usize = 3;
/// How long there are faults.
const TROUBLED_MS: u64 = 12_000;
/// How long it may take until all is done when there are none any more.
const SETTLED_WITHIN_MS: u64 = 120_000;
/// A sender waits so long at least before it sends again.
const IMPATIENT_MS: u64 = 700;
/// The longest fault: longer than lease, guard and claim take.
const FAULT_MS: u64 = 3_500;
/// Clocks of machines are apart by less than this, which is less than the window of duplicates.
const HOURS: u64 = 6;
/// As the real ones, in a fifth of the time.
const TERMS: Terms =
    Terms { lease: Duration::from_millis(800), guard: Duration::from_millis(600), renew: Duration::from_millis(200) };

/// The hour as one machine has it.
struct NodeClock(Arc<Cluster>, AtomicI64);

impl Clock for NodeClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.0.lock().now).unwrap();
        Timestamp::from_millis(1_700_000_000_000 + passed + self.1.load(Ordering::SeqCst))
    }
}

/// What the tasks of a process share.
#[derive(Clone)]
struct Inside {
    number: usize,
    log: Arc<dyn Log>,
    random: Random,
    clock: Arc<NodeClock>,
    cluster: Arc<Cluster>,
    history: Arc<Mutex<History>>,
    destinations: Vec<Name>,
    alive: Arc<AtomicBool>,
    healed: Arc<AtomicBool>,
    freezes: Arc<AtomicU64>,
    commands: Arc<Mutex<BTreeMap<Name, mpsc::Sender<Command>>>>,
}

impl Inside {
    fn note(&self, what: &str) {
        let now = self.cluster.lock().now;
        self.history.lock().unwrap().notes.push(format!("{now} ms, process {}: {what}", self.number));
    }
}

struct Process {
    runtime: Runtime,
    inside: Inside,
    intake: Arc<Intake>,
    stop: watch::Sender<bool>,
    _items: [watch::Sender<BTreeSet<String>>; 2],
    frozen: bool,
    /// Time that passed while it was frozen.
    behind: u64,
}

/// Something sent, once or again.
struct Attempt {
    at: u64,
    /// World time of its acknowledgement; 0: none.
    acknowledged: Arc<AtomicU64>,
    /// The place in the list of what it repeats, or its own.
    group: usize,
    record: InRecord,
}

/// What ends a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heal {
    Start(usize),
    Thaw(usize),
    Join(usize),
    Quorum,
    Leaders,
    /// A process that was asked to end is gone.
    Gone(usize),
}

pub(super) struct Mesh {
    random: Random,
    cluster: Arc<Cluster>,
    history: Arc<Mutex<History>>,
    destinations: Vec<Name>,
    healed: Arc<AtomicBool>,
    clocks: Vec<Arc<NodeClock>>,
    nodes: Vec<Option<Process>>,
    attempts: Vec<Attempt>,
    heals: Vec<(u64, Heal)>,
    waiting: Mutex<Vec<oneshot::Receiver<Result<u64, Refusal>>>>,
}

impl Mesh {
    pub(super) fn new(random: Random) -> Self {
        let cluster = Cluster::new(random.clone());
        let clock = |_| Arc::new(NodeClock(Arc::clone(&cluster), AtomicI64::new(0)));
        Self {
            clocks: (0..NODES).map(clock).collect(),
            nodes: (0..NODES).map(|_| None).collect(),
            random,
            cluster,
            history: Arc::default(),
            destinations: vec![Name::local("one"), Name::local("two")],
            healed: Arc::default(),
            attempts: Vec::new(),
            heals: Vec::new(),
            waiting: Mutex::default(),
        }
    }

    pub(super) fn play(mut self) -> Result<(), String> {
        (0..NODES).for_each(|number| self.start(number));
        while self.now() < TROUBLED_MS {
            self.heal(false);
            if self.heals.len() < 2 && self.random.below(1_000) < 8 {
                self.fault();
            }
            if self.random.percent(4) {
                self.send();
            }
            self.send_again();
            if self.random.below(1_000) < 4 {
                self.person();
            }
            self.step();
        }
        let judged = self.settle().and_then(|()| self.judge());
        if judged.is_err() {
            let log: Arc<dyn Log> = Client::new(&self.cluster, 0, self.random.clone(), u32::from(PARTITIONS.count()));
            let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(tell(&log, &self.destinations, PARTITIONS));
            self.history.lock().unwrap().notes.iter().for_each(|note| println!("{note}"));
        }
        judged
    }

    fn now(&self) -> u64 {
        self.cluster.lock().now
    }

    fn note(&self, what: String) {
        let now = self.now();
        self.history.lock().unwrap().notes.push(format!("{now} ms: {what}"));
    }

    /// Lets a step of time pass for the servers and for every process that is not frozen.
    fn step(&mut self) {
        self.cluster.step();
        for process in self.nodes.iter_mut().flatten() {
            if process.frozen {
                process.behind += STEP_MS;
                continue;
            }
            let behind = std::mem::take(&mut process.behind);
            process.runtime.block_on(async {
                if behind > 0 {
                    tokio::time::advance(Duration::from_millis(behind)).await;
                }
                tokio::time::sleep(Duration::from_millis(STEP_MS)).await;
            });
        }
    }

    fn start(&mut self, number: usize) {
        let log = Client::new(&self.cluster, number, self.random.clone(), u32::from(PARTITIONS.count()));
        let inside = Inside {
            number,
            log,
            random: self.random.clone(),
            clock: Arc::clone(&self.clocks[number]),
            cluster: Arc::clone(&self.cluster),
            history: Arc::clone(&self.history),
            destinations: self.destinations.clone(),
            alive: Arc::new(AtomicBool::new(true)),
            healed: Arc::clone(&self.healed),
            freezes: Arc::default(),
            commands: Arc::default(),
        };
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (stop, stopped) = watch::channel(false);
        let partitions: BTreeSet<String> = PARTITIONS.all().map(|partition| partition.0.to_string()).collect();
        let destinations: BTreeSet<String> = self.destinations.iter().map(|name| name.name().to_owned()).collect();
        let own = |role, items, owns: Arc<dyn Owns>| {
            let (sender, items) = watch::channel(items);
            let log = Arc::clone(&inside.log);
            let ownership = Ownership { log, role, replica: format!("n{number}"), terms: TERMS };
            runtime.spawn(ownership.run(items, owns, stopped.clone()));
            sender
        };
        let routes = own("router", partitions, Arc::new(Routes(inside.clone())));
        let delivers = own("delivery", destinations, Arc::new(Delivers(inside.clone())));
        let intake = Arc::new(Intake::joint(&inside.log, PARTITIONS).unwrap());
        let process = Process { runtime, inside, intake, stop, _items: [routes, delivers], frozen: false, behind: 0 };
        self.nodes[number] = Some(process);
    }

    fn kill(&mut self, number: usize) {
        if let Some(process) = self.nodes[number].take() {
            process.inside.alive.store(false, Ordering::SeqCst);
        }
    }

    fn fault(&mut self) {
        let number = self.random.below(NODES as u64) as usize;
        let last = if self.random.percent(50) { self.random.below(400) } else { self.random.below(FAULT_MS) };
        let until = self.now() + last;
        let touched = |heal: &Heal| match heal {
            Heal::Start(other) | Heal::Thaw(other) | Heal::Join(other) | Heal::Gone(other) => *other == number,
            Heal::Quorum | Heal::Leaders => false,
        };
        let kind = self.random.below(16);
        if kind < 12 && self.heals.iter().any(|(_, heal)| touched(heal)) {
            return;
        }
        let heal = match kind {
            0..=2 => {
                self.kill(number);
                Heal::Start(number)
            }
            3..=6 => {
                let Some(process) = &mut self.nodes[number] else { return };
                process.frozen = true;
                process.inside.freezes.fetch_add(1, Ordering::SeqCst);
                Heal::Thaw(number)
            }
            7..=10 => {
                self.cluster.lock().cut(number, true);
                Heal::Join(number)
            }
            11 => {
                let Some(process) = &self.nodes[number] else { return };
                process.stop.send_replace(true);
                Heal::Gone(number)
            }
            12..=13 => {
                self.cluster.lock().leaders_change(true);
                Heal::Leaders
            }
            14 => {
                self.cluster.lock().without_quorum(true);
                Heal::Quorum
            }
            _ => {
                let hours = i64::try_from(self.random.below(HOURS)).unwrap() - i64::try_from(HOURS / 2).unwrap();
                self.clocks[number].1.store(hours * 3_600_000, Ordering::SeqCst);
                return self.note(format!("the clock of {number} is {hours} h ahead"));
            }
        };
        self.note(format!("for {last} ms, until {heal:?}"));
        self.heals.push((until, heal));
    }

    /// Ends what is due, or everything.
    fn heal(&mut self, all: bool) {
        let now = self.now();
        let (due, left) = self.heals.drain(..).partition(|(at, _)| all || *at <= now);
        self.heals = left;
        let due: Vec<(u64, Heal)> = due;
        for (_, heal) in due {
            self.note(format!("{heal:?}"));
            match heal {
                Heal::Start(number) => self.start(number),
                Heal::Thaw(number) => {
                    if let Some(process) = &mut self.nodes[number] {
                        process.frozen = false;
                    }
                }
                Heal::Join(number) => self.cluster.lock().cut(number, false),
                Heal::Quorum => self.cluster.lock().without_quorum(false),
                Heal::Leaders => self.cluster.lock().leaders_change(false),
                Heal::Gone(number) => {
                    self.kill(number);
                    self.start(number);
                }
            }
        }
    }

    fn send(&mut self) {
        let uid = MessageUid::from_bytes(u128::from(self.random.next()).to_be_bytes());
        let facility = FACILITIES[self.random.below(4) as usize];
        let lane = |_| Lane::from_raw(u64::from(facility.as_bytes()[8]) * 1_000 + self.random.below(3));
        let lanes = match self.random.below(20) {
            0 => Lanes::Barrier,
            1 => Lanes::None,
            2..=4 => Lanes::of((0..2).map(lane).collect()),
            _ => Lanes::of((0..1).map(lane).collect()),
        };
        let raw = Payload::new(Bytes::from(uid.to_string()));
        let envelope = Envelope {
            uid,
            listener: Name::local("in"),
            facility: FacilityRef { name: facility.into(), speaks_for: None, verified: true },
            channel: Some(Name::local("calm")),
            revision: Revision::default(),
            lanes,
            received: Timestamp::default(),
            digest: raw.digest(),
            format: Format::Hl7v2,
            control_id: Bytes::from(uid.to_string()),
            message_type: MessageType::default(),
            cause: Cause::Received,
            parents: vec![],
            origin: String::new(),
            traceparent: None,
            findings: vec![],
            keys: vec![],
            waits: None,
            reason: None,
            hops: 0,
        };
        let group = self.attempts.len();
        self.submit(InRecord { envelope, source: None, raw }, group);
    }

    /// To one of the processes that run; whether it answers is another matter.
    fn submit(&mut self, mut record: InRecord, group: usize) {
        let running: Vec<&Process> = self.nodes.iter().flatten().collect();
        let Some(process) = running.get(self.random.below(running.len() as u64) as usize) else { return };
        record.envelope.received = process.inside.clock.now();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (answered, cluster, intake) =
            (Arc::clone(&acknowledged), Arc::clone(&self.cluster), Arc::clone(&process.intake));
        let sent = record.clone();
        process.runtime.spawn(async move {
            if let Ok(submitted) = intake.submit(&sent).await
                && submitted.ticket.await.is_ok()
            {
                answered.store(cluster.lock().now, Ordering::SeqCst);
            }
        });
        self.attempts.push(Attempt { at: self.now(), acknowledged, group, record });
    }

    fn send_again(&mut self) {
        let mut newest: HashMap<usize, usize> = HashMap::new();
        let mut done = BTreeSet::new();
        for (place, attempt) in self.attempts.iter().enumerate() {
            newest.insert(attempt.group, place);
            if attempt.acknowledged.load(Ordering::SeqCst) > 0 {
                done.insert(attempt.group);
            }
        }
        let before = self.now().saturating_sub(IMPATIENT_MS);
        let mut waiting: Vec<usize> =
            newest.into_iter().filter(|(group, _)| !done.contains(group)).map(|(_, at)| at).collect();
        waiting.sort_unstable();
        for place in waiting {
            let attempt = &self.attempts[place];
            if attempt.at <= before && self.random.percent(2) {
                let (mut record, group) = (attempt.record.clone(), attempt.group);
                record.envelope.uid = MessageUid::from_bytes(u128::from(self.random.next()).to_be_bytes());
                self.submit(record, group);
            }
        }
    }

    /// Somebody releases, runs again, gives up.
    fn person(&self) {
        let name = &self.destinations[self.random.below(2) as usize];
        let open = parked(self.cluster.lock().records(&subject::park(name).unwrap()));
        let pick = (!open.is_empty()).then(|| open[self.random.below(open.len() as u64) as usize]);
        let act = match (self.random.below(5), pick) {
            (0, _) => Act::Release(None),
            (1, Some((at, Parked::Held))) => Act::ReleaseDelivery(at),
            (2, Some((at, Parked::Quarantined))) => Act::Rerun(at),
            (3, Some((at, _))) => Act::Discard(at),
            (4, Some((at, Parked::Held))) => Act::SetAside(at),
            _ => return,
        };
        self.order(name, act);
    }

    /// Tells whoever owns the destination.
    fn order(&self, name: &Name, act: Act) {
        for process in self.nodes.iter().flatten() {
            let commands = process.inside.commands.lock().unwrap().get(name).cloned();
            // A run that was cut off leaves its name behind.
            if let Some(commands) = commands.filter(|commands| !commands.is_closed()) {
                self.note(format!("someone at {name}: {act:?}"));
                let (reply, told) = oneshot::channel();
                // What nobody waits for is not begun.
                self.waiting.lock().unwrap().push(told);
                let command = Command { actor: "someone".into(), reason: "test".into(), act, reply };
                // One that is full or gone does nothing; whoever waits asks again.
                drop(commands.try_send(command));
                return;
            }
        }
    }

    /// Everything is well now: what is held is released until nothing is left but what people decided on.
    fn settle(&mut self) -> Result<(), String> {
        self.heal(true);
        self.healed.store(true, Ordering::SeqCst);
        self.cluster.lock().calm = true;
        let deadline = self.now() + SETTLED_WITHIN_MS;
        while self.now() < deadline {
            for _ in 0..200 / STEP_MS {
                self.send_again();
                self.step();
            }
            let mut quiet = true;
            for name in self.destinations.clone() {
                let open = parked(self.cluster.lock().records(&subject::park(&name).unwrap()));
                for (at, why) in open {
                    quiet = false;
                    match why {
                        Parked::Quarantined => self.order(&name, Act::Rerun(at)),
                        Parked::Held => self.order(&name, Act::ReleaseDelivery(at)),
                        _ => {}
                    }
                }
            }
            self.tell()?;
            let history = self.history.lock().unwrap();
            let ended: BTreeSet<_> = history.outcomes.iter().map(|(_, uid, name, ..)| (*uid, name)).collect();
            let waits = |sent: &&Sent| sent.place.is_some() && sent.resend_of.is_none();
            let done = |sent: &Sent| self.destinations.iter().all(|name| ended.contains(&(sent.uid, name)));
            let answered = |group: usize| {
                self.attempts.iter().any(|a| a.group == group && a.acknowledged.load(Ordering::SeqCst) > 0)
            };
            if quiet
                && history.sent.iter().filter(waits).all(done)
                && (0..self.attempts.len()).all(|place| answered(self.attempts[place].group))
            {
                return Ok(());
            }
        }
        let left: Vec<_> = self
            .destinations
            .iter()
            .map(|name| parked(self.cluster.lock().records(&subject::park(name).unwrap())))
            .collect();
        Err(format!("never quiet; set aside: {left:?}"))
    }

    /// Writes down what the log says: where each message stands, which of those sent again counts, how deliveries ended.
    fn tell(&self) -> Result<(), String> {
        let servers = self.cluster.lock();
        let mut places: HashMap<MessageUid, (u16, u64)> = HashMap::new();
        for partition in PARTITIONS.all() {
            for (position, bytes) in servers.records(&subject::intake(partition, Which::Received).unwrap()) {
                let uid = InRecord::decode(bytes).unwrap().envelope.uid;
                if let Some((_, before)) = places.insert(uid, (partition.0, position)) {
                    return Err(format!("{uid} stands twice in IN of {partition}: {before} and {position}"));
                }
            }
        }
        let mut first: HashMap<usize, (u64, MessageUid)> = HashMap::new();
        for attempt in &self.attempts {
            let uid = attempt.record.envelope.uid;
            if let Some((_, position)) = places.get(&uid) {
                let known = first.entry(attempt.group).or_insert((*position, uid));
                *known = (*known).min((*position, uid));
            }
        }
        let mut acknowledged: BTreeSet<usize> = BTreeSet::new();
        for attempt in self.attempts.iter().filter(|attempt| attempt.acknowledged.load(Ordering::SeqCst) > 0) {
            acknowledged.insert(attempt.group);
            let uid = attempt.record.envelope.uid;
            if !places.contains_key(&uid) {
                return Err(format!("{uid} was acknowledged and is not in IN"));
            }
        }
        let sent = |attempt: &Attempt| {
            let envelope = &attempt.record.envelope;
            let original = first.get(&attempt.group).map(|(_, uid)| *uid);
            Sent {
                uid: envelope.uid,
                facility: envelope.facility.name.to_string(),
                lanes: envelope.lanes.clone(),
                place: places.get(&envelope.uid).copied(),
                resend_of: original.filter(|uid| *uid != envelope.uid),
                acknowledged: original == Some(envelope.uid) && acknowledged.contains(&attempt.group),
            }
        };
        let mut outcomes = Vec::new();
        for name in &self.destinations {
            for (_, bytes) in servers.records(&subject::outcome(name).unwrap()) {
                let record = OutcomeRecord::decode(bytes).unwrap();
                let Some(outcome) = record.outcome else { continue };
                outcomes.push((record.id, record.uid, name.clone(), record.run, outcome));
            }
        }
        let mut history = self.history.lock().unwrap();
        (history.sent, history.outcomes) = (self.attempts.iter().map(sent).collect(), outcomes);
        Ok(())
    }

    fn judge(&self) -> Result<(), String> {
        let history = self.history.lock().unwrap();
        for (before, one) in self.attempts.iter().zip(&history.sent) {
            let acknowledged = before.acknowledged.load(Ordering::SeqCst);
            for (after, other) in self.attempts.iter().zip(&history.sent) {
                let (Some(first), Some(second)) = (one.place, other.place) else { continue };
                if acknowledged > 0 && acknowledged < after.at && first.0 == second.0 && second.1 < first.1 {
                    return Err(format!(
                        "{} was acknowledged before {} was sent, and stands behind it",
                        one.uid, other.uid
                    ));
                }
            }
        }
        history.judge(&self.destinations)
    }
}

struct Routes(Inside);

impl Owns for Routes {
    fn run(&self, item: String, tenure: Tenure, stop: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        let inside = self.0.clone();
        let options = router::Options {
            log: Arc::clone(&inside.log),
            partition: Partition(item.parse().unwrap()),
            apply: Arc::new(Everywhere(inside.destinations.clone())),
            programs: Arc::new(Plain),
            clock: Arc::clone(&inside.clock) as Arc<dyn Clock>,
        };
        Box::pin(async move {
            inside.note(&format!("routes {item}, epoch {}", tenure.epoch));
            let ended = supervise(options, Arc::new(Handle::default()), stop).await;
            inside.note(&format!("routes {item} no more: {ended:?}"));
        })
    }
}

struct Leased(Tenure);

impl Fence for Leased {
    fn holds(&self) -> bool {
        self.0.holds()
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.run_out())
    }

    fn regained(&self) -> BoxFuture<'_, bool> {
        Box::pin(self.0.regained())
    }
}

struct Delivers(Inside);

impl Owns for Delivers {
    fn run(&self, item: String, tenure: Tenure, stop: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        let inside = self.0.clone();
        let destination = Name::local(&item);
        Box::pin(async move {
            inside.note(&format!("delivers to {item}, epoch {}", tenure.epoch));
            let receiver = Receiver {
                destination: destination.clone(),
                random: inside.random.clone(),
                history: Arc::clone(&inside.history),
                alive: Arc::clone(&inside.alive),
                healed: Arc::clone(&inside.healed),
                freezes: Arc::clone(&inside.freezes),
            };
            let fence: Arc<dyn Fence> = Arc::new(Leased(tenure));
            let plan = Plan {
                connector: Arc::new(Fenced::new(Arc::new(receiver), Arc::clone(&fence), destination.clone())),
                connections: 1 + inside.random.below(4) as usize,
                retry_initial: Duration::from_millis(20),
                retry_max: Duration::from_millis(200),
                repeat_bound: 1,
                unanswered: 2,
                on_reject: if inside.random.percent(70) { OnReject::Quarantine } else { OnReject::Hold },
                paused: false,
                overflow: None,
                judge: Box::new(judge),
            };
            let (sender, commands) = mpsc::channel(16);
            inside.commands.lock().unwrap().insert(destination.clone(), sender);
            let (_plan, plans) = watch::channel(Arc::new(plan));
            let (_paused, paused) = watch::channel(Arc::new(BTreeSet::new()));
            let options = owner::Options {
                log: Arc::clone(&inside.log),
                destination: destination.clone(),
                partitions: PARTITIONS,
                plan: plans,
                paused,
                clock: Arc::clone(&inside.clock) as Arc<dyn Clock>,
                shared: Arc::new(Shared::default()),
                fence: Some(fence),
            };
            let ended = owner::supervise::supervise(options, commands, stop).await;
            inside.commands.lock().unwrap().remove(&destination);
            inside.note(&format!("delivers to {item} no more: {ended:?}"));
        })
    }
}
