//! Refused messages, kept apart up to a bound so that a person can see why: never in anybody's way.

use std::sync::Arc;

use barid_log::{Log, LogError, Position, Writer};
use barid_model::record::{Record as _, RefusedRecord};
use barid_pipeline::subject;
use bytes::Bytes;
use tokio::sync::mpsc;

/// Refusals that may wait to be written; more are only counted.
const WAITING: usize = 1_024;
/// Refusals kept: as many as the ledger shows.
const KEPT: u64 = 100_000;
/// Refusals written at once.
const BATCH: usize = 256;

/// Where listeners leave what they refused.
#[derive(Clone)]
pub struct Refusals(mpsc::Sender<RefusedRecord>);

impl Refusals {
    /// The sender and the task that writes.
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
    let (mut writer, _) = Writer::open(Arc::clone(&log), subject.clone()).await?;
    let mut batch = Vec::new();
    while receiver.recv_many(&mut batch, BATCH).await > 0 {
        let records: Vec<Bytes> = batch.drain(..).map(|record| record.encode()).collect();
        let mut appended = writer.append_durable(records.clone()).await;
        while let Err(LogError::WrongLast { .. }) = appended {
            // Another process was faster.
            (writer, _) = Writer::open(Arc::clone(&log), subject.clone()).await?;
            appended = writer.append_durable(records.clone()).await;
        }
        match appended {
            Ok(last) => log.trim(&subject, Position(last.0.saturating_sub(KEPT))).await?,
            // Without space refusals are not kept; custody is not concerned.
            Err(error @ LogError::Failed(_)) => return Err(error),
            Err(error) => {
                tracing::debug!(%error, "refused messages are not kept");
                // Where another process went on meanwhile, the next append finds it.
                drop(writer.settle().await);
            }
        }
    }
    Ok(())
}
