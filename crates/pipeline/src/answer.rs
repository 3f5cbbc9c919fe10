//! The answer for a sender that waits: one value under the key of its message, in the log.

use std::sync::Arc;
use std::time::Duration;

use barid_log::{Log, LogError, Revision};
use barid_model::record::{ANSWER_BYTES_MAX, Answer, AnswerRecord, Record as _};
use barid_model::{Digest, Outcome, Payload, Timestamp};
use tokio::time::Instant;

use crate::subject;

/// Pause before a log is asked again that cannot be read now.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How often an answer is looked for though nobody told that it is there: somebody waits for it, so often enough; rarely
/// enough that thousands who wait cost a log nothing.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// The answer as people need it: its beginning.
#[must_use]
pub fn cut(answer: Answer) -> Answer {
    let bytes = answer.bytes.slice(..answer.bytes.len().min(ANSWER_BYTES_MAX));
    Answer { bytes: Payload::new(bytes), ..answer }
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

/// The answer under a key as soon as it is there, whoever writes it; none at the deadline. What was given back before `since`
/// was of an earlier sending. A log that cannot be read for a while is asked again.
pub async fn await_answer(
    log: &Arc<dyn Log>,
    key: Digest,
    since: Timestamp,
    deadline: Instant,
) -> Option<AnswerRecord> {
    tokio::time::timeout_at(deadline, answered(log, key, since)).await.unwrap_or_else(|_| {
        tracing::debug!("a waiting sender gets no answer in time");
        None
    })
}

async fn answered(log: &Arc<dyn Log>, key: Digest, since: Timestamp) -> Option<AnswerRecord> {
    let key = match subject::answer(key) {
        Ok(key) => key,
        Err(error) => {
            tracing::error!(%error, "an answer for a waiting sender cannot be named");
            return None;
        }
    };
    let mut watch = log.watch_key(&key);
    loop {
        watch.borrow_and_update();
        match log.get(&key).await {
            Ok(Some((_, bytes))) => match AnswerRecord::decode(bytes) {
                Ok(record) if !matches!(record.outcome, Outcome::Rejected | Outcome::Expired) => return Some(record),
                Ok(record) if record.at >= since => return Some(record),
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "an answer for a waiting sender cannot be read");
                    return None;
                }
            },
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "the log cannot be read for a waiting sender; it is asked again");
                tokio::time::sleep(AGAIN_AFTER).await;
                continue;
            }
        }
        match tokio::time::timeout(LOOK_EVERY, watch.changed()).await {
            // Nobody told of a change: it is looked at all the same.
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(_)) => {
                tokio::time::sleep(AGAIN_AFTER).await;
                watch = log.watch_key(&key);
            }
        }
    }
}
