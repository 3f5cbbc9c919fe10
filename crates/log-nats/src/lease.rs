//! Who owns what: one lease a process, claims on what it owns, epochs that only grow.
//!
//! A process renews one key (its lease), however much it owns; each thing owned is another key (a claim) that names the process and an epoch. Expiry is judged
//! by each watcher's own monotonic clock, from the moment it saw the lease change last: clocks of machines are never compared, and the servers' not at all.
//!
//! * The owner counts from *before* it sent the renewal, so it ends its lease before anybody else can believe it over. It asks [`Member::holds`] before each
//!   thing it does outside of the log; what it does in the log is fenced by compare-and-set anyway.
//! * A watcher waits the lease and a guard. The guard is for what the owner did just before its end and the network still carries.
//! * Then it removes the lease, by compare-and-set on the revision it has watched. Only if that succeeds was the owner really silent: from then on it can never
//!   renew, whatever a deposed leader may have told anybody. What it claimed is free, and who claims it raises the epoch.
//!
//! What remains: a process frozen between its check and its write may do that one thing late.

mod contact;
mod forget;
#[cfg(test)]
mod tests;
mod watching;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

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
    _tasks: [AbortOnDropHandle<()>; 2],
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
    lost: watch::Sender<bool>,
    live: watch::Sender<Vec<String>>,
}

struct State {
    revision: Revision,
    until: Instant,
    others: HashMap<String, Other>,
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
        let begun = Instant::now();
        let revision = log.put(&key, Revision::NONE, value.clone()).await?;
        let state = State { revision, until: begun + terms.lease, others: HashMap::new() };
        let shared = Arc::new(Shared {
            log,
            terms,
            role: role.to_owned(),
            key,
            value,
            state: Mutex::new(state),
            lost: watch::Sender::new(false),
            live: watch::Sender::new(vec![name.clone()]),
            name,
        });
        let renewing = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&shared).keep_renewing()));
        let watching = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&shared).keep_watching()));
        Ok(Self { shared, _tasks: [renewing, watching] })
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

    /// Ends when the lease is lost, which is for ever: whoever wants to go on joins anew.
    pub async fn lost(&self) {
        // The sender lives as long as this does.
        drop(self.shared.lost.subscribe().wait_for(|lost| *lost).await);
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

    /// Ends the lease in good order: all that was claimed is free at once. What was done with it must be over.
    ///
    /// # Errors
    /// As [`Log::delete`].
    pub async fn leave(self) -> Result<(), LogError> {
        let [renewing, watching] = self._tasks;
        drop((renewing, watching));
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
        !*self.lost.borrow() && Instant::now() < self.state.lock().until
    }

    fn lose(&self) {
        self.state.lock().until = Instant::now();
        if !self.lost.send_replace(true) {
            tracing::warn!(member = self.name, "the lease is lost");
        }
    }

    /// Renews until it fails for good.
    async fn keep_renewing(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.terms.renew).await;
            let (revision, until) = {
                let state = self.state.lock();
                (state.revision, state.until)
            };
            // From before it is sent: the renewal may be seen at any moment after.
            let begun = Instant::now();
            let left = until.saturating_duration_since(begun);
            let renewed = tokio::time::timeout(left, self.log.put(&self.key, revision, self.value.clone())).await;
            match renewed {
                Ok(Ok(revision)) => {
                    let mut state = self.state.lock();
                    state.revision = revision;
                    state.until = begun + self.terms.lease;
                }
                // Refused and not stored: there is time to try again.
                Ok(Err(LogError::Busy(_) | LogError::NoSpace(_))) if Instant::now() < until => {}
                // Somebody removed it, time is up, or nobody knows which revision it has now.
                _ => return self.lose(),
            }
        }
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
        if before.member == self.name {
            return Ok(Claiming::Ours(Claim { item: item.to_owned(), epoch: before.epoch, revision }));
        }
        if !before.member.is_empty() && !self.is_gone(&before.member).await? {
            return Ok(Claiming::Held { by: before.member });
        }
        if !self.holds() {
            return Err(LogError::Busy("the lease does not hold".into()));
        }
        let epoch = before.epoch + 1;
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
        let key = self.lease_key(member)?;
        let Some((revision, _)) = self.log.get(&key).await? else { return Ok(true) };
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
        if !silent {
            return Ok(false);
        }
        match self.log.delete(&key, revision).await {
            Ok(()) => {
                tracing::warn!(member, "a silent process has lost its lease");
                Ok(true)
            }
            Err(LogError::WrongRevision { actual, .. }) => Ok(actual == Revision::NONE),
            Err(error) => Err(error),
        }
    }
}
