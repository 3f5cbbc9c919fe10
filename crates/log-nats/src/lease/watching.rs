//! Watching the leases of others: who there is, and since when each is silent.
//!
//! A lease is read from the servers only when it should have changed and has not, and the list of all when a change is nobody's that is known.

use std::sync::Arc;
use std::time::Duration;

use barid_log::{Key, Revision};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Other, Shared, State};

/// How often watched leases are looked at; the looks cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often the list of leases is read: a process that came with a lost notice is seen then.
const LIST_EVERY: Duration = Duration::from_secs(5);

impl Shared {
    /// Keeps the list of leases and when each was seen to change.
    pub(super) async fn keep_watching(self: Arc<Self>) {
        let prefix = format!("lease.{}.", self.role);
        let mut changes = self.log.watch_keys(&prefix);
        let mut listed: Option<Instant> = None;
        loop {
            let changed = changes.has_changed().unwrap_or(false);
            if listed.is_none_or(|at| at.elapsed() >= LIST_EVERY) || changed && self.is_new(&mut changes) {
                match self.log.keys(&prefix).await {
                    Ok(keys) => {
                        self.note(&prefix, &keys);
                        listed = Some(Instant::now());
                    }
                    Err(error) => tracing::debug!(%error, "leases cannot be listed"),
                }
            }
            for member in self.look() {
                match self.is_gone(&member).await {
                    Ok(true) => self.forget(&member),
                    Ok(false) => {}
                    Err(error) => tracing::debug!(member, %error, "a silent process cannot be looked at"),
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether a change of leases is none of a lease that is watched: one has come, or gone.
    fn is_new(&self, changes: &mut watch::Receiver<Revision>) -> bool {
        let revision = *changes.borrow_and_update();
        let state = self.state.lock();
        revision != state.revision && !state.others.values().any(|other| *other.watch.borrow() == revision)
    }

    /// Takes a list of leases.
    fn note(&self, prefix: &str, keys: &[Key]) {
        let names: Vec<&str> = keys.iter().filter_map(|key| key.as_str().strip_prefix(prefix)).collect();
        let mut state = self.state.lock();
        state.others.retain(|name, _| names.contains(&name.as_str()));
        for name in names {
            if name != self.name && !state.others.contains_key(name) {
                let Ok(key) = self.lease_key(name) else { continue };
                let watch = self.log.watch_key(&key);
                let revision = *watch.borrow();
                state.others.insert(name.to_owned(), Other::seen(watch, revision));
            }
        }
        self.tell(&state);
    }

    fn forget(&self, member: &str) {
        let mut state = self.state.lock();
        state.others.remove(member);
        self.tell(&state);
    }

    /// Tells who lives.
    fn tell(&self, state: &State) {
        let mut live: Vec<String> = state.others.keys().cloned().collect();
        live.push(self.name.clone());
        live.sort();
        self.live.send_if_modified(|known| {
            let changed = *known != live;
            *known = live;
            changed
        });
    }

    /// Notes which leases have changed; gives those that should have, each at most once in the time of a renewal.
    fn look(&self) -> Vec<String> {
        let mut silent = Vec::new();
        for (name, other) in &mut self.state.lock().others {
            let revision = *other.watch.borrow();
            if revision != other.revision {
                other.revision = revision;
                other.since = Instant::now();
            }
            if other.since.elapsed() >= self.terms.renew * 2 && other.asked.elapsed() >= self.terms.renew {
                other.asked = Instant::now();
                silent.push(name.clone());
            }
        }
        silent
    }
}
