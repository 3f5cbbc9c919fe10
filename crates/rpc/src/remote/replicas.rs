//! All replicas of a service: found by name, chosen by how much they have to do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::Target;
use super::replica::Replica;
use crate::limits;
use crate::transport::dial::Dial;
use crate::transport::tls::Tls;

/// Replicas of one service, kept connected.
pub(crate) struct Replicas {
    service: &'static str,
    known: ArcSwap<Vec<Arc<Replica>>>,
    kept: Mutex<BTreeMap<u64, AbortOnDropHandle<()>>>,
    resolver: Mutex<Option<AbortOnDropHandle<()>>>,
    changed: watch::Sender<u64>,
    /// Held by who tries what may have broken a connection: one at a time.
    pub(super) suspects: tokio::sync::Mutex<()>,
    /// The next replica's number, and the next choice's seed.
    next: AtomicU64,
    seed: AtomicU64,
}

impl Replicas {
    fn new(service: &'static str) -> Arc<Self> {
        Arc::new(Self {
            service,
            known: ArcSwap::default(),
            kept: Mutex::default(),
            resolver: Mutex::default(),
            changed: watch::Sender::new(0),
            suspects: tokio::sync::Mutex::default(),
            next: AtomicU64::new(1),
            seed: AtomicU64::new(0),
        })
    }

    /// Those that names stand for, for as long as this lives.
    pub(crate) fn resolving(service: &'static str, targets: Vec<Target>, tls: Option<Arc<Tls>>) -> Arc<Self> {
        let own = Self::new(service);
        let weak = Arc::downgrade(&own);
        let task = tokio::spawn(async move {
            let mut present: BTreeMap<(SocketAddr, String), Arc<Replica>> = BTreeMap::new();
            loop {
                let found = look_up(&targets).await;
                let Some(replicas) = weak.upgrade() else { return };
                if let Some(found) = found {
                    replicas.become_these(&mut present, found, tls.as_ref());
                }
                drop(replicas);
                tokio::time::sleep(limits::RESOLVE_EVERY).await;
            }
        });
        *own.resolver.lock() = Some(AbortOnDropHandle::new(task));
        own
    }

    /// Those behind pipes in this process.
    #[cfg(test)]
    pub(crate) fn pipes(
        service: &'static str,
        dials: Vec<tokio::sync::mpsc::Sender<tokio::io::DuplexStream>>,
    ) -> Arc<Self> {
        let own = Self::new(service);
        let replicas = dials.into_iter().map(|dial| own.add(Dial::Pipe(dial))).collect();
        own.known.store(Arc::new(replicas));
        own
    }

    fn add(&self, dial: Dial) -> Arc<Replica> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let replica = Replica::new(id, dial, self.service, self.changed.clone());
        let task = tokio::spawn(Arc::clone(&replica).keep());
        self.kept.lock().insert(id, AbortOnDropHandle::new(task));
        replica
    }

    fn become_these(
        &self,
        present: &mut BTreeMap<(SocketAddr, String), Arc<Replica>>,
        found: Vec<(SocketAddr, String)>,
        tls: Option<&Arc<Tls>>,
    ) {
        let before = present.len();
        present.retain(|place, replica| {
            let stays = found.contains(place);
            if !stays {
                self.kept.lock().remove(&replica.id);
            }
            stays
        });
        let mut changed = present.len() != before;
        for place in found {
            present.entry(place).or_insert_with_key(|(address, host)| {
                changed = true;
                self.add(Dial::Tcp { address: *address, host: host.clone(), tls: tls.cloned() })
            });
        }
        if changed {
            self.known.store(Arc::new(present.values().cloned().collect()));
            self.changed.send_modify(|count| *count += 1);
        }
    }

    pub(crate) fn serving(&self) -> usize {
        self.known.load().iter().filter(|replica| replica.is_serving()).count()
    }

    pub(crate) async fn ready(&self) {
        let mut changed = self.changed.subscribe();
        while self.serving() == 0 {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// One to ask: of two taken by chance the one with less to do, and not `avoid` nor one that is suspect while there are
    /// others. None where none serves until `patience` ends.
    pub(crate) async fn choose(&self, avoid: Option<u64>, patience: Instant) -> Option<Arc<Replica>> {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(replica) = self.now(avoid) {
                return Some(replica);
            }
            tokio::time::timeout_at(patience, changed.changed()).await.ok()?.ok()?;
        }
    }

    /// Whether there is another than this one.
    pub(super) fn has_other(&self, than: u64) -> bool {
        self.known.load().iter().any(|replica| replica.id != than && replica.is_serving())
    }

    fn now(&self, avoid: Option<u64>) -> Option<Arc<Replica>> {
        let known = self.known.load();
        let serving = || known.iter().filter(|replica| replica.is_serving());
        let other = |replica: &&Arc<Replica>| Some(replica.id) != avoid;
        let well: Vec<_> = serving().filter(other).filter(|replica| !replica.is_suspect()).collect();
        let chosen = match well.as_slice() {
            [] => serving().find(other).or_else(|| serving().next()),
            [only] => Some(*only),
            many => self.lighter(many),
        };
        chosen.cloned()
    }

    fn lighter<'a>(&self, many: &[&'a Arc<Replica>]) -> Option<&'a Arc<Replica>> {
        let chance = self.seed.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let count = many.len() as u64;
        let first = (chance >> 40) % count;
        let second = (first + 1 + (chance >> 16) % (count - 1)) % count;
        let at = |place: u64| usize::try_from(place).ok().and_then(|place| many.get(place)).copied();
        let (first, second) = (at(first)?, at(second)?);
        Some(if second.load() < first.load() { second } else { first })
    }
}

/// All addresses of all names; none where a name cannot be looked up now: then what was known stays.
async fn look_up(targets: &[Target]) -> Option<Vec<(SocketAddr, String)>> {
    let mut found = Vec::new();
    for Target::Name(name) in targets {
        let host = name.rsplit_once(':').map_or(&**name, |(host, _)| host).trim_matches(['[', ']']);
        match tokio::net::lookup_host(name).await {
            Ok(addresses) => found.extend(addresses.map(|address| (address, host.to_owned()))),
            Err(error) => {
                tracing::warn!(name, %error, "cannot look up replicas");
                return None;
            }
        }
    }
    found.sort();
    found.dedup();
    Some(found)
}
