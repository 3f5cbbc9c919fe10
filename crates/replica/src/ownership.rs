//! What this process owns of what several could: claimed, run, given back.
//!
//! Each replica of a service holds one lease. All agree by rendezvous hashing who should own an item; who should claims it once
//! it is free, and who should not any more ends what it does with it and gives it back. So items move when replicas come and
//! go, and after a crash when lease and guard are over. A lease that is lost ends everything that was owned by it; the process
//! then joins anew, as if it had just started. One that has only run out, since the log answers nobody, ends nothing: what is
//! owned stays as it is, does nothing outside of the log, and goes on when the lease holds again.
//!
//! An item's run may end by itself, because its own state is gone or another process was believed the owner: it is given back
//! and claimed again after a pause. What is run, and what a stale owner can still do, is [`Owns`]' matter; the log refuses it.
//!
//! A claim that is not used, because it could not be given back or nobody heard that it was stored, would keep everybody else
//! from the item for as long as this process lives: it is looked for until it is gone.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use barid_log::{Log, LogError};
use barid_log_nats::{Claim, Claiming, Member, Terms, preferred};
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often it is looked at what may be claimed: well below what a takeover may take.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Wait before an item whose run ended by itself is claimed again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long an unused claim is looked for where the log shows another's: a server that was deposed shows what was for some seconds.
const LOOKED_FOR: Duration = Duration::from_secs(30);
/// Wait before a lease is asked for again.
const JOIN_AGAIN: Duration = Duration::from_millis(500);
/// How long what was owned may take to end when the lease is lost.
const LOST_WITHIN: Duration = Duration::from_secs(2);

/// What is done with an item while it is owned.
pub trait Owns: Send + Sync + 'static {
    /// Runs it until `stop`, or until it cannot go on. When this ends nothing is done with it any more.
    fn run(&self, item: String, tenure: Tenure, stop: watch::Receiver<bool>) -> BoxFuture<'static, ()>;
}

/// The time for which something is owned.
#[derive(Clone)]
pub struct Tenure {
    member: Arc<Member>,
    /// Grows with every change of owner.
    pub epoch: u64,
}

impl Tenure {
    /// Whether it is now: to be asked just before anything is done outside of the log.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.member.holds()
    }

    /// Ends when it is not any more: for ever, or until the log answers again.
    pub async fn run_out(&self) {
        self.member.run_out().await;
    }

    /// Waits until it is; `false` where it never will be again.
    pub async fn regained(&self) -> bool {
        self.member.regained().await
    }
}

/// Who owns, and under which name.
pub struct Ownership {
    /// The log in which leases and claims are.
    pub log: Arc<dyn Log>,
    /// Which service: what it owns is named within.
    pub role: &'static str,
    /// What this replica is called.
    pub replica: String,
    /// How long things last.
    pub terms: Terms,
}

/// A claim that may be in the log and is not used.
struct Unused {
    /// When it is looked for next.
    at: Instant,
    /// When it counts as another's.
    until: Instant,
}

impl Unused {
    fn since(now: Instant) -> Self {
        Self { at: now + AGAIN_AFTER, until: now + LOOKED_FOR }
    }
}

struct Running {
    claim: Claim,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Ownership {
    /// Owns its share of `items` until `stop`, then gives everything back.
    ///
    /// # Errors
    /// [`LogError`] where the name of the role or the replica cannot be part of a key.
    pub async fn run(
        self,
        items: watch::Receiver<BTreeSet<String>>,
        owns: Arc<dyn Owns>,
        stop: watch::Receiver<bool>,
    ) -> Result<(), LogError> {
        self.run_at("", items, owns, stop).await
    }

    /// As [`Self::run`], by a process that takes calls about what it owns at this address, `host:port`.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_at(
        self,
        address: &str,
        items: watch::Receiver<BTreeSet<String>>,
        owns: Arc<dyn Owns>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), LogError> {
        while !*stop.borrow() {
            let joining = Member::join_at(Arc::clone(&self.log), self.role, &self.replica, self.terms, address);
            let member = match joining.await {
                Ok(member) => Arc::new(member),
                Err(error @ LogError::BadName { .. }) => return Err(error),
                Err(error) => {
                    tracing::warn!(role = self.role, %error, "no lease yet");
                    tokio::select! {
                        () = tokio::time::sleep(JOIN_AGAIN) => {}
                        _ = stop.changed() => {}
                    }
                    continue;
                }
            };
            tracing::info!(role = self.role, member = member.name(), "may own");
            let mut membership = Membership {
                role: self.role,
                member,
                items: items.clone(),
                owns: Arc::clone(&owns),
                running: HashMap::new(),
                not_before: HashMap::new(),
                unused: HashMap::new(),
            };
            membership.run(stop.clone()).await;
            membership.end().await;
        }
        Ok(())
    }
}

struct Membership {
    role: &'static str,
    member: Arc<Member>,
    items: watch::Receiver<BTreeSet<String>>,
    owns: Arc<dyn Owns>,
    running: HashMap<String, Running>,
    not_before: HashMap<String, Instant>,
    unused: HashMap<String, Unused>,
}

impl Membership {
    /// Until `stop`, or until the lease is lost.
    async fn run(&mut self, mut stop: watch::Receiver<bool>) {
        let mut members = self.member.members();
        while !*stop.borrow() && !self.member.is_lost() {
            let present = members.borrow_and_update().clone();
            let mine = |item: &String| preferred(item, &present) == Some(self.member.name());
            let wanted: BTreeSet<String> =
                self.items.borrow_and_update().iter().filter(|item| mine(item)).cloned().collect();
            self.give_back(&wanted).await;
            self.give_back_unused(&wanted).await;
            self.claim(&wanted).await;
            let member = Arc::clone(&self.member);
            tokio::select! {
                _ = stop.changed() => {}
                _ = members.changed() => {}
                _ = self.items.changed() => {}
                () = member.lost() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Ends what is not wanted any more, and gives back what has ended.
    async fn give_back(&mut self, wanted: &BTreeSet<String>) {
        for (item, running) in &self.running {
            if !wanted.contains(item) {
                running.stop.send_replace(true);
            }
        }
        let ended: Vec<String> = self
            .running
            .iter()
            .filter(|(_, running)| running.task.is_finished())
            .map(|(item, _)| item.clone())
            .collect();
        for item in ended {
            let Some(running) = self.running.remove(&item) else { continue };
            let by_itself = !*running.stop.borrow();
            if by_itself {
                tracing::warn!(role = self.role, item, "what was done with it has ended; it is claimed again");
                self.not_before.insert(item.clone(), Instant::now() + AGAIN_AFTER);
            }
            tracing::info!(role = self.role, item, epoch = running.claim.epoch, "given back");
            if let Err(error) = self.member.release(running.claim).await {
                tracing::warn!(role = self.role, item, %error, "cannot be given back yet");
                self.unused.insert(item, Unused::since(Instant::now()));
            }
        }
    }

    /// Gives back what this process may have claimed and does not use. Where it is wanted again, that claim is taken up instead.
    async fn give_back_unused(&mut self, wanted: &BTreeSet<String>) {
        let now = Instant::now();
        let due =
            |(item, unused): (&String, &Unused)| (unused.at <= now && !wanted.contains(item)).then(|| item.clone());
        let due: Vec<String> = self.unused.iter().filter_map(due).collect();
        for item in due {
            let released = match self.member.claim(&item).await {
                Ok(Claiming::Ours(claim)) => self.member.release(claim).await.map(|()| true),
                Ok(Claiming::Held { .. }) => Ok(false),
                Err(error) => Err(error),
            };
            let now = Instant::now();
            match released {
                Ok(true) => drop(self.unused.remove(&item)),
                Ok(false) => {
                    self.unused.retain(|other, unused| *other != item || now < unused.until);
                    self.unused.entry(item).and_modify(|unused| unused.at = now + AGAIN_AFTER);
                }
                Err(error) => {
                    tracing::debug!(role = self.role, item, %error, "cannot be given back yet");
                    self.unused.insert(item, Unused::since(now));
                    // The log is away: the others would wait for it as long, one after another.
                    return;
                }
            }
        }
    }

    async fn claim(&mut self, wanted: &BTreeSet<String>) {
        let now = Instant::now();
        self.not_before.retain(|_, at| *at > now);
        for item in wanted {
            if self.running.contains_key(item) || self.not_before.contains_key(item) || !self.member.holds() {
                continue;
            }
            match self.member.claim(item).await {
                Ok(Claiming::Ours(claim)) => {
                    tracing::info!(role = self.role, item, epoch = claim.epoch, "owned");
                    self.unused.remove(item);
                    let (stop, stopped) = watch::channel(false);
                    let tenure = Tenure { member: Arc::clone(&self.member), epoch: claim.epoch };
                    let task = tokio::spawn(self.owns.run(item.clone(), tenure, stopped));
                    self.running.insert(item.clone(), Running { claim, stop, task });
                }
                Ok(Claiming::Held { .. }) => {}
                Err(error) => {
                    tracing::warn!(role = self.role, item, %error, "cannot be claimed now");
                    // It may be stored, or be yet.
                    self.unused.insert(item.clone(), Unused::since(Instant::now()));
                    return;
                }
            }
        }
    }

    /// Ends everything: in good order while the lease holds, at once where it is lost.
    async fn end(mut self) {
        let lost = !self.member.holds();
        for running in self.running.values() {
            running.stop.send_replace(true);
        }
        for (_, mut running) in self.running.drain() {
            if lost && tokio::time::timeout(LOST_WITHIN, &mut running.task).await.is_err() {
                running.task.abort();
            }
            if !running.task.is_finished() {
                // A run that panicked is over as well.
                drop(running.task.await);
            }
        }
        if let Err(error) = self.member.leave().await {
            tracing::debug!(role = self.role, %error, "the lease could not be ended: it runs out");
        }
    }
}

#[cfg(test)]
mod tests;
