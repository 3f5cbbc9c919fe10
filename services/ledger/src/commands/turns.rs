//! Who decides on a message that was set aside before routing: nobody owns it, so of several ledgers of a mesh each could make
//! a message of it at the same moment.
//!
//! Who decides first writes a key of the log by compare-and-set, with what the message is run again as, and leaves it there:
//! one who chose before that was known is refused. What was begun and not carried out, because the process ended, still waits
//! for a person. It may be taken over once it is certain that nothing of it comes any more: the one who began does not go on
//! after [`WITHIN`], and what it had appended by then is in the log before [`OVER_AFTER`]. Times are each process's own.
//!
//! What remains: a process frozen between its last look and its append. What it makes has the identity that the key says, as
//! has what is made after it, so that receivers and the history know it as the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use barid_log::{Key, Log, LogError, Revision};
use barid_model::MessageUid;
use barid_pipeline::subject;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::acting::Why;

/// In which time what was begun has to reach the log, or is not done.
const WITHIN: Duration = Duration::from_secs(10);
/// After which nothing of it comes any more: beyond that time, an append is decided within 15 s.
const OVER_AFTER: Duration = Duration::from_secs(45);
/// Begun decisions that are remembered; beyond that the oldest waits anew.
const REMEMBERED_MAX: usize = 10_000;

/// A decision, as it stands in the log.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Begun {
    /// What the message is run again as; none where it is given up.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    child: Option<MessageUid>,
}

/// The decisions of others, as this process has met them.
#[derive(Default)]
pub(super) struct Turns {
    seen: HashMap<Key, (Revision, Instant)>,
}

/// A decision that is this process's to carry out.
pub(super) struct Turn {
    /// What the message is to be run again as.
    pub(super) child: Option<MessageUid>,
    begun: Instant,
}

impl Turns {
    /// Begins to decide on a message that was seen to wait at `chosen`.
    pub(super) async fn begin(
        &mut self,
        log: &Arc<dyn Log>,
        message: MessageUid,
        child: Option<MessageUid>,
        chosen: Instant,
    ) -> Result<Turn, Why> {
        let failed = |error: LogError| error.to_string();
        let key = subject::decided(message).map_err(failed)?;
        let begun = Instant::now();
        let actual = match log.put(&key, Revision::NONE, value(child)?).await {
            Ok(revision) => {
                self.saw(key, revision);
                return Ok(Turn { child, begun });
            }
            Err(LogError::WrongRevision { actual, .. }) => actual,
            Err(error) => return Err(error.to_string()),
        };
        let busy = || {
            "somebody decides on it right now, maybe at another ledger: look again; what was cut off can be decided on \
             a minute later"
                .to_owned()
        };
        let since = self.saw(key.clone(), actual);
        // It waited still when that had long been over.
        if chosen.saturating_duration_since(since) < OVER_AFTER {
            return Err(busy());
        }
        let Some((revision, before)) = log.get(&key).await.map_err(failed)? else { return Err(busy()) };
        let before: Begun = serde_json::from_slice(&before).unwrap_or_default();
        let child = child.map(|new| before.child.unwrap_or(new));
        let begun = Instant::now();
        if revision != actual {
            return Err(busy());
        }
        match log.put(&key, revision, value(child)?).await {
            Ok(revision) => {
                self.saw(key, revision);
                Ok(Turn { child, begun })
            }
            Err(LogError::WrongRevision { .. }) => Err(busy()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Since when a key is known to be as it is.
    fn saw(&mut self, key: Key, revision: Revision) -> Instant {
        let now = Instant::now();
        if self.seen.len() >= REMEMBERED_MAX && !self.seen.contains_key(&key) {
            let oldest = self.seen.iter().min_by_key(|(_, (_, since))| *since).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.seen.remove(&oldest);
            }
        }
        let seen = self.seen.entry(key).or_insert((revision, now));
        if seen.0 != revision {
            *seen = (revision, now);
        }
        seen.1
    }
}

impl Turn {
    /// Whether it may still be carried out: to be asked just before.
    pub(super) fn in_time(&self) -> Result<(), Why> {
        if self.begun.elapsed() < WITHIN { Ok(()) } else { Err("it took too long: try again in a minute".to_owned()) }
    }
}

fn value(child: Option<MessageUid>) -> Result<Bytes, Why> {
    serde_json::to_vec(&Begun { child }).map(Bytes::from).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use barid_log::memory::MemoryLog;
    use barid_model::Timestamp;

    use super::*;

    fn uid(second: i64) -> MessageUid {
        MessageUid::new(Timestamp::from_millis(1_795_341_600_000 + second * 1_000))
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_ledgers_one_decides_and_what_is_cut_off_is_taken_over_as_the_same_message() {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
        let (mut one, mut two) = (Turns::default(), Turns::default());
        let (message, first, second) = (uid(0), uid(1), uid(2));
        let turn = one.begin(&log, message, Some(first), Instant::now()).await.unwrap();
        assert_eq!(turn.child, Some(first));
        turn.in_time().unwrap();
        assert!(two.begin(&log, message, Some(second), Instant::now()).await.is_err());
        assert!(two.begin(&log, message, None, Instant::now()).await.is_err(), "nor is it given up meanwhile");
        assert!(two.begin(&log, uid(9), None, Instant::now()).await.is_ok(), "another message is another matter");
        tokio::time::advance(WITHIN).await;
        assert!(turn.in_time().is_err(), "who began goes no further");
        let chosen = Instant::now();
        tokio::time::advance(OVER_AFTER).await;
        assert!(two.begin(&log, message, Some(second), chosen).await.is_err(), "what came meanwhile was not looked at");
        let turn = two.begin(&log, message, Some(second), Instant::now()).await.unwrap();
        assert_eq!(turn.child, Some(first), "what the first may have made is the same message");
        assert!(one.begin(&log, message, Some(first), Instant::now()).await.is_err(), "it is another's now");
    }

    #[test]
    fn what_is_remembered_of_others_is_bounded() {
        let mut turns = Turns::default();
        for number in 0..REMEMBERED_MAX + 10 {
            turns.saw(Key::new(format!("decided.{number}")).unwrap(), Revision(1));
        }
        assert_eq!(turns.seen.len(), REMEMBERED_MAX);
    }
}
