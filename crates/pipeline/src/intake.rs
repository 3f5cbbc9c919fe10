//! The writing side of IN: the one writer of each partition's subject, shared by all that may bring a message in.
//!
//! Listeners, replays and edits call [`Intake::submit`]. It ends when the message has its place in the order, so that a
//! connection can go on to its next frame; the ticket it gives ends when the message is durable, and only then may the
//! sender be acknowledged (G1). After a failed or unknown append the subject is settled before the next one.

use std::sync::Arc;

use barid_log::{Log, LogError, Position, Ticket, Writer};
use barid_model::record::{InRecord, Intake as Which, Record as _};
use barid_model::{Partition, Partitions};
use tokio::sync::Mutex;

use crate::subject;

/// Where a message was put.
#[derive(Debug)]
pub struct Submitted {
    /// Its partition.
    pub partition: Partition,
    /// Ends when it is durable, with its position.
    pub ticket: Ticket,
}

/// The one writer of IN in this process.
pub struct Intake {
    partitions: Partitions,
    writers: Vec<Mutex<Writer>>,
}

impl Intake {
    /// Takes over IN of all partitions.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub async fn open(log: &Arc<dyn Log>, partitions: Partitions) -> Result<Self, LogError> {
        let mut writers = Vec::with_capacity(usize::from(partitions.count()));
        for partition in partitions.all() {
            let subject = subject::intake(partition, Which::Received)?;
            writers.push(Mutex::new(Writer::open(Arc::clone(log), subject).await?.0));
        }
        Ok(Self { partitions, writers })
    }

    /// Queues a message in its facility's partition.
    ///
    /// # Errors
    /// As [`Writer::append`]; nothing is stored then.
    pub async fn submit(&self, record: &InRecord) -> Result<Submitted, LogError> {
        let partition = self.partitions.of(&record.envelope.facility.name);
        let writer = self.writers.get(usize::from(partition.0));
        let mut writer = writer.ok_or_else(|| LogError::Busy("no such partition".into()))?.lock().await;
        let bytes = record.encode();
        let ticket = match writer.append(vec![bytes.clone()]).await {
            Err(LogError::Unsettled(_)) => {
                writer.settle().await?;
                writer.append(vec![bytes]).await?
            }
            other => other?,
        };
        Ok(Submitted { partition, ticket })
    }

    /// The last position of a partition that this writer knows, appends in flight included.
    pub async fn last(&self, partition: Partition) -> Position {
        match self.writers.get(usize::from(partition.0)) {
            Some(writer) => writer.lock().await.last(),
            None => Position::START,
        }
    }
}
