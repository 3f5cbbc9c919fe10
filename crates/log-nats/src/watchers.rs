//! Who waits for keys. A change is heard of twice, from the put itself and from the servers, and wakes once.

use std::collections::HashMap;

use barid_log::{Key, Revision};
use tokio::sync::watch;

/// With fewer watched keys than this, dead ones are not looked for.
const SWEEP_FROM: usize = 64;

/// Watchers of keys and prefixes: dropped when nobody listens.
#[derive(Default)]
pub(crate) struct Watchers {
    keys: HashMap<Key, watch::Sender<Revision>>,
    prefixes: Vec<(String, watch::Sender<Revision>)>,
    sweep_at: usize,
}

impl Watchers {
    /// Watches one key. True if nobody did: its revision is not known here.
    pub(crate) fn key(&mut self, key: &Key) -> (watch::Receiver<Revision>, bool) {
        if self.keys.len() >= self.sweep_at.max(SWEEP_FROM) {
            self.keys.retain(|_, sender| sender.receiver_count() > 0);
            self.sweep_at = self.keys.len() * 2;
        }
        let new = !self.keys.contains_key(key);
        let sender = self.keys.entry(key.clone()).or_insert_with(|| watch::Sender::new(Revision::NONE));
        (sender.subscribe(), new)
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
            raise(sender, revision);
        }
        for (prefix, sender) in &self.prefixes {
            if key.as_str().starts_with(prefix.as_str()) {
                raise(sender, revision);
            }
        }
    }

    /// Tells the revision a watched key was found at; no prefix has changed by that.
    pub(crate) fn found(&mut self, key: &Key, revision: Revision) {
        if let Some(sender) = self.keys.get(key) {
            raise(sender, revision);
        }
    }
}

fn raise(sender: &watch::Sender<Revision>, revision: Revision) {
    sender.send_if_modified(|known| {
        let newer = *known < revision;
        if newer {
            *known = revision;
        }
        newer
    });
}
