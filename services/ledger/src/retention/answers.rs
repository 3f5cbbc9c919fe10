//! Answers for senders that waited: each is kept for the duplicate window, in which its message may be sent again.
//!
//! They are looked at in parts by the first digits of their keys, a bounded number a run, so that millions of them are
//! neither listed nor read at once.

use std::sync::Arc;

use barid_log::{Key, Log, LogError};
use barid_model::Timestamp;
use barid_model::record::{AnswerRecord, Record as _};
use futures_util::future::try_join_all;

/// Answers looked at in one run; more wait for the next.
const LOOKED_MAX: usize = 20_000;
/// Answers removed at a time: one group commit.
const AT_ONCE: usize = 64;

/// Which part comes next.
#[derive(Default)]
pub(super) struct Answers {
    part: u8,
}

impl Answers {
    /// Removes answers from before a time, in as many parts as one run may look at.
    pub(super) async fn run(&mut self, log: &Arc<dyn Log>, before: Timestamp) -> Result<(), LogError> {
        let mut looked = 0;
        for _ in 0..=u8::MAX {
            let keys = log.keys(&format!("answer.{:02x}", self.part)).await?;
            looked += keys.len();
            for some in keys.chunks(AT_ONCE) {
                try_join_all(some.iter().map(|key| remove(log, key, before))).await?;
            }
            self.part = self.part.wrapping_add(1);
            if looked >= LOOKED_MAX {
                break;
            }
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
