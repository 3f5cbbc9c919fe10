//! The writers of one partition: OUT of every destination, ROUTED, and IN for chained messages.
//!
//! A new owner reads the last record of a subject before it writes there. Its source tells all that was written
//! before, so a rerun skips what is already there: nothing goes out twice or in another order, without an atomic batch.

use std::collections::HashMap;
use std::sync::Arc;

use barid_log::{Entry, Log, LogError, Subject, Ticket, Writer};
use barid_model::record::{InRecord, Intake, OutRecord, Record as _, RecordError, RoutedRecord, Source};
use barid_model::{Name, Partition};
use bytes::Bytes;

use crate::fanout::Fanout;
use crate::subject;

/// Writing outputs failed.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The log refused or failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The last record of a subject cannot be read, so what is there already is not known.
    #[error("last record of {subject} cannot be read: {source}")]
    Last {
        /// The subject.
        subject: Subject,
        /// Why.
        source: RecordError,
    },
}

struct Output {
    writer: Writer,
    written: Option<Source>,
    waiting: Vec<Bytes>,
    /// Somebody reads it to go on with the message.
    goes_on: bool,
}

/// Collects the outputs of a batch of messages and appends them, a subject at a time.
pub struct Outputs {
    log: Arc<dyn Log>,
    partition: Partition,
    subjects: HashMap<Subject, Output>,
    /// Subjects in the order of their first use, so that appends are queued in a stable order.
    order: Vec<Subject>,
    /// Names made before: of OUT by destination, and the other two.
    outs: HashMap<Name, Subject>,
    routed: Subject,
    chained: Subject,
    /// What was queued for other channels and not asked for yet.
    handed_on: HashMap<Name, u64>,
}

type Reads = fn(Bytes) -> Result<Option<Source>, RecordError>;

impl Outputs {
    /// The outputs of a partition.
    ///
    /// # Errors
    /// None in practice.
    pub fn new(log: Arc<dyn Log>, partition: Partition) -> Result<Self, LogError> {
        let (routed, chained) = (subject::routed(partition)?, subject::intake(partition, Intake::Chained)?);
        let (subjects, outs) = (HashMap::new(), HashMap::new());
        let handed_on = HashMap::new();
        Ok(Self { log, partition, subjects, order: Vec::new(), outs, routed, chained, handed_on })
    }

    /// OUT of a destination.
    fn out(&mut self, destination: &Name) -> Result<Subject, LogError> {
        if let Some(subject) = self.outs.get(destination) {
            return Ok(subject.clone());
        }
        let subject = subject::out(destination, self.partition)?;
        self.outs.insert(destination.clone(), subject.clone());
        Ok(subject)
    }

    /// Adds the outputs of one message to the batch, but for those that are there already.
    ///
    /// # Errors
    /// [`OutputError`]; the batch must then be dropped with this value and begun anew from the commit.
    pub async fn add(&mut self, fanout: &mut Fanout) -> Result<(), OutputError> {
        for out in &fanout.outs {
            let subject = self.out(&out.destination)?;
            let reads: Reads = |b| OutRecord::decode(b).map(|r| Some(r.source));
            let place = self.push(subject, out.source, || out.encode(), reads).await?;
            if let Some(delivery) = fanout.routed.deliveries.iter_mut().find(|delivery| delivery.id == out.id) {
                delivery.out = place;
            }
        }
        for chained in &fanout.chained {
            let Some(source) = chained.source else { continue };
            let subject = self.chained.clone();
            let reads: Reads = |b| InRecord::decode(b).map(|r| r.source);
            let written = self.push(subject, source, || chained.encode(), reads).await?;
            if let (Some(_), Some(channel)) = (written, &chained.envelope.channel) {
                *self.handed_on.entry(channel.clone()).or_default() += 1;
            }
        }
        let (routed, subject) = (&fanout.routed, self.routed.clone());
        let reads: Reads = |b| RoutedRecord::decode(b).map(|r| Some(r.source));
        self.push(subject, routed.source, || routed.encode(), reads).await?;
        Ok(())
    }

    /// Queues what was added; each ticket ends when its part is durable. What nobody waits for is queued first: where subjects share a queue, the rest takes it with
    /// it, and where they do not, it waits for company. `awaited`: somebody waits for all of it.
    ///
    /// # Errors
    /// As [`Outputs::add`].
    pub async fn append(&mut self, awaited: bool) -> Result<Vec<Ticket>, OutputError> {
        let mut tickets = Vec::new();
        for goes_on in [false, true] {
            for subject in &self.order {
                let next = |output: &&mut Output| output.goes_on == goes_on && !output.waiting.is_empty();
                let Some(output) = self.subjects.get_mut(subject).filter(next) else { continue };
                let records = std::mem::take(&mut output.waiting);
                let appended = if goes_on || awaited {
                    output.writer.append(records).await?
                } else {
                    output.writer.append_later(records).await?
                };
                tickets.push(appended);
            }
        }
        Ok(tickets)
    }

    /// How many messages were queued for each other channel since this was asked last.
    pub fn handed_on(&mut self) -> HashMap<Name, u64> {
        std::mem::take(&mut self.handed_on)
    }

    /// Adds a record, and gives the place it will have; none where it is there already.
    async fn push(
        &mut self,
        subject: Subject,
        source: Source,
        encode: impl FnOnce() -> Bytes,
        reads: Reads,
    ) -> Result<Option<u64>, OutputError> {
        if !self.subjects.contains_key(&subject) {
            let (writer, last) = Writer::open(Arc::clone(&self.log), subject.clone()).await?;
            let written = source_of(&subject, last, reads)?;
            self.order.push(subject.clone());
            let goes_on = subject != self.routed;
            self.subjects.insert(subject.clone(), Output { writer, written, waiting: Vec::new(), goes_on });
        }
        if let Some(output) = self.subjects.get_mut(&subject)
            && !output.written.is_some_and(|written| written.covers(&source))
        {
            output.waiting.push(encode());
            output.written = Some(source);
            return Ok(Some(output.writer.last().plus(output.waiting.len() as u64).0));
        }
        Ok(None)
    }
}

fn source_of(subject: &Subject, last: Option<Entry>, reads: Reads) -> Result<Option<Source>, OutputError> {
    last.map_or(Ok(None), |entry| {
        reads(entry.record).map_err(|source| OutputError::Last { subject: subject.clone(), source })
    })
}
