//! Runs the listeners that a snapshot declares, and follows its changes without disturbing what did not change.
//!
//! A listener that needs no other socket keeps it and its connections, and they see the new rules from their next message
//! on. One that does is bound anew; one that is gone stops accepting and lets its connections finish. A socket that
//! cannot be bound is that listener's fault alone: it is told, and tried again.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use barid_config::Snapshot;
use barid_config::settings::{ListenerSpec, ListenerTransport};
use barid_model::Name;
use barid_validate::ParseTable;
use barid_volatile::Pace;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::connections::ConnectionStatus;
use crate::context::{Gate, Parts, Phase, Rules, Shared};
use crate::rates::Rates;
use crate::shown::{SenderCertificate, ShownCertificate};
use crate::tokens::Tokens;
use crate::{listener, socket};

/// How often files of certificates and tokens are looked at, and sockets that could not be bound are tried again.
const REFRESH: Duration = Duration::from_secs(5);
/// How long connections that are cut get to notice.
const CUT_WAIT: Duration = Duration::from_secs(1);

/// The listeners of a process.
pub struct Listeners {
    shared: Arc<Shared>,
    running: Mutex<BTreeMap<Name, Running>>,
    faults: Mutex<BTreeMap<Name, ListenerFault>>,
    /// What was applied last; held while a change is made, so that changes follow each other.
    applied: tokio::sync::Mutex<Option<Applied>>,
    /// Listeners that finish.
    retired: TaskTracker,
}

#[derive(Clone)]
struct Applied {
    snapshot: Arc<Snapshot>,
    table: Arc<ParseTable>,
}

struct Running {
    gate: Arc<Gate>,
    address: SocketAddr,
    accept: JoinHandle<()>,
}

/// Why a listener does not run, or not as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerFault {
    /// The listener.
    pub listener: Name,
    /// What is wrong.
    pub text: String,
    /// What would be right.
    pub remedy: String,
}

/// One listener, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerStatus {
    /// Its name.
    pub listener: Name,
    /// The address it is bound to; none where it is not.
    pub address: Option<SocketAddr>,
    /// `mllp` or `http`.
    pub transport: &'static str,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// When its certificate expires, in seconds since 1970.
    pub certificate_expires: Option<i64>,
    /// Open connections, probes included.
    pub connections: usize,
    /// Most connections it takes.
    pub connections_max: usize,
    /// Messages accepted since it was opened.
    pub accepted: u64,
    /// Messages refused since it was opened.
    pub refused: u64,
    /// Why it does not run, or not as declared.
    pub fault: Option<ListenerFault>,
}

/// How a drain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DrainReport {
    /// Connections that were open when it began.
    pub open: usize,
    /// Those that had not finished at the deadline and were cut.
    pub cut: usize,
}

impl Listeners {
    /// None yet; [`Self::apply`] starts them.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            shared: Arc::new(Shared::new(parts)),
            running: Mutex::default(),
            faults: Mutex::default(),
            applied: tokio::sync::Mutex::default(),
            retired: TaskTracker::new(),
        }
    }

    /// Makes a snapshot's listeners run. Gives those that do not, or not as declared; they are tried again by
    /// [`Self::follow`].
    pub async fn apply(&self, snapshot: Arc<Snapshot>, table: Arc<ParseTable>) -> Vec<ListenerFault> {
        let mut applied = self.applied.lock().await;
        let now = Applied { snapshot, table };
        *applied = Some(now.clone());
        self.bring(&now).await
    }

    /// Looks again at what a snapshot refers to: certificates, tokens, sockets that could not be bound.
    pub async fn refresh(&self) -> Vec<ListenerFault> {
        let applied = self.applied.lock().await;
        match &*applied {
            Some(now) => self.bring(now).await,
            None => Vec::new(),
        }
    }

    /// Refreshes for ever.
    pub async fn follow(&self) {
        loop {
            tokio::time::sleep(REFRESH).await;
            self.refresh().await;
        }
    }

    /// All listeners of the snapshot.
    pub async fn status(&self) -> Vec<ListenerStatus> {
        let applied = self.applied.lock().await.clone();
        let specs = applied.iter().flat_map(|applied| applied.snapshot.listeners.values());
        let running = self.running.lock();
        let faults = self.faults.lock();
        specs.map(|spec| status(spec, running.get(&spec.name), faults.get(&spec.name))).collect()
    }

    /// The address a listener is bound to.
    #[must_use]
    pub fn address(&self, listener: &Name) -> Option<SocketAddr> {
        self.running.lock().get(listener).map(|running| running.address)
    }

    /// The connections that have sent something, the oldest first.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionStatus> {
        self.shared.connections.list()
    }

    /// How fast facilities send here: to be shared with other replicas.
    #[must_use]
    pub fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.shared.pace)
    }

    /// The certificates that senders have shown lately.
    #[must_use]
    pub fn certificates(&self) -> Vec<SenderCertificate> {
        self.shared.shown.list(self.shared.parts.clock.now())
    }

    /// The same, to be kept for [`Self::remember`]: at most 4,096, in a settled order.
    #[must_use]
    pub fn shown(&self) -> Vec<ShownCertificate> {
        self.shared.shown.kept(self.shared.parts.clock.now())
    }

    /// What [`Self::shown`] gave before a restart: a sender that is silent since is told of all the same.
    pub fn remember(&self, shown: Vec<ShownCertificate>) {
        self.shared.shown.remember(shown);
    }

    /// Stops accepting, lets every connection finish the frames it has read, acknowledgements included, and cuts those
    /// that have not finished at the deadline.
    pub async fn drain(&self, deadline: Instant) -> DrainReport {
        *self.applied.lock().await = None;
        let running: Vec<Running> = std::mem::take(&mut *self.running.lock()).into_values().collect();
        let open = running.iter().map(|running| running.gate.open.load(Ordering::Relaxed)).sum();
        for running in &running {
            running.gate.go(Phase::Draining);
        }
        self.retired.close();
        let mut cut = 0;
        for running in running {
            cut += finish(running, deadline).await;
        }
        if tokio::time::timeout_at(deadline, self.retired.wait()).await.is_err() {
            tracing::warn!("replaced listeners had not finished when the drain's deadline passed");
        }
        DrainReport { open, cut }
    }

    async fn bring(&self, now: &Applied) -> Vec<ListenerFault> {
        self.follow_rules(now).await;
        let gone: Vec<Running> = {
            let mut running = self.running.lock();
            let gone: Vec<Name> =
                running.keys().filter(|name| !now.snapshot.listeners.contains_key(*name)).cloned().collect();
            gone.iter().filter_map(|name| running.remove(name)).collect()
        };
        gone.into_iter().for_each(|running| self.retire(running));
        let mut faults = Vec::new();
        for spec in now.snapshot.listeners.values() {
            let fault = self.bring_one(spec).await.err();
            self.tell(&spec.name, fault.as_ref());
            faults.extend(fault);
        }
        self.faults.lock().retain(|name, _| now.snapshot.listeners.contains_key(name));
        faults
    }

    async fn follow_rules(&self, now: &Applied) {
        let (snapshot, secrets) = (Arc::clone(&now.snapshot), Arc::clone(&self.shared.parts.secrets));
        let read = tokio::task::spawn_blocking(move || Tokens::read(&snapshot, &*secrets)).await;
        let rules = Rules {
            table: Arc::clone(&now.table),
            application: now.snapshot.exchange.application.clone(),
            facility: now.snapshot.exchange.facility.clone(),
            tokens: read.unwrap_or_default(),
            rates: Rates::of(&now.snapshot),
        };
        let before = self.shared.rules.swap(Arc::new(rules));
        self.shared.rules.load().tokens.tell(&before.tokens);
    }

    async fn bring_one(&self, spec: &Arc<ListenerSpec>) -> Result<(), ListenerFault> {
        let known = self.running.lock().get(&spec.name).map(|running| (Arc::clone(&running.gate), running.address));
        match known {
            Some((gate, _)) if !spec.needs_new_socket(&gate.spec.load()) => {
                let secured = secure(&gate, spec).await;
                gate.spec.store(Arc::clone(spec));
                secured
            }
            Some((_, address)) if overlap(address, spec.socket) => {
                // The same port for another protocol or address: the old socket has to go first.
                let old = self.running.lock().remove(&spec.name);
                if let Some(mut old) = old {
                    old.gate.go(Phase::Draining);
                    // A listener that panicked has closed its socket as well.
                    (&mut old.accept).await.unwrap_or_default();
                    self.retire(old);
                }
                self.start(spec).await
            }
            Some(_) | None => self.start(spec).await,
        }
    }

    async fn start(&self, spec: &Arc<ListenerSpec>) -> Result<(), ListenerFault> {
        let gate = Arc::new(Gate::new(Arc::clone(spec), Arc::clone(&self.shared)));
        secure(&gate, spec).await?;
        let bound = socket::listen(spec.socket).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, socket) = bound.map_err(|error| unbound(spec, &error))?;
        tracing::info!(listener = %spec.name, %address, "listening");
        let accept = tokio::spawn(listener::accept(Arc::clone(&gate), socket));
        let old = self.running.lock().insert(spec.name.clone(), Running { gate, address, accept });
        if let Some(old) = old {
            self.retire(old);
        }
        Ok(())
    }

    fn retire(&self, running: Running) {
        running.gate.go(Phase::Draining);
        tracing::info!(listener = %running.gate.name, address = %running.address, "no longer listening");
        let deadline = Instant::now() + self.shared.parts.bounds.retire;
        self.retired.spawn(async move {
            finish(running, deadline).await;
        });
    }

    /// Logs a listener's fault, and its end, once.
    fn tell(&self, listener: &Name, fault: Option<&ListenerFault>) {
        let mut faults = self.faults.lock();
        if faults.get(listener) == fault {
            return;
        }
        match fault {
            Some(fault) => {
                tracing::error!(%listener, problem = %fault.text, remedy = %fault.remedy, "listener does not run as declared");
                faults.insert(listener.clone(), fault.clone());
            }
            None => {
                tracing::info!(%listener, "listener runs as declared");
                faults.remove(listener);
            }
        }
    }
}

/// Waits for a draining listener's connections, then cuts what is left. Gives how many that were.
async fn finish(running: Running, deadline: Instant) -> usize {
    let Running { gate, accept, .. } = running;
    gate.tasks.close();
    let ended = async {
        // A listener that panicked has ended as well.
        accept.await.unwrap_or_default();
        gate.tasks.wait().await;
    };
    if tokio::time::timeout_at(deadline, ended).await.is_ok() {
        return 0;
    }
    let left = gate.tasks.len();
    gate.go(Phase::Closed);
    if tokio::time::timeout(CUT_WAIT, gate.tasks.wait()).await.is_err() {
        tracing::warn!(listener = %gate.name, "connections did not end when they were cut");
    }
    left
}

/// Whether two sockets cannot be bound at the same time.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

/// Loads the listener's certificates; what was loaded before stays where that fails.
async fn secure(gate: &Arc<Gate>, spec: &Arc<ListenerSpec>) -> Result<(), ListenerFault> {
    let Some(tls) = spec.tls.clone() else { return Ok(()) };
    let http = matches!(spec.transport, ListenerTransport::Http(_));
    let loading = Arc::clone(gate);
    let loaded = tokio::task::spawn_blocking(move || {
        let secrets = Arc::clone(&loading.shared.parts.secrets);
        loading.tls.load(&tls, http, &*secrets)
    });
    let fault = |text: String| ListenerFault {
        listener: spec.name.clone(),
        text,
        remedy: "put a certificate chain, its key and, for client certificates, the authorities there, all as PEM"
            .to_owned(),
    };
    match loaded.await {
        Ok(Ok(changed)) => {
            if changed {
                tracing::info!(listener = %spec.name, "TLS certificate loaded");
            }
            Ok(())
        }
        Ok(Err(error)) => Err(fault(error.to_string())),
        Err(_) => Err(fault("the certificate could not be read".to_owned())),
    }
}

fn unbound(spec: &ListenerSpec, error: &io::Error) -> ListenerFault {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => "another process or listener has this port: stop it, or set another `port`",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege (CAP_NET_BIND_SERVICE): grant it, or set a higher `port`"
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address: correct `address`, or leave it out",
        _ => "see the system's message",
    };
    let text = format!("{} cannot be bound: {error}", spec.socket);
    ListenerFault { listener: spec.name.clone(), text, remedy: remedy.to_owned() }
}

fn status(spec: &ListenerSpec, running: Option<&Running>, fault: Option<&ListenerFault>) -> ListenerStatus {
    ListenerStatus {
        listener: spec.name.clone(),
        address: running.map(|running| running.address),
        transport: match spec.transport {
            ListenerTransport::Mllp(_) => "mllp",
            ListenerTransport::Http(_) => "http",
        },
        tls: spec.tls.is_some(),
        certificate_expires: running.and_then(|running| running.gate.tls.expires()),
        connections: running.map_or(0, |running| running.gate.open.load(Ordering::Relaxed)),
        connections_max: spec.limits.connections,
        accepted: running.map_or(0, |running| running.gate.meters.totals.accepted.load(Ordering::Relaxed)),
        refused: running.map_or(0, |running| running.gate.meters.totals.refused.load(Ordering::Relaxed)),
        fault: fault.cloned(),
    }
}
