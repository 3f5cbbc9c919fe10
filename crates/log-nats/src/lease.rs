//! Who owns what: one lease a process, claims on what it owns, epochs that only grow.
//!
//! A process renews one key (its lease), however much it owns; each thing owned is another key (a claim) that names the process and an epoch. Expiry is judged
//! by each watcher's own monotonic clock, from the moment it saw the lease change last: clocks of machines are never compared, and the servers' not at all.
//!
//! * The owner counts from *before* it sent the renewal, so its lease ends for it before anybody else can believe it over. It asks [`Member::holds`] before each
//!   thing it does outside of the log; what it does in the log is fenced by compare-and-set anyway.
//! * An owner whose lease has run out is not lost yet: while the log answers nobody, nobody else can take the lease either. It does nothing outside of the log,
//!   keeps what it knows, and goes on once it has renewed the lease by compare-and-set. It is lost when that is refused, because its lease was removed.
//! * A watcher waits the lease and a guard. The guard is for what the owner did just before its end and the network still carries.
//! * Then it removes the lease, by compare-and-set on the revision it has watched. Only if that succeeds was the owner really silent: from then on it can never
//!   renew, whatever a deposed leader may have told anybody. What it claimed is free, and who claims it raises the epoch.
//! * A watcher that could not renew its own lease in time knows that the log was away, and waits for the others' renewals before it judges them again.
//!
//! What remains: a process frozen between its check and its write may do that one thing late.

mod contact;
mod forget;
mod renewing;
#[cfg(test)]
mod tests;
mod watching;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use barid_log::{Key, Log, LogError, Revision};
use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

pub use self::contact::{Contact, owner, present};
pub use self::forget::forget_claims;
use crate::link::random_id;

/// Times in which the others can renew their leases before they are judged, when this process got its own back: a try that hangs takes two of them.
const RENEWALS: u32 = 3;
/// Names of processes that are gone which are kept; then they are found out anew.
const GONE_MAX: usize = 256;
/// How often it is looked whether the lease holds again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How long things last. All processes of an installation must have the same.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How long a renewal holds for its owner. 4 s: servers that choose a new leader do not cost it most of the time.
    pub lease: Duration,
    /// What a watcher waits beyond that. 3 s: the time after which an owner's sockets have given up (TCP_USER_TIMEOUT).
    pub guard: Duration,
    /// How often the lease is renewed. 1 s: three tries before it ends.
    pub renew: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { lease: Duration::from_secs(4), guard: Duration::from_secs(3), renew: Duration::from_secs(1) }
    }
}

/// A process that may own things. Dropped, it renews no more; its claims are free after lease and guard.
pub struct Member {
    shared: Arc<Shared>,
    tasks: [AbortOnDropHandle<()>; 2],
}

struct Shared {
    log: Arc<dyn Log>,
    terms: Terms,
    role: String,
    name: String,
    key: Key,
    /// What its lease says: where it can be talked to.
    value: Bytes,
    state: Mutex<State>,
    standing: watch::Sender<Standing>,
    live: watch::Sender<Vec<String>>,
}

/// How a lease is, for its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Holds,
    /// It has run out and was not renewed yet; nobody is known to have removed it.
    RunOut,
    /// Removed, for ever.
    Lost,
}

struct State {
    revision: Revision,
    until: Instant,
    /// By the clock, when the renewal that holds was sent. The monotonic clock stands still in a machine that sleeps.
    renewed: SystemTime,
    /// When it held again after it had run out.
    back: Option<Instant>,
    others: HashMap<String, Other>,
    /// Whose lease is known to be no more. Names never come back.
    gone: HashSet<String>,
}

/// A lease that is watched.
struct Other {
    watch: watch::Receiver<Revision>,
    revision: Revision,
    since: Instant,
    /// When it was last asked whether it is still there.
    asked: Instant,
}

impl Other {
    fn seen(watch: watch::Receiver<Revision>, revision: Revision) -> Self {
        let now = Instant::now();
        Self { watch, revision, since: now, asked: now }
    }
}

#[derive(Serialize, Deserialize)]
struct Written {
    member: String,
    epoch: u64,
}

/// Something that this process owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What.
    pub item: String,
    /// Grows with every change of owner.
    pub epoch: u64,
    revision: Revision,
}

/// What came of an attempt to own something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claiming {
    /// It is ours.
    Ours(Claim),
    /// Another process has it, and has not been silent for long enough.
    Held {
        /// By whom.
        by: String,
    },
}

impl Member {
    /// Takes a lease. `role` separates things that different services own; `name` shows who it is, and gets an ending that is never used again.
    ///
    /// # Errors
    /// As [`Log::put`]; `BadName` where role or name cannot be part of a key.
    pub async fn join(log: Arc<dyn Log>, role: &str, name: &str, terms: Terms) -> Result<Self, LogError> {
        Self::join_at(log, role, name, terms, "").await
    }

    /// As [`Self::join`], by a process that takes calls at this address, `host:port`.
    ///
    /// # Errors
    /// As [`Self::join`].
    pub async fn join_at(
        log: Arc<dyn Log>,
        role: &str,
        name: &str,
        terms: Terms,
        address: &str,
    ) -> Result<Self, LogError> {
        let value = if address.is_empty() { contact::NOWHERE } else { Bytes::copy_from_slice(address.as_bytes()) };
        let ending: String = random_id().iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("{name}-{ending}");
        let key = Key::new(format!("lease.{role}.{name}"))?;
        let (begun, renewed) = (Instant::now(), SystemTime::now());
        let revision = log.put(&key, Revision::NONE, value.clone()).await?;
        let state = State {
            revision,
            until: begun + terms.lease,
            renewed,
            back: None,
            others: HashMap::new(),
            gone: HashSet::new(),
        };
        let shared = Arc::new(Shared {
            log,
            terms,
            role: role.to_owned(),
            key,
            value,
            state: Mutex::new(state),
            standing: watch::Sender::new(Standing::Holds),
            live: watch::Sender::new(vec![name.clone()]),
            name,
        });
        let renewing = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&shared).keep_renewing()));
        let watching = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&shared).keep_watching()));
        Ok(Self { shared, tasks: [renewing, watching] })
    }

    /// The name under which it holds its lease.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Whether the lease holds now. To be asked just before anything is done outside of the log.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.shared.holds()
    }

    /// Until when it holds, if it is not renewed.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.shared.state.lock().until
    }

    /// Whether the lease is lost, which is for ever: whoever wants to go on joins anew. One that has only run out is not.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        *self.shared.standing.borrow() == Standing::Lost
    }

    /// Ends when the lease is lost.
    pub async fn lost(&self) {
        // The sender lives as long as this does.
        drop(self.shared.standing.subscribe().wait_for(|standing| *standing == Standing::Lost).await);
    }

    /// Ends when the lease does not hold any more, be it that it is lost or that it has run out.
    pub async fn run_out(&self) {
        drop(self.shared.standing.subscribe().wait_for(|standing| *standing != Standing::Holds).await);
    }

    /// Waits until the lease holds; `false` where it never will.
    pub async fn regained(&self) -> bool {
        let mut standing = self.shared.standing.subscribe();
        loop {
            if self.holds() {
                return true;
            }
            if *standing.borrow_and_update() == Standing::Lost {
                return false;
            }
            // Where the clock has made a step the next renewal is no change of standing.
            drop(tokio::time::timeout(LOOK_AGAIN, standing.changed()).await);
        }
    }

    /// The processes that live, this one included, sorted; wakes when they change. One that is silent is listed until lease and guard are over.
    #[must_use]
    pub fn members(&self) -> watch::Receiver<Vec<String>> {
        self.shared.live.subscribe()
    }

    /// Tries to own something.
    ///
    /// # Errors
    /// As [`Log::put`]; `Busy` when the lease does not hold.
    pub async fn claim(&self, item: &str) -> Result<Claiming, LogError> {
        self.shared.claim(item).await
    }

    /// Gives something back, so that another may have it at once. What was done with it must be over.
    ///
    /// # Errors
    /// As [`Log::put`]; nothing if it is not ours any more.
    pub async fn release(&self, claim: Claim) -> Result<(), LogError> {
        let written = Written { member: String::new(), epoch: claim.epoch };
        let key = self.shared.claim_key(&claim.item)?;
        match self.shared.log.put(&key, claim.revision, encode(&written)?).await {
            Ok(_) | Err(LogError::WrongRevision { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends the lease in good order: all that was claimed is free at once. What was done with it must be over; whoever still
    /// has this in hand finds that it does not hold.
    ///
    /// # Errors
    /// As [`Log::delete`].
    pub async fn leave(&self) -> Result<(), LogError> {
        self.tasks.iter().for_each(AbortOnDropHandle::abort);
        self.shared.standing.send_replace(Standing::Lost);
        let revision = {
            let mut state = self.shared.state.lock();
            state.until = Instant::now();
            state.revision
        };
        match self.shared.log.delete(&self.shared.key, revision).await {
            Ok(()) | Err(LogError::WrongRevision { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Who of these should own an item, so that all agree and a change of members moves as little as possible (rendezvous hashing). None of none.
#[must_use]
pub fn preferred<'a>(item: &str, members: &'a [String]) -> Option<&'a str> {
    let weight = |member: &&String| Sha256::digest(format!("{item}\n{member}").as_bytes());
    members.iter().max_by_key(weight).map(String::as_str)
}

fn encode(written: &Written) -> Result<Bytes, LogError> {
    serde_json::to_vec(written).map(Bytes::from).map_err(|error| LogError::Storage(error.to_string().into()))
}

impl Shared {
    fn claim_key(&self, item: &str) -> Result<Key, LogError> {
        Key::new(format!("claim.{}.{item}", self.role))
    }

    fn lease_key(&self, member: &str) -> Result<Key, LogError> {
        Key::new(format!("lease.{}.{member}", self.role))
    }

    fn holds(&self) -> bool {
        let state = self.state.lock();
        // By both clocks: the one stands still while the machine sleeps, the other may be set back.
        let slept = state.renewed.elapsed().is_ok_and(|since| since >= self.terms.lease);
        *self.standing.borrow() != Standing::Lost && Instant::now() < state.until && !slept
    }

    /// Whether it can tell who is silent: not without a lease, nor before the others had time to renew theirs after the log was away.
    fn may_judge(&self) -> bool {
        let renewals = self.terms.renew * RENEWALS;
        self.holds() && self.state.lock().back.is_none_or(|back| back.elapsed() >= renewals)
    }

    async fn claim(&self, item: &str) -> Result<Claiming, LogError> {
        let key = self.claim_key(item)?;
        let (revision, before) = match self.log.get(&key).await? {
            None => (Revision::NONE, Written { member: String::new(), epoch: 0 }),
            Some((revision, value)) => {
                let damaged = |_| LogError::Damaged(format!("key {key}").into());
                (revision, serde_json::from_slice(&value).map_err(damaged)?)
            }
        };
        // One of its own is written again: what was read may be from before it was given back, and another may have it now.
        let own = before.member == self.name;
        if !own && !before.member.is_empty() && !self.is_gone(&before.member).await? {
            return Ok(Claiming::Held { by: before.member });
        }
        if !self.holds() {
            return Err(LogError::Busy("the lease does not hold".into()));
        }
        let epoch = before.epoch + u64::from(!own);
        let written = Written { member: self.name.clone(), epoch };
        match self.log.put(&key, revision, encode(&written)?).await {
            Ok(revision) => Ok(Claiming::Ours(Claim { item: item.to_owned(), epoch, revision })),
            // Another was faster; who it is shows the next attempt.
            Err(LogError::WrongRevision { .. }) => Ok(Claiming::Held { by: String::new() }),
            Err(error) => Err(error),
        }
    }

    /// Whether a process has no lease, if need be by removing it.
    async fn is_gone(&self, member: &str) -> Result<bool, LogError> {
        if self.state.lock().gone.contains(member) {
            return Ok(true);
        }
        let key = self.lease_key(member)?;
        let Some((revision, _)) = self.log.get(&key).await? else { return self.remove(member, Revision::NONE).await };
        let silent = {
            let mut state = self.state.lock();
            let watched = state.others.entry(member.to_owned());
            let other = watched.or_insert_with(|| Other::seen(self.log.watch_key(&key), revision));
            if other.revision != revision {
                other.revision = revision;
                other.since = Instant::now();
            }
            other.since.elapsed() >= self.terms.lease + self.terms.guard
        };
        if !silent || !self.may_judge() {
            return Ok(false);
        }
        let removed = self.remove(member, revision).await?;
        if removed {
            tracing::warn!(member, "a silent process has lost its lease");
        }
        Ok(removed)
    }

    /// Removes a lease at this revision, or makes sure that there is none: a leader that was deposed may not know of it.
    async fn remove(&self, member: &str, revision: Revision) -> Result<bool, LogError> {
        match self.log.delete(&self.lease_key(member)?, revision).await {
            Ok(()) => {
                let gone = &mut self.state.lock().gone;
                if gone.len() >= GONE_MAX {
                    gone.clear();
                }
                gone.insert(member.to_owned());
                Ok(true)
            }
            // The next look finds what there is by then.
            Err(LogError::WrongRevision { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
