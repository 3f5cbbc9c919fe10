//! Reading a subject to its end and then waiting for more.
//!
//! A reader holds nothing but its next position, so it may be dropped and made again anywhere. What it has read is not committed: the owner does that with
//! `put`, when what follows from it is durable.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{Batch, Log, LogError, Position, ReadLimit, Subject};

/// Reads one subject in order.
pub struct Reader {
    log: Arc<dyn Log>,
    subject: Subject,
    next: Position,
    changed: watch::Receiver<Position>,
}

impl Reader {
    /// Starts at `from`.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, subject: Subject, from: Position) -> Self {
        let changed = log.changed(&subject);
        Self { log, subject, next: from.max(Position(1)), changed }
    }

    /// Where the next batch begins.
    #[must_use]
    pub fn position(&self) -> Position {
        self.next
    }

    /// What is there now; an empty batch at the end.
    ///
    /// # Errors
    /// As [`Log::read`]; the reader stays where it was.
    pub async fn poll(&mut self, limit: ReadLimit) -> Result<Batch, LogError> {
        let batch = self.log.read(&self.subject, self.next, limit).await?;
        self.next = batch.next;
        Ok(batch)
    }

    /// The next batch, waiting for one at the end of the subject. Dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`Log::read`], and `Busy` when the log has been closed.
    pub async fn next(&mut self, limit: ReadLimit) -> Result<Batch, LogError> {
        loop {
            if *self.changed.borrow_and_update() >= self.next {
                return self.poll(limit).await;
            }
            if self.changed.changed().await.is_err() {
                return Err(LogError::Busy("closed".into()));
            }
        }
    }
}
