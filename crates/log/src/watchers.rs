//! Who waits for keys: one watch channel a key or prefix, made when first asked for and dropped when nobody listens.
//!
//! Senders that wait for an answer watch one key each, so exact keys are found by hash; prefixes are few and are all looked at.

use std::collections::HashMap;

use tokio::sync::watch;

use crate::{Key, Revision};

/// With fewer watched keys than this, dead ones are not looked for.
const SWEEP_FROM: usize = 64;

/// Watchers of keys and prefixes.
#[derive(Default)]
pub(crate) struct Watchers {
    keys: HashMap<Key, watch::Sender<Revision>>,
    prefixes: Vec<(String, watch::Sender<Revision>)>,
    sweep_at: usize,
}

impl Watchers {
    /// Watches one key, which is at `now`.
    pub(crate) fn key(&mut self, key: &Key, now: Revision) -> watch::Receiver<Revision> {
        if self.keys.len() >= self.sweep_at.max(SWEEP_FROM) {
            self.keys.retain(|_, sender| sender.receiver_count() > 0);
            self.sweep_at = self.keys.len() * 2;
        }
        let sender = self.keys.entry(key.clone()).or_insert_with(|| watch::Sender::new(now));
        sender.subscribe()
    }

    /// Watches all keys with this prefix.
    pub(crate) fn prefix(&mut self, prefix: &str) -> watch::Receiver<Revision> {
        self.prefixes.retain(|(_, sender)| sender.receiver_count() > 0);
        if let Some((_, sender)) = self.prefixes.iter().find(|(known, _)| known == prefix) {
            return sender.subscribe();
        }
        let sender = watch::Sender::new(Revision::NONE);
        let receiver = sender.subscribe();
        self.prefixes.push((prefix.into(), sender));
        receiver
    }

    /// Tells that a key has changed.
    pub(crate) fn notify(&mut self, key: &Key, revision: Revision) {
        if let Some(sender) = self.keys.get(key) {
            sender.send_replace(revision);
        }
        for (prefix, sender) in &self.prefixes {
            if key.as_str().starts_with(prefix.as_str()) {
                sender.send_replace(revision);
            }
        }
    }
}
