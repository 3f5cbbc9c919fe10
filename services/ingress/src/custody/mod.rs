//! What listeners hand messages to: the log's IN, seen as [`Accept`].
//!
//! The same whether this process is the only one that takes messages or one of several: who writes IN is [`Intake`]'s
//! matter, what is paused or full is read from the log.

mod refusals;
mod seen;
mod traffic;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use barid_custody::{Channels, Full, NotAdmitted, Pauses};
use barid_log::{Log, LogError};
use barid_model::record::{AnswerRecord, InRecord, RefusedRecord};
use barid_model::{Digest, Envelope, Name, Outcome, Payload, Timestamp};
use barid_pipeline::answer::await_answer;
use barid_pipeline::fanout::answer_key;
use barid_pipeline::{Chain, Intake};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;

pub use self::refusals::Refusals;
pub use self::seen::Recent;
use self::seen::key;
pub use self::traffic::{Sent, Traffic};
use crate::accept::{Accept, AcceptError, AnswerForSender, Seen, Ticket};

/// Custody of messages in this process.
pub struct Custody {
    /// The log.
    pub log: Arc<dyn Log>,
    /// IN, as this process writes it.
    pub intake: Arc<Intake>,
    /// The channels that run.
    pub channels: Arc<Channels>,
    /// What is paused by command.
    pub pauses: Arc<Pauses>,
    /// Destinations that have too much waiting.
    pub full: Arc<Full>,
    /// Where refused messages are kept.
    pub refusals: Refusals,
    /// What was made durable lately.
    pub recent: Arc<Recent>,
    /// What is counted.
    pub traffic: Arc<Traffic>,
    /// Whether the process ends.
    pub draining: Arc<AtomicBool>,
    /// Senders that wait, with when their message was received: a rejection from before was of an earlier sending.
    pub waiting: Mutex<HashMap<Digest, Timestamp>>,
}

/// Senders that may wait at once; of more the oldest are forgotten, and may be told of an earlier rejection.
const WAITING_MAX: usize = 4_096;

impl Custody {
    /// Whether messages of this channel are taken now; none: of no channel.
    ///
    /// # Errors
    /// [`NotAdmitted`].
    pub fn admits(&self, channel: Option<&Name>) -> Result<(), NotAdmitted> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(NotAdmitted::ShuttingDown);
        }
        barid_custody::admit(&*self.log, &self.channels, &self.pauses, &self.full, channel)
    }

    fn note_waiting(&self, key: Digest, received: Timestamp) {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= WAITING_MAX
            && let Some(oldest) = waiting.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key)
        {
            waiting.remove(&oldest);
        }
        waiting.insert(key, received);
    }
}

impl Accept for Custody {
    fn submit(
        &self,
        envelope: Envelope,
        raw: Payload,
        chain: Option<Chain>,
    ) -> BoxFuture<'_, Result<Ticket, AcceptError>> {
        Box::pin(async move {
            if envelope.waits.is_some() {
                self.note_waiting(self.answer_key(&envelope), envelope.received);
            }
            let record = InRecord { envelope, source: None, raw };
            let submitted = self.intake.submit_in(&record, chain.as_ref()).await.map_err(|error| refusal(&error))?;
            let (recent, traffic) = (Arc::clone(&self.recent), Arc::clone(&self.traffic));
            let envelope = record.envelope;
            let ticket: Ticket = Box::pin(async move {
                if let Err(error) = submitted.ticket.await {
                    chain.iter().for_each(Chain::cut);
                    return Err(refusal(&error));
                }
                traffic.accepted(&envelope);
                // A sender that is told of a rejection sends again on purpose, so its message is left to the judge.
                if !envelope.control_id.is_empty() && envelope.waits.is_none() {
                    recent.insert(key(&envelope), &envelope);
                }
                Ok(())
            });
            Ok(ticket)
        })
    }

    fn refused(&self, record: RefusedRecord) {
        self.traffic.refused(record.facility.as_ref());
        self.refusals.keep(record);
    }

    fn answer_key(&self, envelope: &Envelope) -> Digest {
        answer_key(&envelope.facility.name, &envelope.control_id, envelope.digest)
    }

    fn wait_answer(&self, key: Digest, timeout: Duration) -> BoxFuture<'static, Option<AnswerForSender>> {
        let log = Arc::clone(&self.log);
        let since = self.waiting.lock().remove(&key).unwrap_or_default();
        let deadline = Instant::now() + timeout;
        Box::pin(async move { await_answer(&log, key, since, deadline).await.and_then(for_sender) })
    }

    fn admission(&self, channel: Option<&Name>) -> Result<(), AcceptError> {
        self.admits(channel).map_err(AcceptError::from)
    }

    fn resent(&self, envelope: &Envelope) {
        self.traffic.resent(&envelope.facility.name);
    }

    fn seen(&self, envelope: &Envelope) -> Seen {
        let Some(channel) = &envelope.channel else { return Seen::No };
        let snapshot = self.channels.snapshot();
        let Some(window) = snapshot.channels.get(channel).map(|channel| channel.settings.duplicate_window) else {
            return Seen::No;
        };
        if window.is_zero() || envelope.control_id.is_empty() { Seen::No } else { self.recent.seen(envelope, window) }
    }
}

/// What a waiting sender is told; of a query that expired nothing, so that it asks again.
fn for_sender(record: AnswerRecord) -> Option<AnswerForSender> {
    Some(match record.outcome {
        Outcome::Delivered | Outcome::Rejected if !record.answer.bytes.is_empty() => {
            let accepted = record.outcome == Outcome::Delivered;
            AnswerForSender::Passed { answer: record.answer.bytes, accepted }
        }
        Outcome::Delivered | Outcome::Filtered | Outcome::Merged => AnswerForSender::Accepted,
        Outcome::Rejected | Outcome::Quarantined | Outcome::Discarded => AnswerForSender::Rejected(record.findings),
        Outcome::Expired => return None,
    })
}

fn refusal(error: &LogError) -> AcceptError {
    match error {
        LogError::NoSpace(_) => AcceptError::NoSpace,
        other => AcceptError::Unavailable(other.to_string()),
    }
}
