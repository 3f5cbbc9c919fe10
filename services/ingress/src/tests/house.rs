//! Listeners over a log in memory, built as a test wants them.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use barid_config::Snapshot;
use barid_config::document::{AckMode, Identify, MllpMode, OnUnknown};
use barid_config::settings::{
    ExchangeSpec, FacilitySpec, LimitSettings, ListenerSpec, ListenerTransport, MllpRelease, MllpSettings,
    RateSettings, Secret, SecretFile,
};
use barid_hl7::{Limits, ack};
use barid_model::stage::{Call, Local};
use barid_model::{Clock, LaneHasher, Name, Revision, Timestamp};
use barid_pipeline::Joint;
use barid_validate::{
    AckRules, ChannelRules, ChannelState, FacilityRules, Identity, ListenerRules, MshMatch, OnInvalid, OnStranger,
    OrderRule, Parse, ParseInput, ParseTable, Proof, Verdict,
};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::memory::Memory;
use super::wire::{Client, PATIENCE};
use crate::{Bounds, Listeners, Metrics, Parts, Secrets};

/// The machine's clock.
pub(crate) struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
    }
}

/// The parse stage, or one that crashes on some messages.
struct Crashing {
    stage: Local<Parse>,
    on: &'static [u8],
    times: Mutex<u32>,
}

impl Call<ParseInput, Verdict> for Crashing {
    fn call(&self, batch: Vec<ParseInput>) -> BoxFuture<'_, Vec<Result<Verdict, barid_model::stage::StageError>>> {
        let crash = |input: &ParseInput| {
            let mut times = self.times.lock();
            let hit = *times > 0 && memchr_find(&input.raw, self.on);
            *times -= u32::from(hit);
            hit
        };
        let outputs = batch.iter().map(|input| {
            if crash(input) { Err(barid_model::stage::StageError::Crashed) } else { self.stage.one(input) }
        });
        let outputs = outputs.collect();
        Box::pin(async move { outputs })
    }
}

/// The parse stage, which a message has to wait for until it is let go.
struct Stalling {
    stage: Local<Parse>,
    on: &'static [u8],
    go: Arc<Semaphore>,
}

impl Call<ParseInput, Verdict> for Stalling {
    fn call(&self, batch: Vec<ParseInput>) -> BoxFuture<'_, Vec<Result<Verdict, barid_model::stage::StageError>>> {
        Box::pin(async move {
            if batch.iter().any(|input| memchr_find(&input.raw, self.on)) {
                self.go.acquire().await.unwrap().forget();
            }
            batch.iter().map(|input| self.stage.one(input)).collect()
        })
    }
}

fn memchr_find(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Secrets that tests put there.
#[derive(Clone, Default)]
pub(crate) struct Safe(pub(crate) Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Safe {
    pub(crate) fn put(&self, place: &str, bytes: impl Into<Vec<u8>>) {
        self.0.lock().insert(place.to_owned(), bytes.into());
    }
}

impl Secrets for Safe {
    fn file(&self, file: &SecretFile) -> io::Result<Vec<u8>> {
        self.0.lock().get(&file.to_string()).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn value(&self, secret: &Secret) -> io::Result<Vec<u8>> {
        self.0.lock().get(&secret.to_string()).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Listeners over a memory log, built as a test wants them.
pub(crate) struct House {
    pub(crate) listeners: Arc<Listeners>,
    pub(crate) memory: Memory,
    pub(crate) registry: Registry,
    pub(crate) plan: Plan,
}

/// What a house declares.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) listeners: Vec<ListenerSpec>,
    pub(crate) facilities: Vec<FacilityRules>,
    pub(crate) specs: Vec<FacilitySpec>,
    pub(crate) channels: Vec<ChannelRules>,
    pub(crate) bounds: Bounds,
    pub(crate) crash: Option<(&'static [u8], u32)>,
    /// On which messages the stage waits, and for what.
    pub(crate) stall: Option<(&'static [u8], Arc<Semaphore>)>,
    /// The log that messages are written into as listeners of a mesh do.
    pub(crate) joint: Option<Arc<Joint>>,
}

impl Default for Plan {
    fn default() -> Self {
        let bounds =
            Bounds { quiet: Duration::from_millis(50), linger: Duration::from_millis(200), ..Bounds::default() };
        Self {
            listeners: vec![mllp("mllp")],
            facilities: vec![],
            specs: vec![],
            channels: vec![channel("all")],
            bounds,
            crash: None,
            stall: None,
            joint: None,
        }
    }
}

impl Plan {
    pub(crate) fn listener(mut self, change: impl FnOnce(&mut ListenerSpec)) -> Self {
        change(self.listeners.first_mut().unwrap());
        self
    }

    pub(crate) fn channel(mut self, change: impl FnOnce(&mut ChannelRules)) -> Self {
        change(self.channels.first_mut().unwrap());
        self
    }

    pub(crate) fn pipeline(self, most: usize) -> Self {
        self.listener(|spec| {
            if let ListenerTransport::Mllp(mllp) = &mut spec.transport {
                mllp.pipeline = most;
            }
        })
    }

    fn snapshot(&self) -> (Arc<Snapshot>, Arc<ParseTable>) {
        let listeners = self.listeners.iter().map(|spec| (spec.name.clone(), Arc::new(spec.clone()))).collect();
        let facilities = self.specs.iter().map(|spec| (spec.name.clone(), Arc::new(spec.clone()))).collect();
        let exchange =
            ExchangeSpec { application: "BARID".to_owned(), facility: "MSP".to_owned(), ..ExchangeSpec::default() };
        let mut snapshot = Snapshot::default();
        snapshot.exchange = Arc::new(exchange);
        snapshot.listeners = listeners;
        snapshot.facilities = facilities;
        let rules = self.listeners.iter().map(rules).collect();
        let table = ParseTable::new(rules, self.facilities.clone(), self.channels.clone());
        (Arc::new(snapshot), Arc::new(table))
    }

    pub(crate) async fn open(self) -> House {
        self.open_with(Safe::default()).await
    }

    pub(crate) async fn open_with(self, safe: Safe) -> House {
        let house = House::new(self, safe);
        let faults = house.apply().await;
        assert_eq!(faults, vec![], "the house opens");
        house
    }
}

impl House {
    pub(crate) fn new(plan: Plan, safe: Safe) -> Self {
        let memory = Memory::over(plan.joint.clone());
        let mut registry = Registry::with_prefix("barid");
        let stage = Local::new(Arc::new(Parse::new(LaneHasher::new([7; 16]))));
        let parse: Arc<dyn Call<ParseInput, Verdict>> = match (plan.crash, plan.stall.clone()) {
            (None, None) => Arc::new(stage),
            (None, Some((on, go))) => Arc::new(Stalling { stage, on, go }),
            (Some((on, times)), _) => Arc::new(Crashing { stage, on, times: Mutex::new(times) }),
        };
        let parts = Parts {
            parse,
            accept: Arc::new(memory.clone()),
            clock: Arc::new(WallClock),
            secrets: Arc::new(safe.clone()),
            metrics: Metrics::new(&mut registry),
            bounds: plan.bounds,
        };
        Self { listeners: Arc::new(Listeners::new(parts)), memory, registry, plan }
    }

    pub(crate) async fn apply(&self) -> Vec<crate::ListenerFault> {
        let (snapshot, table) = self.plan.snapshot();
        self.listeners.apply(snapshot, table).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listeners.address(&self.plan.listeners.first().unwrap().name).unwrap()
    }

    pub(crate) async fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address()).await.unwrap())
    }

    /// A metric's value; 0 where it is not there.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let found = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or(0.0)
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let patience = tokio::time::Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(tokio::time::Instant::now() < patience, "{what}: not within {PATIENCE:?}");
            tokio::task::yield_now().await;
        }
    }
}

/// An MLLP listener on a free port, everything by default.
pub(crate) fn mllp(name: &str) -> ListenerSpec {
    ListenerSpec {
        name: Name::local(name),
        socket: "127.0.0.1:0".parse().unwrap(),
        transport: ListenerTransport::Mllp(MllpSettings {
            release: MllpRelease::One,
            mode: MllpMode::Tolerant,
            pipeline: 64,
        }),
        tls: None,
        identify: Identify::Declared,
        on_unmatched: OnUnknown::Reject,
        unknown_facility: OnUnknown::Accept,
        ack_mode: AckMode::Standard,
        limits: LimitSettings {
            message_bytes: 64 * 1024,
            connections: 32,
            idle: Duration::from_secs(600),
            frame: Duration::from_secs(60),
            refused_bytes: 64,
        },
    }
}

fn rules(spec: &ListenerSpec) -> ListenerRules {
    let stranger = |unknown| if unknown == OnUnknown::Accept { OnStranger::Accept } else { OnStranger::Reject };
    ListenerRules {
        name: spec.name.clone(),
        identify: match spec.identify {
            Identify::Certificate => Proof::Certificate,
            Identify::Token => Proof::Token,
            Identify::Address => Proof::Address,
            Identify::Declared => Proof::Declared,
        },
        unknown_facility: stranger(spec.unknown_facility),
        on_unmatched: stranger(spec.on_unmatched),
        ack: ack::Mode::Standard,
        limits: Limits { message_bytes: spec.limits.message_bytes, ..Limits::default() },
    }
}

/// A channel that takes everything of the listener `mllp`.
pub(crate) fn channel(name: &str) -> ChannelRules {
    ChannelRules {
        name: Name::local(name),
        revision: Revision::of(name.as_bytes()),
        priority: 0,
        listeners: vec![Name::local("mllp"), Name::local("https")],
        facilities: None,
        when: None,
        state: ChannelState::Open,
        checks: Default::default(),
        on_invalid: OnInvalid::Reject,
        processing_id: None,
        order: OrderRule::Facility,
        index: vec![],
        ack: AckRules::default(),
        accept_without_control_id: false,
    }
}

/// The facility of [`adt`] as it is declared.
pub(crate) fn chn(rate: Option<RateSettings>) -> FacilitySpec {
    FacilitySpec {
        name: Name::local("chn"),
        display_name: "CHN".to_owned(),
        labels: BTreeMap::new(),
        identities: vec![],
        speaks_for: vec![],
        fallback_charset: "windows-1252".to_owned(),
        time_zone: "UTC".to_owned(),
        expect: None,
        rate,
    }
}

/// How it is recognised.
pub(crate) fn chn_rules() -> FacilityRules {
    let msh = MshMatch { sending_application: None, sending_facility: Some("CHN".to_owned()) };
    FacilityRules {
        name: Name::local("chn"),
        display_name: "CHN".into(),
        labels: BTreeMap::new(),
        identities: vec![Identity { msh: Some(msh), ..Identity::default() }],
        speaks_for: vec![],
        fallback_charset: None,
    }
}
