//! One history: senders, the process and its deaths, receivers, and people who act on what is held.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barid_config::document::OnReject;
use barid_delivery::owner::command::{Act, Command};
use barid_delivery::owner::overflow::Bound;
use barid_delivery::owner::status::Shared;
use barid_delivery::owner::{self, Plan};
use barid_log::Log;
use barid_log::memory::MemoryLog;
use barid_model::record::{InRecord, OutcomeRecord, Parked, Record as _};
use barid_model::{
    Cause, Clock, DeliveryId, Envelope, FacilityRef, Format, Lane, Lanes, ManualClock, MessageType, MessageUid, Name,
    Partition, Partitions, Payload, Revision, Timestamp,
};
use barid_pipeline::{Handle, Intake, router, subject, supervise};
use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::ends::{Everywhere, Plain, Receiver, act_on, judge, parked};
use super::history::{History, Sent};
use super::random::Random;
use super::tell::{records, tell};

const PARTITIONS: Partitions = Partitions::new(2);
const FACILITIES: [&str; 3] = ["default/a", "default/b", "default/c"];
const LIVES: u64 = 5;
const MESSAGES_A_LIFE: u64 = 40;

pub(super) struct World {
    random: Random,
    log: MemoryLog,
    history: Arc<Mutex<History>>,
    destinations: Vec<Name>,
    healed: Arc<AtomicBool>,
    clock: Arc<ManualClock>,
}

/// One life of the process: all its tasks, and whether it still lives.
struct Life {
    alive: Arc<AtomicBool>,
    tasks: JoinSet<Result<(), String>>,
    intake: Intake,
    commands: Vec<(Name, mpsc::Sender<Command>)>,
    paused: watch::Sender<Arc<BTreeSet<Name>>>,
    stop: watch::Sender<bool>,
    releaser: tokio::task::JoinHandle<()>,
}

impl World {
    pub(super) fn new(random: Random) -> Self {
        Self {
            random,
            log: MemoryLog::new(u32::from(PARTITIONS.count())),
            history: Arc::default(),
            destinations: vec![Name::local("one"), Name::local("two")],
            healed: Arc::default(),
            clock: Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000))),
        }
    }

    pub(super) async fn play(mut self) -> Result<(), String> {
        for _ in 0..LIVES {
            let mut life = self.begin().await?;
            self.live(&mut life).await?;
            self.die(life).await;
        }
        self.healed.store(true, Ordering::SeqCst);
        let mut life = self.begin().await?;
        if let Err(why) = self.settle(&mut life).await {
            self.tell().await;
            return Err(why);
        }
        self.read_outcomes().await;
        let judged = self.history.lock().unwrap().judge(&self.destinations);
        if judged.is_err() {
            self.tell().await;
        }
        judged
    }

    /// Prints the whole history, for who looks for the fault.
    async fn tell(&self) {
        let log: Arc<dyn Log> = Arc::new(self.log.clone());
        tell(&log, &self.destinations, PARTITIONS).await;
        for note in &self.history.lock().unwrap().notes {
            println!("{note}");
        }
    }

    async fn begin(&self) -> Result<Life, String> {
        let log: Arc<dyn Log> = Arc::new(self.log.clone());
        self.log.hold(false);
        let alive = Arc::new(AtomicBool::new(true));
        let (stop, stopped) = watch::channel(false);
        let (paused, pauses) = watch::channel(Arc::new(BTreeSet::new()));
        let mut tasks = JoinSet::new();
        let intake = Intake::open(&log, PARTITIONS).await.map_err(|error| error.to_string())?;
        for partition in PARTITIONS.all() {
            let options = router::Options {
                log: Arc::clone(&log),
                partition,
                apply: Arc::new(Everywhere(self.destinations.clone())),
                programs: Arc::new(Plain),
                clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            };
            let stopped = stopped.clone();
            tasks.spawn(async move {
                supervise(options, Arc::new(Handle::default()), stopped).await.map_err(|error| error.to_string())
            });
        }
        let mut commands = Vec::new();
        for destination in &self.destinations {
            let (sender, receiver) = mpsc::channel(16);
            commands.push((destination.clone(), sender));
            let (plan, plans) = watch::channel(Arc::new(self.plan(destination, &alive)));
            let options = owner::Options {
                log: Arc::clone(&log),
                destination: destination.clone(),
                partitions: PARTITIONS,
                plan: plans,
                paused: pauses.clone(),
                clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
                shared: Arc::new(Shared::default()),
                fence: None,
            };
            let stopped = stopped.clone();
            tasks.spawn(async move {
                let ended = owner::supervise::supervise(options, receiver, stopped).await;
                drop(plan);
                ended.map_err(|error| error.to_string())
            });
        }
        let (releasing, random, alive_too) = (self.log.clone(), self.random.clone(), Arc::clone(&alive));
        if !self.healed.load(Ordering::SeqCst) {
            self.log.hold(true);
        }
        let releaser = tokio::spawn(async move {
            while alive_too.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(1 + random.below(6))).await;
                releasing.release(1 + random.below(20) as usize);
            }
        });
        Ok(Life { alive, tasks, intake, commands, paused, stop, releaser })
    }

    fn plan(&self, destination: &Name, alive: &Arc<AtomicBool>) -> Plan {
        let receiver = Receiver {
            destination: destination.clone(),
            random: self.random.clone(),
            history: Arc::clone(&self.history),
            alive: Arc::clone(alive),
            healed: Arc::clone(&self.healed),
            freezes: Arc::default(),
        };
        let overflow = self.random.percent(25) && !self.healed.load(Ordering::SeqCst);
        Plan {
            connector: Arc::new(receiver),
            connections: 1 + self.random.below(4) as usize,
            retry_initial: Duration::from_millis(20),
            retry_max: Duration::from_millis(200),
            repeat_bound: 1,
            unanswered: 2,
            on_reject: if self.random.percent(70) { OnReject::Quarantine } else { OnReject::Hold },
            paused: false,
            overflow: overflow.then_some(Bound { messages: 3, age: None }),
            judge: Box::new(judge),
        }
    }

    /// Sends messages until the life is over, sometimes a resend; people act now and then.
    async fn live(&self, life: &mut Life) -> Result<(), String> {
        let mut waiting = Vec::new();
        for _ in 0..MESSAGES_A_LIFE {
            tokio::time::sleep(Duration::from_millis(self.random.below(30))).await;
            let (record, sent) = self.message();
            let at = {
                let mut history = self.history.lock().unwrap();
                history.sent.push(sent);
                history.sent.len() - 1
            };
            match life.intake.submit(&record).await {
                Ok(submitted) => {
                    let place = (submitted.partition.0, submitted.ticket.place().unwrap().0);
                    self.history.lock().unwrap().sent[at].place = Some(place);
                    let history = Arc::clone(&self.history);
                    waiting.push(tokio::spawn(async move {
                        let durable = submitted.ticket.await.is_ok();
                        history.lock().unwrap().sent[at].acknowledged |= durable;
                    }));
                }
                Err(error) => return Err(error.to_string()),
            }
            if self.random.percent(10) {
                self.person(life).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(self.random.below(400))).await;
        Ok(())
    }

    fn message(&self) -> (InRecord, Sent) {
        let history = self.history.lock().unwrap();
        let again = history.sent.iter().rev().find(|sent| sent.acknowledged && sent.resend_of.is_none()).cloned();
        drop(history);
        let facility = FACILITIES[self.random.below(3) as usize];
        let resend = again.filter(|_| self.random.percent(5));
        let facility = resend.as_ref().map_or(facility.to_owned(), |sent| sent.facility.clone());
        let lane = |_| Lane::from_raw(u64::from(facility.as_bytes()[8]) * 1000 + self.random.below(4));
        let lanes = match self.random.below(20) {
            0 => Lanes::Barrier,
            1 => Lanes::None,
            2..=5 => Lanes::of((0..2).map(lane).collect()),
            _ => Lanes::of((0..1).map(lane).collect()),
        };
        let uid = MessageUid::from_bytes(u128::from(self.random.next()).to_be_bytes());
        let control = resend.as_ref().map_or(uid, |sent| sent.uid).to_string();
        let raw = Payload::new(Bytes::from(control.clone()));
        let envelope = Envelope {
            uid,
            listener: Name::local("in"),
            facility: FacilityRef { name: facility.as_str().into(), speaks_for: None, verified: true },
            channel: Some(Name::local(if self.random.percent(80) { "calm" } else { "paused-at-times" })),
            revision: Revision::default(),
            lanes: lanes.clone(),
            received: self.clock.now(),
            digest: raw.digest(),
            format: Format::Hl7v2,
            control_id: Bytes::from(control),
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
        let resend_of = resend.map(|sent| sent.uid);
        let sent = Sent { uid, facility, lanes, place: None, resend_of, acknowledged: false };
        (InRecord { envelope, source: None, raw }, sent)
    }

    /// Somebody releases, runs again, gives up, pauses or resumes.
    async fn person(&self, life: &Life) {
        let (name, commands) = &life.commands[self.random.below(life.commands.len() as u64) as usize];
        let parked = self.parked(name).await;
        let pick = (!parked.is_empty()).then(|| parked[self.random.below(parked.len() as u64) as usize]);
        let act = match (self.random.below(7), pick) {
            (6, _) => match self.waiting(name).await {
                Some((delivery, out)) => Act::EndWaiting { delivery, out, keep: self.random.percent(50) },
                None => return,
            },
            (0, _) => Act::Release(None),
            (1, Some((at, Parked::Held))) => Act::ReleaseDelivery(at),
            (2, Some((at, Parked::Quarantined))) => Act::Rerun(at),
            (3, Some((at, _))) => Act::Discard(at),
            (4, Some((at, Parked::Held))) => Act::SetAside(at),
            (5, _) => {
                let paused = self.random.percent(50).then(|| Name::local("paused-at-times"));
                life.paused.send_replace(Arc::new(paused.into_iter().collect()));
                return;
            }
            _ => return,
        };
        act_on(commands, act).await;
    }

    /// Something that stands in OUT of a destination, among the last: most of it still waits.
    async fn waiting(&self, destination: &Name) -> Option<(DeliveryId, (Partition, u64))> {
        let partitions: Vec<_> = PARTITIONS.all().collect();
        let partition = partitions[self.random.below(partitions.len() as u64) as usize];
        let out = self.read(&subject::out(destination, partition).unwrap()).await;
        let (position, bytes) = out.iter().rev().nth(self.random.below(6) as usize)?;
        let record = barid_model::record::OutRecord::decode(bytes.clone()).unwrap();
        Some((record.id, (partition, *position)))
    }

    /// What stands in PARK of a destination and has not ended.
    async fn parked(&self, destination: &Name) -> Vec<(u64, Parked)> {
        parked(self.read(&subject::park(destination).unwrap()).await)
    }

    async fn read(&self, subject: &barid_log::Subject) -> Vec<(u64, Bytes)> {
        records(&self.log, subject).await
    }

    async fn die(&mut self, mut life: Life) {
        life.alive.store(false, Ordering::SeqCst);
        let stored = self.random.below(self.log.queued() as u64 + 1) as usize;
        let gentle = self.random.percent(20);
        if gentle {
            life.alive.store(true, Ordering::SeqCst);
            life.stop.send_replace(true);
            while life.tasks.join_next().await.is_some() {}
            life.alive.store(false, Ordering::SeqCst);
            self.log.release(usize::MAX);
        }
        self.history.lock().unwrap().notes.push(format!("death, gentle {gentle}, {stored} of what waited is stored"));
        self.log = self.log.crash(stored);
        life.tasks.abort_all();
        life.releaser.abort();
        while life.tasks.join_next().await.is_some() {}
    }

    /// Everything is well now: whatever is held is released until nothing is left but what people decided on.
    async fn settle(&self, life: &mut Life) -> Result<(), String> {
        for _ in 0..2_000 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if let Some(Ok(Err(error))) = life.tasks.try_join_next() {
                return Err(error);
            }
            let mut open = 0;
            for (name, commands) in &life.commands {
                for (at, why) in self.parked(name).await {
                    match why {
                        Parked::Quarantined => act_on(commands, Act::Rerun(at)).await,
                        Parked::Held => act_on(commands, Act::ReleaseDelivery(at)).await,
                        _ => {}
                    }
                    open += 1;
                }
            }
            if open == 0 && self.all_ended().await {
                return Ok(());
            }
        }
        let mut left = String::new();
        for (name, _) in &life.commands {
            left += &format!(" {name}: {:?}", self.parked(name).await);
        }
        let history = self.history.lock().unwrap();
        for sent in history.sent.iter().filter(|sent| sent.acknowledged && sent.resend_of.is_none()) {
            let ended = history.outcomes.iter().filter(|(_, uid, ..)| *uid == sent.uid).count();
            if ended < self.destinations.len() {
                left += &format!(" {sent:?} ended {ended}");
            }
        }
        Err(format!("never quiet:{left}"))
    }

    async fn all_ended(&self) -> bool {
        self.read_outcomes().await;
        let history = self.history.lock().unwrap();
        let ended: std::collections::HashSet<(MessageUid, &Name)> =
            history.outcomes.iter().map(|(_, uid, name, _, _)| (*uid, name)).collect();
        history
            .sent
            .iter()
            .filter(|sent| sent.acknowledged && sent.resend_of.is_none())
            .all(|sent| self.destinations.iter().all(|name| ended.contains(&(sent.uid, name))))
    }

    async fn read_outcomes(&self) {
        let mut outcomes = Vec::new();
        for destination in &self.destinations {
            for (_, bytes) in self.read(&subject::outcome(destination).unwrap()).await {
                let record = OutcomeRecord::decode(bytes).unwrap();
                let Some(outcome) = record.outcome else { continue };
                outcomes.push((record.id, record.uid, destination.clone(), record.run, outcome));
            }
        }
        self.history.lock().unwrap().outcomes = outcomes;
    }
}
