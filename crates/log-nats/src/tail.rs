//! Hearing of what others append: an ordered consumer a stream, of headers alone, from where the stream ended when it was first needed.
//!
//! It wakes those who wait; they read for themselves. It knows no gaps: after a lost connection or server it goes on from the last sequence it saw.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{DeliverPolicy, push};
use barid_log::{Key, LogError, Revision, Subject};
use futures_util::StreamExt as _;
use tokio::sync::{Semaphore, watch};

use crate::block::LAST_HEADER;
use crate::link::busy;
use crate::name::Family;
use crate::shared::Shared;

/// Pause before a consumer is made again.
const AGAIN: Duration = Duration::from_millis(200);
/// Subjects looked up at once when somebody begins to watch them: a start with thousands of subjects must not fill the servers' queue of requests.
const LOOKUPS: usize = 32;

/// Which streams are listened to.
pub(crate) struct Tails {
    families: [watch::Sender<Heard>; 4],
    lookups: Semaphore,
}

/// How far one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Heard {
    #[default]
    No,
    Starting,
    Yes,
}

impl Default for Tails {
    fn default() -> Self {
        Self { families: std::array::from_fn(|_| watch::Sender::default()), lookups: Semaphore::new(LOOKUPS) }
    }
}

impl Tails {
    fn of(&self, family: Family) -> Option<&watch::Sender<Heard>> {
        self.families.get(family.index())
    }
}

impl Shared {
    /// Begins to tell of a subject's records that others append.
    pub(crate) fn watch_subject(self: &Arc<Self>, subject: &Subject) {
        let line = self.line(subject);
        if line.watched.swap(true, Ordering::Relaxed) {
            return;
        }
        let family = line.family;
        let Some(tail) = self.tails.of(family) else { return };
        let start = tail.send_if_modified(|heard| {
            let start = *heard == Heard::No;
            if start {
                *heard = Heard::Starting;
            }
            start
        });
        if start {
            self.spawn(Arc::clone(self).tail(family));
        }
        let shared = Arc::clone(self);
        self.spawn(async move {
            // What is appended from now on is heard; what was before is looked up.
            let Some(tail) = shared.tails.of(family) else { return };
            if tail.subscribe().wait_for(|heard| *heard == Heard::Yes).await.is_err() {
                return;
            }
            let Ok(_permit) = shared.tails.lookups.acquire().await else { return };
            while let Err(error) = shared.refresh(&line).await {
                tracing::debug!(subject = %line.subject, %error, "a watched subject is not found yet");
                tokio::time::sleep(AGAIN).await;
            }
        });
    }

    async fn tail(self: Arc<Self>, family: Family) {
        let stream = self.names.stream(family);
        let prefix = self.names.address_prefix(family);
        let heard = |shared: &Self, message: &Message| {
            let last = message.headers.as_ref()?.get(LAST_HEADER)?.as_str().parse().ok()?;
            let subject = message.subject.strip_prefix(prefix.as_str())?;
            let line = shared.lines.read().get(subject).cloned()?;
            line.reached(last);
            Some(())
        };
        let ready = || {
            if let Some(tail) = self.tails.of(family) {
                tail.send_replace(Heard::Yes);
            }
        };
        self.follow(&stream, heard, ready).await;
    }

    /// Listens to the bucket of keys, until the log is closed.
    pub(crate) async fn tail_keys(self: Arc<Self>, ready: watch::Sender<bool>) {
        let prefix = self.names.keys_prefix();
        let heard = |shared: &Self, message: &Message| {
            let key = Key::new(message.subject.strip_prefix(prefix.as_str())?).ok()?;
            let sequence = message.info().ok()?.stream_sequence;
            shared.watchers.lock().notify(&key, Revision(sequence));
            Some(())
        };
        let now_ready = || {
            ready.send_replace(true);
        };
        self.follow(&self.names.keys(), heard, now_ready).await;
    }

    /// Gives every message of a stream from now on, in order, to `heard`; calls `ready` once nothing can be missed any more.
    async fn follow(&self, stream: &str, heard: impl Fn(&Self, &Message) -> Option<()>, ready: impl Fn()) {
        let mut from = None;
        loop {
            let result = self.follow_once(stream, &mut from, &heard, &ready).await;
            if let Err(error) = result {
                tracing::debug!(stream, %error, "listening is begun again");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn follow_once(
        &self,
        name: &str,
        from: &mut Option<u64>,
        heard: &impl Fn(&Self, &Message) -> Option<()>,
        ready: &impl Fn(),
    ) -> Result<(), LogError> {
        let stream = self.link.stream(name).await?;
        let start = match *from {
            Some(start) => start,
            None => {
                let start = stream.get_info().await.map_err(|error| busy(&error))?.state.last_sequence + 1;
                *from.insert(start)
            }
        };
        let config = push::OrderedConfig {
            deliver_subject: self.link.client().new_inbox(),
            headers_only: true,
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: start },
            ..push::OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(|error| busy(&error))?;
        let mut messages = consumer.messages().await.map_err(|error| busy(&error))?;
        ready();
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| busy(&error))?;
            if let Ok(info) = message.info() {
                *from = Some(info.stream_sequence + 1);
            }
            // What is not ours, or not watched here, is nobody's.
            heard(self, &message).unwrap_or_default();
        }
        Ok(())
    }
}
