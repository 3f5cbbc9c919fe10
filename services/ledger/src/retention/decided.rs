//! Decisions on messages that were set aside before routing: kept while the log holds messages of their time. Once a message is
//! given back, all histories know what was decided on it.

use std::sync::Arc;
use std::time::Duration;

use barid_log::{Log, LogError};
use barid_model::{MessageUid, Timestamp};
use barid_pipeline::subject::DECIDED;

/// A command that was begun before a message was given back is long over.
const MARGIN: Duration = Duration::from_secs(3_600);

/// Forgets decisions on messages from before the oldest that the log holds; how many.
pub(super) async fn forget(log: &Arc<dyn Log>, oldest: Timestamp) -> Result<usize, LogError> {
    let mut forgotten = 0;
    for key in log.keys(DECIDED).await? {
        let message = key.as_str().strip_prefix(DECIDED).and_then(MessageUid::read);
        if message.is_none_or(|message| received(message).plus(MARGIN) >= oldest) {
            continue;
        }
        let Some((revision, _)) = log.get(&key).await? else { continue };
        match log.delete(&key, revision).await {
            Ok(()) => forgotten += 1,
            // Somebody decides on it still.
            Err(LogError::WrongRevision { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(forgotten)
}

/// When a message was received, as its identity says: to the millisecond.
fn received(message: MessageUid) -> Timestamp {
    let millis = message.as_bytes().iter().take(6).fold(0, |millis, byte| (millis << 8) | i64::from(*byte));
    Timestamp::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use barid_log::Revision;
    use barid_log::memory::MemoryLog;
    use barid_pipeline::subject;

    use super::*;

    #[tokio::test]
    async fn decisions_go_with_the_messages_of_their_time() {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
        let begin = Timestamp::from_millis(1_795_341_600_000);
        for hour in 0..10_u32 {
            let message = MessageUid::new(begin.plus(MARGIN * hour));
            assert_eq!(received(message), begin.plus(MARGIN * hour));
            let key = subject::decided(message).unwrap();
            log.put(&key, Revision::NONE, bytes::Bytes::from_static(b"{}")).await.unwrap();
        }
        assert_eq!(forget(&log, begin).await.unwrap(), 0);
        assert_eq!(forget(&log, begin.plus(MARGIN * 5)).await.unwrap(), 4);
        assert_eq!(log.keys(DECIDED).await.unwrap().len(), 6);
    }
}
