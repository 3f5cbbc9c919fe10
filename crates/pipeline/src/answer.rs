//! The answer for a sender that waits: one value under the key of its message, in the log.

use std::sync::Arc;

use barid_log::{Log, LogError, Revision};
use barid_model::record::{ANSWER_BYTES_MAX, Answer, AnswerRecord, Record as _};
use barid_model::{Digest, Payload};

use crate::subject;

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
