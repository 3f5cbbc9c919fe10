//! The answer for a sender that waits: one value under the key of its message, in the log.
//!
//! It is written when the outcome is durable: a sender that was told of a rejection is not to see its message delivered
//! after a crash. What a crash left between the two is written at the next start.

use barid_log::{Position, ReadLimit};
use barid_model::Digest;
use barid_model::record::{AnswerRecord, OutcomeRecord, Record as _};
pub(super) use barid_pipeline::answer::{cut, put_answer};
use barid_pipeline::subject;

use super::{Options, OwnerError};

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

#[cfg(test)]
mod tests;
