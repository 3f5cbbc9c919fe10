//! The answer for a sender that waits: one value under the key of its message, in the log.
//!
//! It is written when the outcome is durable: a sender that was told of a rejection is not to see its message delivered
//! after a crash. What a crash left between the two is written at the next start.

use std::sync::Arc;

use barid_log::{Log, LogError, Position, ReadLimit, Revision};
use barid_model::record::{ANSWER_BYTES_MAX, Answer, AnswerRecord, OutcomeRecord, Record as _};
use barid_model::{Digest, Payload};
use barid_pipeline::subject;

use super::{Options, OwnerError};

/// The answer as people need it: its beginning.
pub(super) fn cut(answer: Answer) -> Answer {
    let bytes = answer.bytes.slice(..answer.bytes.len().min(ANSWER_BYTES_MAX));
    Answer { bytes: Payload::new(bytes), ..answer }
}

/// The answer that a sender waits for, and its key; none where nobody does, or while it has not ended.
pub(super) fn answer_of(record: &OutcomeRecord) -> Option<(Digest, AnswerRecord)> {
    let answer = AnswerRecord {
        outcome: record.outcome?,
        at: record.at,
        answer: record.answer.clone().unwrap_or_default(),
        findings: record.findings.clone(),
    };
    Some((record.awaited?, answer))
}

/// Writes the answers of these outcomes, where they are not there: an owner before may have ended before it could.
pub(super) async fn complete(options: &Options, outcomes: &[u64]) -> Result<(), OwnerError> {
    let (log, subject) = (&options.log, subject::outcome(&options.destination)?);
    for position in outcomes {
        let batch = log.read(&subject, Position(*position), ReadLimit { records: 1, bytes: 1 }).await?;
        let entry = batch.entries.into_iter().find(|entry| entry.position.0 == *position);
        let record = entry.and_then(|entry| OutcomeRecord::decode(entry.record).ok());
        let Some((key, answer)) = record.as_ref().and_then(answer_of) else { continue };
        let there = log.get(&subject::answer(key)?).await?;
        let there = there.and_then(|(_, bytes)| AnswerRecord::decode(bytes).ok());
        // One that is younger is of a later sending.
        if there.is_none_or(|there| there.at < answer.at) {
            put_answer(log, key, &answer).await?;
        }
    }
    Ok(())
}

/// Writes the answer for a waiting sender, over an older one of a sending that was rejected.
///
/// # Errors
/// As [`Log::put`].
pub async fn put_answer(log: &Arc<dyn Log>, key: Digest, answer: &AnswerRecord) -> Result<(), LogError> {
    let key = subject::answer(key)?;
    let mut revision = Revision::NONE;
    loop {
        match log.put(&key, revision, answer.encode()).await {
            Ok(_) => return Ok(()),
            Err(LogError::WrongRevision { actual, .. }) if actual != revision => revision = actual,
            Err(LogError::TooLarge { .. }) => {
                let answer = AnswerRecord { answer: cut(answer.answer.clone()), ..answer.clone() };
                log.put(&key, revision, answer.encode()).await?;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
