//! The duplicate judge at work: the bounded memory, its checkpoint in the log, and the settling of a suspicion.

use std::sync::Arc;
use std::time::Duration;

use barid_log::{Batch, Key, Log, LogError, Position, ReadLimit, Revision, Subject};
use barid_model::record::{AnswerRecord, InRecord, Intake, Record as _};
use barid_model::{Envelope, MessageUid, Outcome, Partition};
use tokio::time::Instant;

use crate::fanout::answer_key;
use crate::judge::Memory;
use crate::subject;

/// Messages after which the checkpoint is written again: read back at start, 16 partitions of them in a fraction of a
/// second.
pub const CHECKPOINT_MESSAGES: u64 = 10_000;
/// Time after which it is written again where fewer came: the log keeps IN from the checkpoint on, however old that is.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// How long what is stored may be hidden: a leader that was deposed shows what it had until it notices, in ten seconds at most.
pub(crate) const SHOWN_WITHIN: Duration = Duration::from_secs(15);
/// Pause before it is looked for again.
pub(crate) const SHOWN_AGAIN: Duration = Duration::from_millis(100);

/// What the judge says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Not seen before.
    Fresh,
    /// The same message as this one, which was accepted before.
    Duplicate(MessageUid),
    /// Another message with the same control id.
    OtherBytes(MessageUid),
}

/// The judge of one partition.
pub struct Judge {
    log: Arc<dyn Log>,
    subject: Subject,
    key: Key,
    revision: Revision,
    memory: Memory,
    remembered: u64,
    written: Instant,
}

impl Judge {
    /// Reads the checkpoint and fills the memory up to the committed position.
    ///
    /// # Errors
    /// As the log.
    pub async fn open(
        log: Arc<dyn Log>,
        partition: Partition,
        remembered: u64,
        committed: u64,
    ) -> Result<Self, LogError> {
        let key = subject::duplicates(partition)?;
        let subject = subject::intake(partition, Intake::Received)?;
        let (revision, memory, from) = restored(&*log, &key, remembered).await?;
        let mut judge = Self { log, subject, key, revision, memory, remembered: from, written: Instant::now() };
        judge.fill(committed).await?;
        Ok(judge)
    }

    /// The position up to which the stored checkpoint reaches.
    #[must_use]
    pub const fn remembered(&self) -> u64 {
        self.remembered
    }

    async fn fill(&mut self, committed: u64) -> Result<(), LogError> {
        let mut next = Position(self.remembered).next();
        while next.0 <= committed {
            let batch = self.stored(next, ReadLimit::default()).await?;
            if batch.next <= next {
                tracing::error!(subject = %self.subject, %next, committed, "accepted messages cannot be read back: resends of them are not known");
                break;
            }
            for entry in batch.entries.iter().filter(|entry| entry.position.0 <= committed) {
                if let Ok(record) = InRecord::decode(entry.record.clone()) {
                    self.remember(&record.envelope, entry.position.0);
                }
            }
            next = batch.next;
        }
        Ok(())
    }

    /// Remembers a message that was not dropped.
    pub fn remember(&mut self, envelope: &Envelope, position: u64) {
        if !envelope.cause.is_exempt_from_duplicates() && !envelope.control_id.is_empty() {
            self.memory.insert(&envelope.facility.name, &envelope.control_id, position);
        }
    }

    /// Judges the message at `own` position within a window of received times.
    ///
    /// # Errors
    /// As the log. A remembered record that cannot be read makes the message fresh: only what is certain is dropped.
    pub async fn judge(&self, envelope: &Envelope, own: u64, window: Option<Duration>) -> Result<Judgement, LogError> {
        let Some(window) = window else { return Ok(Judgement::Fresh) };
        if envelope.cause.is_exempt_from_duplicates() || envelope.control_id.is_empty() {
            return Ok(Judgement::Fresh);
        }
        // After a restart the memory may already hold what is routed again: a message is no resend of itself.
        let suspect = self.memory.suspect(&envelope.facility.name, &envelope.control_id);
        let Some(position) = suspect.filter(|position| *position < own) else {
            return Ok(Judgement::Fresh);
        };
        let Some(earlier) = self.at(position).await? else { return Ok(Judgement::Fresh) };
        let same_sender = earlier.facility.name == envelope.facility.name && earlier.control_id == envelope.control_id;
        if !same_sender || envelope.received.since(earlier.received) > window {
            return Ok(Judgement::Fresh);
        }
        if earlier.digest != envelope.digest {
            return Ok(Judgement::OtherBytes(earlier.uid));
        }
        if envelope.waits.is_some() && self.was_given_back(&earlier).await? {
            return Ok(Judgement::Fresh);
        }
        Ok(Judgement::Duplicate(earlier.uid))
    }

    /// Reads where something is known to stand. Whoever answers may not know of it yet, and what is not remembered is delivered again, marked by nothing.
    async fn stored(&self, from: Position, limit: ReadLimit) -> Result<Batch, LogError> {
        let deadline = Instant::now() + SHOWN_WITHIN;
        loop {
            let batch = self.log.read(&self.subject, from, limit).await?;
            if batch.next > from || Instant::now() >= deadline {
                return Ok(batch);
            }
            tokio::time::sleep(SHOWN_AGAIN).await;
        }
    }

    async fn at(&self, position: u64) -> Result<Option<Envelope>, LogError> {
        let limit = ReadLimit { records: 1, bytes: 1 };
        let batch = self.stored(Position(position), limit).await?;
        let entry = batch.entries.into_iter().find(|entry| entry.position.0 == position);
        Ok(entry.and_then(|entry| InRecord::decode(entry.record).ok()).map(|record| record.envelope))
    }

    /// A sender that was told of a rejection has custody again, and so has one whose query was not answered in time: its
    /// resend is a new message. What was given back before this sending was received was of one before it.
    async fn was_given_back(&self, earlier: &Envelope) -> Result<bool, LogError> {
        let key = answer_key(&earlier.facility.name, &earlier.control_id, earlier.digest);
        let value = self.log.get(&subject::answer(key)?).await?;
        let answer = value.and_then(|(_, bytes)| AnswerRecord::decode(bytes).ok());
        let given_back = |answer: AnswerRecord| matches!(answer.outcome, Outcome::Rejected | Outcome::Expired);
        Ok(answer.filter(|answer| answer.at >= earlier.received).is_some_and(given_back))
    }

    /// Writes the checkpoint when enough has come since the last one, or something a while ago; `committed` is a position whose outputs are
    /// durable.
    ///
    /// # Errors
    /// As [`Log::put`].
    pub async fn checkpoint(&mut self, committed: u64, at_once: bool) -> Result<(), LogError> {
        self.memory.committed(committed);
        let new = committed.saturating_sub(self.remembered);
        let due = new >= CHECKPOINT_MESSAGES || self.written.elapsed() >= CHECKPOINT_EVERY;
        if new == 0 || !(due || at_once) {
            return Ok(());
        }
        self.written = Instant::now();
        self.revision = self.log.put(&self.key, self.revision, self.memory.checkpoint(committed)).await?;
        self.remembered = committed;
        Ok(())
    }
}

/// The stored checkpoint, with its revision and how far it reaches. The commit was written after it: one that reaches less far is an earlier one, of somebody
/// who does not know better yet, and what came between the two would be delivered again, marked by nothing.
async fn restored(log: &dyn Log, key: &Key, remembered: u64) -> Result<(Revision, Memory, u64), LogError> {
    let deadline = Instant::now() + SHOWN_WITHIN;
    loop {
        let (revision, found) = match log.get(key).await? {
            Some((revision, bytes)) => (revision, Memory::restore(bytes)),
            None => (Revision::NONE, None),
        };
        let is_unreadable = found.is_none() && revision != Revision::NONE;
        let (memory, reaches) = match found {
            Some((memory, position)) => (memory, position.unwrap_or(remembered)),
            None => (Memory::default(), 0),
        };
        if reaches >= remembered || is_unreadable || Instant::now() >= deadline {
            if reaches < remembered {
                tracing::error!(%key, remembered, reaches, "the memory of messages is read anew from the log as far as that goes: resends of older ones are not known");
            }
            return Ok((revision, memory, reaches.min(remembered)));
        }
        tokio::time::sleep(SHOWN_AGAIN).await;
    }
}

#[cfg(test)]
mod tests;
