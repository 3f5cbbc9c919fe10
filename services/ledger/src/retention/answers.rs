//! Answers for senders that waited: each is kept for the duplicate window, in which its message may be sent again.
//!
//! They are looked at once an hour, in parts by the first digit of their keys and a bounded number a run, so that millions of
//! them are neither listed nor read at once. A listing is a walk over all of them where the log is over a network.

use std::sync::Arc;
use std::time::Duration;

use barid_log::{Key, Log, LogError};
use barid_model::Timestamp;
use barid_model::record::{AnswerRecord, Record as _};
use futures_util::future::try_join_all;

/// Answers looked at in one run; more wait for the next.
const LOOKED_MAX: usize = 20_000;
/// Answers removed at a time: one group commit.
const AT_ONCE: usize = 64;
/// Parts: the first digit of a key's hash.
const PARTS: u8 = 16;
/// Time from the beginning of one look at all of them to the next.
const EVERY: Duration = Duration::from_secs(3_600);

/// How far that has come.
#[derive(Default)]
pub(super) struct Answers {
    begun: Option<Timestamp>,
    part: u8,
    left: Vec<Key>,
}

impl Answers {
    /// Removes answers from before a time, as many as one run may look at.
    pub(super) async fn run(&mut self, log: &Arc<dyn Log>, now: Timestamp, before: Timestamp) -> Result<(), LogError> {
        let mut looked = 0;
        while looked < LOOKED_MAX {
            if self.left.is_empty() {
                if self.part == 0 {
                    if self.begun.is_some_and(|begun| now.since(begun) < EVERY) {
                        return Ok(());
                    }
                    self.begun = Some(now);
                }
                self.left = log.keys(&format!("answer.{:x}", self.part)).await?;
                self.part = (self.part + 1) % PARTS;
            }
            let some = self.left.split_off(self.left.len().saturating_sub(AT_ONCE));
            looked += some.len();
            try_join_all(some.iter().map(|key| remove(log, key, before))).await?;
        }
        Ok(())
    }
}

async fn remove(log: &Arc<dyn Log>, key: &Key, before: Timestamp) -> Result<(), LogError> {
    let Some((revision, bytes)) = log.get(key).await? else { return Ok(()) };
    // One that cannot be read answers nobody.
    let old = AnswerRecord::decode(bytes).map_or(true, |answer| answer.at < before);
    if !old {
        return Ok(());
    }
    match log.delete(key, revision).await {
        // Written again meanwhile: it is not old any more.
        Err(LogError::WrongRevision { .. }) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use barid_log::Revision;
    use barid_log::memory::MemoryLog;
    use barid_model::record::Answer;
    use barid_model::{Digest, Outcome};
    use barid_pipeline::subject;

    use super::*;

    const BEGIN: Timestamp = Timestamp::from_millis(1_795_341_600_000);

    #[tokio::test]
    async fn answers_go_when_their_message_can_no_longer_be_sent_again() {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
        let put = async |number: u32| {
            let at = BEGIN.plus(EVERY * number);
            let answer =
                AnswerRecord { outcome: Outcome::Delivered, at, answer: Answer::default(), findings: Vec::new() };
            let key = subject::answer(Digest::of(&number.to_be_bytes())).unwrap();
            log.put(&key, Revision::NONE, answer.encode()).await.unwrap();
        };
        for number in 0..200 {
            put(number).await;
        }
        let left = async || log.keys("answer.").await.unwrap().len();
        let mut answers = Answers::default();
        answers.run(&log, BEGIN, BEGIN.plus(EVERY * 50)).await.unwrap();
        assert_eq!(left().await, 150);
        answers.run(&log, BEGIN.plus(EVERY / 2), BEGIN.plus(EVERY * 100)).await.unwrap();
        assert_eq!(left().await, 150, "not before the hour is over");
        answers.run(&log, BEGIN.plus(EVERY), BEGIN.plus(EVERY * 100)).await.unwrap();
        assert_eq!(left().await, 100);
    }
}
