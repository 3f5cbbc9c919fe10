//! How a mesh is: every process that holds a lease is asked at once, within a bound on time, and what they tell is put
//! together with what the history knows. Who did not answer is named; what nobody told of is shown as far as the log says.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use barid_log::LogError;
use barid_model::{Name, Timestamp};
use barid_replica::{Contact, present, words};
use barid_rpc::control::{Command, Direct, NotTold};
use barid_runtime::admin::{NotReady, Readiness};
use barid_runtime::control::CommandResult;
use barid_runtime::control::protocol::{
    DestinationStatus, EngineState, LiveStatus, ReplicaReport, ReplicaStatus, RouterStatus, SenderStatus,
    SnapshotStatus, Status, StorageStatus,
};
use bytes::Bytes;
use futures_util::future::join_all;

use super::elsewhere::DELIVERY;
use super::history::History;
use super::log_failed;
use super::status::{channels, destinations, senders, set_aside, storage};
use barid_custody::Pauses;

/// Services whose processes hold leases, and so can be found: those that messages pass.
const SERVICES: [&str; 3] = ["ingress", "router", DELIVERY];
/// How long a process may take to tell how it is.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long all together may take, connections included.
const ALL_WITHIN: Duration = Duration::from_secs(4);

/// What the status is made of besides.
pub struct Gathering<'a> {
    /// What the history knows.
    pub history: &'a History,
    /// What is paused.
    pub pauses: &'a Pauses,
    /// Who can be asked.
    pub direct: &'a Direct,
    /// Of this process.
    pub readiness: &'a Readiness,
    /// Whether this process ends.
    pub draining: bool,
    /// When this process started.
    pub started: Timestamp,
    /// Where the admin endpoint of this process listens.
    pub admin: &'a str,
    /// What the log takes at its servers, in bytes.
    pub log_bytes: u64,
}

/// What one process told.
struct Told {
    service: &'static str,
    contact: Contact,
    report: Result<ReplicaReport, String>,
}

impl Gathering<'_> {
    /// The status of the mesh.
    ///
    /// # Errors
    /// Where log or history cannot be read.
    pub async fn status(&self) -> CommandResult<Status> {
        let (history, now) = (self.history, self.history.clock.now());
        let told = self.ask().await.map_err(log_failed)?;
        let mut not_ready = self.readiness.missing();
        not_ready.extend(missing(&told));
        let replicas = told.iter().map(replica).collect();
        let mut sum = Sum::default();
        told.into_iter().filter_map(|told| told.report.ok()).for_each(|report| sum.add(report));
        let waiting = history.ask(|ledger| ledger.waiting()).await?;
        let snapshot = history.channels.snapshot();
        let there: BTreeSet<Name> = sum.destinations.keys().cloned().collect();
        let mut all: Vec<DestinationStatus> = sum.destinations.into_values().collect();
        let nobody = destinations::stopped(history, &waiting, &there).await.map_err(log_failed)?;
        let unowned =
            |status| DestinationStatus { error: Some("nobody who answers delivers to it".to_owned()), ..status };
        all.extend(nobody.into_iter().map(unowned));
        all.sort_by(|a, b| a.name.cmp(&b.name));
        sum.certificates.sort_by_key(|certificate| certificate.expires);
        let counts = sum.channels;
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: Some(std::process::id()),
            state: if self.draining { EngineState::Draining } else { EngineState::Running },
            started: Some(self.started),
            now,
            admin: Some(self.admin.to_owned()),
            not_ready,
            snapshot: SnapshotStatus { number: snapshot.number, ..SnapshotStatus::default() },
            listeners: sum.listeners,
            senders: senders::all(history, &snapshot, sum.senders, self.started, now).await?,
            channels: channels(&snapshot, self.pauses, |name| counts.get(name).copied().unwrap_or_default()),
            router: set_aside(sum.router, &waiting),
            destinations: all,
            certificates: sum.certificates,
            storage: StorageStatus { log_bytes: self.log_bytes, ..storage::status(history).await? },
            replicas,
            live: LiveStatus::together(sum.live),
        })
    }

    /// Asks all that hold a lease, at once.
    async fn ask(&self) -> Result<Vec<Told>, LogError> {
        let mut asked = Vec::new();
        for service in SERVICES {
            let mut addresses = BTreeSet::new();
            for contact in present(&self.history.log, service).await? {
                // One that was started again has the lease of before for some seconds: it is asked once.
                if contact.address.as_ref().is_none_or(|address| addresses.insert(address.clone())) {
                    asked.push(self.one(service, contact));
                }
            }
        }
        Ok(join_all(asked).await)
    }

    async fn one(&self, service: &'static str, contact: Contact) -> Told {
        let Some(address) = &contact.address else {
            let why = "it does not say where it can be asked: it is of an earlier release".to_owned();
            return Told { service, contact, report: Err(why) };
        };
        let asked = self.direct.run(address, Command::Replica, None, Bytes::from_static(b"{}"), ANSWER_WITHIN);
        let report = match tokio::time::timeout(ALL_WITHIN, asked).await {
            Ok(Ok(answer)) => words::answered(&answer).map_err(|error| error.text),
            Ok(Err(NotTold::Unreached(why))) => Err(format!("it cannot be reached at {address}: {why}")),
            Ok(Err(NotTold::Refused(refused))) => Err(refused.text),
            Err(_) => Err(format!("it has not answered within {} s", ALL_WITHIN.as_secs())),
        };
        Told { service, contact, report }
    }
}

/// Who has not answered, who is not ready, and which service nobody runs.
fn missing(told: &[Told]) -> Vec<NotReady> {
    let mut all = Vec::new();
    for service in SERVICES {
        if !told.iter().any(|told| told.service == service) {
            all.push(NotReady { part: service.to_owned(), why: "no process of this service is there".to_owned() });
        }
    }
    for told in told {
        let who = told.contact.replica();
        match &told.report {
            Err(why) => all.push(NotReady { part: who.to_owned(), why: format!("has not answered: {why}") }),
            Ok(report) => all.extend(
                report
                    .not_ready
                    .iter()
                    .map(|one| NotReady { part: format!("{who} {}", one.part), why: one.why.clone() }),
            ),
        }
    }
    all
}

fn replica(told: &Told) -> ReplicaStatus {
    let (state, why) = match &told.report {
        Err(why) => ("silent", Some(why.clone())),
        Ok(report) if report.draining => ("draining", None),
        Ok(report) => match report.not_ready.first() {
            Some(part) => ("starting", Some(format!("{}: {}", part.part, part.why))),
            None => ("running", None),
        },
    };
    ReplicaStatus {
        service: told.service.to_owned(),
        name: told.contact.replica().to_owned(),
        address: told.contact.address.clone(),
        state: state.to_owned(),
        why,
        snapshot: told.report.as_ref().ok().map(|report| report.snapshot),
    }
}

/// All that was told.
#[derive(Default)]
struct Sum {
    listeners: Vec<barid_runtime::control::protocol::ListenerStatus>,
    senders: Vec<SenderStatus>,
    channels: HashMap<Name, (u64, u64)>,
    router: RouterStatus,
    destinations: BTreeMap<Name, DestinationStatus>,
    certificates: Vec<barid_runtime::control::protocol::CertificateStatus>,
    live: Vec<LiveStatus>,
}

impl Sum {
    fn add(&mut self, report: ReplicaReport) {
        self.listeners.extend(report.listeners);
        self.senders.extend(report.senders);
        for counted in report.channels {
            let sum = self.channels.entry(counted.name).or_default();
            *sum = (sum.0 + counted.accepted, sum.1 + counted.handed_on);
        }
        self.router.waiting += report.router.waiting;
        self.router.oldest = [self.router.oldest, report.router.oldest].into_iter().flatten().min();
        self.destinations.extend(report.destinations.into_iter().map(|status| (status.name.clone(), status)));
        self.certificates.extend(report.certificates);
        self.live.extend(report.live);
    }
}
