//! Refused messages, kept apart up to a bound so that a person can see why: never in anybody's way.
//!
//! Several processes write them, so they go the way of [`Joint`]: in appends that are stored whole or not at all. While the
//! log is away those at hand wait for it, up to the bound; of more only the count is known.

use std::sync::Arc;
use std::time::Duration;

use barid_log::{Log, LogError, Position};
use barid_model::record::{Record as _, RefusedRecord};
use barid_pipeline::{Joint, subject};
use bytes::Bytes;
use tokio::sync::mpsc;

/// Refusals that may wait to be written; more are only counted.
const WAITING: usize = 1_024;
/// Refusals kept: as many as the ledger shows.
const KEPT: u64 = 100_000;
/// Refusals taken at once.
const BATCH: usize = 256;
/// Wait before they are written again where the log was away.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Where listeners leave what they refused.
#[derive(Clone)]
pub struct Refusals(mpsc::Sender<RefusedRecord>);

impl Refusals {
    /// The sender and the task that writes, until nobody is left to send or the log has failed for good.
    pub fn new(log: Arc<dyn Log>) -> (Self, impl Future<Output = Result<(), LogError>> + Send) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), write(log, receiver))
    }

    /// Keeps a refusal if there is room.
    pub fn keep(&self, record: RefusedRecord) {
        if self.0.try_send(record).is_err() {
            tracing::debug!("a refused message is not kept: too many at once");
        }
    }
}

async fn write(log: Arc<dyn Log>, mut receiver: mpsc::Receiver<RefusedRecord>) -> Result<(), LogError> {
    let subject = subject::refused()?;
    let joint = Joint::new(Arc::clone(&log), subject.clone());
    let mut batch = Vec::new();
    while receiver.recv_many(&mut batch, BATCH).await > 0 {
        let mut records: Vec<Bytes> = batch.drain(..).map(|record| record.encode()).collect();
        let mut last = None;
        loop {
            records = append(&joint, records, &mut last).await?;
            if records.is_empty() {
                break;
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        let Some(last) = last else { continue };
        if let Err(error) = log.trim(&subject, Position(last.0.saturating_sub(KEPT))).await {
            // The next trim takes it too.
            tracing::debug!(%error, "refused messages are not trimmed");
        }
    }
    Ok(())
}

/// Appends them; those that the log could not take for now.
async fn append(joint: &Joint, records: Vec<Bytes>, last: &mut Option<Position>) -> Result<Vec<Bytes>, LogError> {
    let mut answers = Vec::with_capacity(records.len());
    for record in records {
        answers.push((joint.submit(record.clone()).await?, record));
    }
    let mut again = Vec::new();
    for (answer, record) in answers {
        match answer.await.unwrap_or_else(|_| Err(LogError::Busy("closed".into()))) {
            Ok(position) => *last = Some(position),
            Err(error @ LogError::Failed(_)) => return Err(error),
            Err(LogError::Busy(_)) => again.push(record),
            // Without space refusals are not kept; custody is not concerned.
            Err(error) => tracing::debug!(%error, "a refused message is not kept"),
        }
    }
    Ok(again)
}

#[cfg(test)]
mod tests;
