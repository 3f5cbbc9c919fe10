//! The writing side of IN, shared by all that may bring a message in: the one writer of each partition's subject, or one of
//! several processes that write it together.
//!
//! Listeners, replays and edits call [`Intake::submit`]. It ends when the message has its place in the order, so that a
//! connection can go on to its next frame; the ticket it gives ends when the message is durable, and only then may the
//! sender be acknowledged (G1). After a failed or unknown append the subject is settled before the next one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use barid_log::{Log, LogError, Position, Ticket, Writer};
use barid_model::record::{InRecord, Intake as Which, Record as _};
use barid_model::{Partition, Partitions};
use bytes::Bytes;
use tokio::sync::Mutex;

use crate::joint::{Answer, Chain, Joint};
use crate::subject;

/// Where a message was put.
#[derive(Debug)]
pub struct Submitted {
    /// Its partition.
    pub partition: Partition,
    /// Ends when it is durable, with its position.
    pub ticket: Durable,
}

/// Ends when a message is durable, with its position in the partition.
#[derive(Debug)]
pub enum Durable {
    /// Written by the only writer.
    Sole(Ticket),
    /// Written together with other processes.
    Joint(Answer),
}

impl Durable {
    /// Where it stands if it becomes durable; not known before where other processes write as well.
    #[must_use]
    pub fn place(&self) -> Option<Position> {
        match self {
            Self::Sole(ticket) => Some(ticket.last()),
            Self::Joint(_) => None,
        }
    }
}

impl Future for Durable {
    type Output = Result<Position, LogError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Sole(ticket) => Pin::new(ticket).poll(cx),
            Self::Joint(answer) => Pin::new(answer).poll(cx).map(|answer| {
                answer.unwrap_or_else(|_| Err(LogError::Unknown("the process ended before it was answered".into())))
            }),
        }
    }
}

enum Way {
    Sole(Box<Mutex<Writer>>),
    Joint(Joint),
}

/// IN, as this process writes it.
pub struct Intake {
    partitions: Partitions,
    ways: Vec<Way>,
}

impl Intake {
    /// Takes over IN of all partitions: nobody else may write it.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub async fn open(log: &Arc<dyn Log>, partitions: Partitions) -> Result<Self, LogError> {
        let mut ways = Vec::with_capacity(usize::from(partitions.count()));
        for partition in partitions.all() {
            let subject = subject::intake(partition, Which::Received)?;
            ways.push(Way::Sole(Box::new(Mutex::new(Writer::open(Arc::clone(log), subject).await?.0))));
        }
        Ok(Self { partitions, ways })
    }

    /// Writes IN together with other processes.
    ///
    /// # Errors
    /// None in practice: names of partitions are made of digits.
    pub fn joint(log: &Arc<dyn Log>, partitions: Partitions) -> Result<Self, LogError> {
        let way = |partition| Ok(Way::Joint(Joint::new(Arc::clone(log), subject::intake(partition, Which::Received)?)));
        Ok(Self { partitions, ways: partitions.all().map(way).collect::<Result<_, LogError>>()? })
    }

    /// Queues a message in its facility's partition.
    ///
    /// # Errors
    /// As [`Writer::append`]; nothing is stored then.
    pub async fn submit(&self, record: &InRecord) -> Result<Submitted, LogError> {
        self.submit_in(record, None).await
    }

    /// The same of one that must not be stored where one before it in its chain was not: it would overtake it.
    ///
    /// # Errors
    /// As [`Intake::submit`].
    pub async fn submit_in(&self, record: &InRecord, chain: Option<&Chain>) -> Result<Submitted, LogError> {
        chain.map_or(Ok(()), Chain::whole)?;
        let partition = self.partitions.of(&record.envelope.facility.name);
        let bytes = record.encode();
        let ticket = match self.ways.get(usize::from(partition.0)) {
            Some(Way::Sole(writer)) => Durable::Sole(append(&mut *writer.lock().await, bytes).await?),
            Some(Way::Joint(joint)) => Durable::Joint(joint.submit_in(bytes, chain).await?),
            None => return Err(LogError::Busy("no such partition".into())),
        };
        Ok(Submitted { partition, ticket })
    }
}

async fn append(writer: &mut Writer, bytes: Bytes) -> Result<Ticket, LogError> {
    match writer.append(vec![bytes.clone()]).await {
        Err(LogError::Unsettled(_)) => {
            writer.settle().await?;
            writer.append(vec![bytes]).await
        }
        other => other,
    }
}
