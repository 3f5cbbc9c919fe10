//! Whether what was accepted here had come to another replica before: told to people, never acted upon.
//!
//! A message that is durable is remembered in the store under the label of its facility and control id. Where it was known
//! there, its sender has sent it again to another replica: the owner of the partition will find the same and drop it. No
//! acknowledgement depends on this, because what a store says may be lost, stale or invented: see
//! `docs/decisions/0007-redis.md`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::store::Store;
use crate::{Label, Labels};

/// Messages on their way to the store; of more, some are not remembered. A second at full load, 50 bytes each.
const QUEUE: usize = 8_192;
/// Messages of one call.
const BATCH: usize = 512;
/// Pause between two calls, so that messages travel together.
const PAUSE: Duration = Duration::from_millis(10);

/// Whether a message was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It was not.
    No,
    /// The same bytes came before.
    Same,
    /// Its control id came before with other bytes.
    OtherBytes,
}

/// A message that is durable.
struct Durable {
    facility: Arc<str>,
    label: Label,
    bytes: Label,
}

/// Remembers what is durable.
#[derive(Clone)]
pub struct Resends {
    queue: mpsc::Sender<Durable>,
    labels: Labels,
}

/// What is remembered and looked up.
pub struct Remembering(mpsc::Receiver<Durable>);

impl Resends {
    /// With what has to run: [`Remembering::run`].
    #[must_use]
    pub fn new(labels: Labels) -> (Self, Remembering) {
        let (queue, queued) = mpsc::channel(QUEUE);
        (Self { queue, labels }, Remembering(queued))
    }

    /// A message is durable. Never waits.
    pub fn note(&self, facility: &Arc<str>, control_id: &[u8], digest: &[u8]) {
        let label = self.labels.of("message", &[facility.as_bytes(), control_id]);
        let bytes = self.labels.of("bytes", &[digest]);
        // Where there is no room it is not remembered: nothing depends on it.
        drop(self.queue.try_send(Durable { facility: Arc::clone(facility), label, bytes }));
    }
}

impl Remembering {
    /// Remembers, and tells `found` of what was known, until all [`Resends`] are gone.
    pub async fn run(mut self, store: &dyn Store, found: impl Fn(&Arc<str>, Known)) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            batch.clear();
            if self.0.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
            let messages: Vec<(Label, Label)> = batch.iter().map(|one| (one.label, one.bytes)).collect();
            if let Ok(known) = store.remember(&messages).await {
                let resent = batch.iter().zip(known).filter(|(_, known)| *known != Known::No);
                resent.for_each(|(one, known)| found(&one.facility, known));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
