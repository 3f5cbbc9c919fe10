//! Giving the log's storage back, from the oldest end.
//!
//! IN goes first: what was received before a time, and neither waits for the router, nor is needed by the duplicate
//! judge, nor was set aside before routing and waits for a person, nor has still to be read by a ledger, with what became of
//! it. ROUTED, OUT and OUTCOME follow IN message by message, so that what is left of the log tells each message's way whole. What is
//! left out is noted first, because the last record of a subject stays in any case: a ledger that is rebuilt must not
//! take what has ended for what is under way. PARK is its owner's to trim.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use barid_ledger::Ledger;
use barid_log::{Bounds, Log, LogError, Position, ReadLimit, Subject};
use barid_model::record::{
    InRecord, Intake, OutRecord, OutcomeRecord, Record as _, RecordError, RefusedRecord, RoutedRecord, Source,
};
use barid_model::{Name, Partition, Timestamp};
use barid_pipeline::commit::DeliveryCommit;
use barid_pipeline::commit::RouterCommit;
use barid_pipeline::subject;
use bytes::Bytes;

use super::readers::Readers;
use super::{Keeping, RetentionError};
use crate::trimmed::Trimmed;

/// Records between two looks at a time: what lies between is as old as its neighbours, to some milliseconds.
const STRIDE: u64 = 64;
/// Records beside one that cannot be read that are looked at instead.
const BESIDE: u64 = 16;
/// Looks at one subject in one run: a quarter of a million records.
const LOOKS_MAX: usize = 4_096;
/// Outcomes of one destination that are looked at in one run.
const OUTCOMES_MAX: usize = 20_000;

/// The first position that is kept of both IN subjects of each partition.
type Kept = HashMap<Partition, (u64, u64)>;
/// The first position that is kept of OUT, by destination and partition.
type KeptOut = BTreeMap<Name, HashMap<Partition, u64>>;

/// What the histories still need.
#[derive(Debug, Default)]
pub(super) struct Bound {
    /// By subject: all of them have read up to here.
    pub(super) read: HashMap<String, u64>,
    /// The first message of a subject that waits for a person before routing.
    waiting: HashMap<String, u64>,
}

impl Bound {
    /// As it is now.
    pub(super) async fn of(keeping: &Keeping, readers: &mut Readers, now: Timestamp) -> Result<Self, RetentionError> {
        let ledger: Arc<dyn Ledger> = Arc::clone(&keeping.ledger);
        let asked = tokio::task::spawn_blocking(move || {
            // What waits is asked for after the positions, so that it is no older than they are.
            let read: HashMap<String, u64> = ledger.positions()?.into_iter().collect();
            Ok::<_, barid_ledger::LedgerError>((read, ledger.set_aside()?))
        });
        let (mut read, waiting) = asked.await??;
        readers.least(&keeping.log, now, &mut read).await?;
        Ok(Self { read, waiting: waiting.into_iter().map(|place| (place.subject, place.position)).collect() })
    }
}

/// What the first kept record of a subject was made from, where it was to be kept: it need not be read again until that goes.
#[derive(Debug, Default)]
pub(super) struct Looked {
    sources: HashMap<Subject, (u64, Source)>,
    outcomes: HashMap<Name, (Partition, u64)>,
}

/// Trims everything that was received before a time, as long as this process `may`.
pub(super) async fn trim(
    keeping: &Keeping,
    bound: Bound,
    before: Timestamp,
    looked: &mut Looked,
    may: &(dyn Fn() -> bool + Sync),
) -> Result<(), RetentionError> {
    let log = &keeping.log;
    let trim = Trim { log, before, bound, may };
    let mut kept = Kept::new();
    for partition in keeping.partitions.all() {
        let commit = RouterCommit::read(log, partition).await?;
        let told = trim.told(partition).await?;
        // The judge reads IN again from where its memory was last written down.
        let received = commit.received.min(commit.remembered).min(told.0);
        let received = trim.intake(partition, Intake::Received, received).await?;
        let chained = trim.intake(partition, Intake::Chained, commit.chained.min(told.1)).await?;
        let now = Trimmed { received: received.1, chained: chained.1, before };
        let now = if now.is_some() { trim.store(now, partition).await? } else { now };
        trim.apply(&subject::intake(partition, Intake::Received)?, received.0, now.received).await?;
        trim.apply(&subject::intake(partition, Intake::Chained)?, chained.0, now.chained).await?;
        kept.insert(partition, (now.received, now.chained));
        trim.routed(partition, (now.received, now.chained), looked).await?;
    }
    for (destination, kept) in trim.outs(&kept, looked).await? {
        trim.outcomes(&destination, &kept, looked).await?;
    }
    trim.refused().await
}

struct Trim<'a> {
    log: &'a Arc<dyn Log>,
    before: Timestamp,
    bound: Bound,
    may: &'a (dyn Fn() -> bool + Sync),
}

impl Trim<'_> {
    fn read(&self, subject: &Subject) -> u64 {
        self.bound.read.get(subject.as_str()).copied().unwrap_or(0)
    }

    async fn store(&self, trimmed: Trimmed, partition: Partition) -> Result<Trimmed, RetentionError> {
        if !(self.may)() {
            return Err(RetentionError::Lost);
        }
        Ok(trimmed.store(self.log, partition).await?)
    }

    /// How far both IN subjects of a partition are routed as far as the histories have read of it: a message that was set aside
    /// is known to be from then on.
    async fn told(&self, partition: Partition) -> Result<(u64, u64), RetentionError> {
        let subject = subject::routed(partition)?;
        let Some(bytes) = self.record(&subject, self.read(&subject)).await? else { return Ok((0, 0)) };
        Ok(RoutedRecord::decode(bytes).map_or((0, 0), |record| {
            let Source { intake, position, other, .. } = record.source;
            match intake {
                Intake::Received => (position, other),
                Intake::Chained => (other, position),
            }
        }))
    }

    async fn record(&self, subject: &Subject, position: u64) -> Result<Option<Bytes>, LogError> {
        let limit = ReadLimit { records: 1, bytes: 1 };
        let batch = self.log.read(subject, Position(position), limit).await?;
        Ok(batch.entries.into_iter().find(|entry| entry.position.0 == position).map(|entry| entry.record))
    }

    /// What a record says that exists; `None` where it cannot be read.
    async fn seen<T>(
        &self,
        subject: &Subject,
        position: u64,
        read: impl Fn(Bytes) -> Result<T, RecordError>,
    ) -> Result<Option<T>, LogError> {
        let limit = ReadLimit { records: 1, bytes: 1 };
        let batch = self.log.read(subject, Position(position), limit).await?;
        if batch.entries.is_empty() && batch.damaged.is_empty() && batch.trimmed_to.is_none() {
            // A server that has not heard of it yet, for one: that says nothing about the record.
            return Err(LogError::Busy(format!("{subject} does not show record {position}").into()));
        }
        let entry = batch.entries.into_iter().find(|entry| entry.position.0 == position);
        Ok(entry.and_then(|entry| read(entry.record).ok()))
    }

    /// The first position of an IN subject, and the first one that is to be kept; what is not `done` is.
    async fn intake(&self, partition: Partition, intake: Intake, done: u64) -> Result<(u64, u64), RetentionError> {
        let subject = subject::intake(partition, intake)?;
        let bounds = self.log.bounds(&subject).await?;
        let waits = self.bound.waiting.get(subject.as_str()).map_or(u64::MAX, |position| position.saturating_sub(1));
        let last = done.min(self.read(&subject)).min(waits);
        let received = |bytes| InRecord::decode(bytes).map(|record| record.envelope.received);
        self.by_time(&subject, bounds, last, received).await
    }

    async fn refused(&self) -> Result<(), RetentionError> {
        let subject = subject::refused()?;
        let bounds = self.log.bounds(&subject).await?;
        let last = self.read(&subject);
        let at = |bytes| RefusedRecord::decode(bytes).map(|record| record.at);
        let (first, kept) = self.by_time(&subject, bounds, last, at).await?;
        self.apply(&subject, first, kept).await
    }

    /// The first position there is, and the first one up to `last` that is not older than the time.
    async fn by_time(
        &self,
        subject: &Subject,
        bounds: Bounds,
        last: u64,
        time: impl Fn(Bytes) -> Result<Timestamp, RecordError>,
    ) -> Result<(u64, u64), RetentionError> {
        let first = bounds.first.0.max(1);
        let last = last.min(bounds.last.0);
        let (mut kept, mut stride) = (first, STRIDE);
        for _ in 0..LOOKS_MAX {
            let look = (kept + stride - 1).min(last);
            let old = look >= kept
                && match self.seen(subject, look, &time).await? {
                    Some(time) => time < self.before,
                    // Nobody can read it, and it says nothing of those before it.
                    None => look == kept,
                };
            if old {
                kept = look + 1;
            } else if stride == 1 || look < kept {
                break;
            } else {
                stride /= 2;
            }
        }
        Ok((first, kept))
    }

    async fn apply(&self, subject: &Subject, first: u64, kept: u64) -> Result<(), RetentionError> {
        if kept > first {
            if !(self.may)() {
                return Err(RetentionError::Lost);
            }
            self.log.trim(subject, Position(kept)).await?;
            tracing::debug!(%subject, records = kept - first, "given back what has had its time");
        }
        Ok(())
    }

    /// Trims ROUTED of the messages that IN no longer has.
    async fn routed(&self, partition: Partition, kept: (u64, u64), looked: &mut Looked) -> Result<(), RetentionError> {
        let subject = subject::routed(partition)?;
        let last = self.read(&subject);
        let source = |bytes| RoutedRecord::decode(bytes).map(|record| record.source);
        self.by_source(&subject, last, kept, looked, source).await?;
        Ok(())
    }

    /// Trims OUT of all destinations; gives what is kept of it.
    async fn outs(&self, kept: &Kept, looked: &mut Looked) -> Result<KeptOut, RetentionError> {
        let mut outs = KeptOut::new();
        let mut commits: BTreeMap<Name, DeliveryCommit> = BTreeMap::new();
        for subject in self.log.subjects("out.").await? {
            let Some((destination, partition)) = parse(&subject) else { continue };
            if !commits.contains_key(&destination) {
                commits.insert(destination.clone(), DeliveryCommit::read(self.log, &destination).await?);
            }
            let done = commits.get(&destination).map_or(0, |commit| commit.position(partition));
            let sources = kept.get(&partition).copied().unwrap_or((0, 0));
            let source = |bytes| OutRecord::decode(bytes).map(|record| record.source);
            let first = self.by_source(&subject, done, sources, looked, source).await?;
            outs.entry(destination).or_default().insert(partition, first);
        }
        Ok(outs)
    }

    /// Trims what was made from messages that IN no longer has, up to `last`; gives the first position that is kept.
    /// A partition's outputs stand in the order of their sources, so the place is found by halving.
    async fn by_source(
        &self,
        subject: &Subject,
        last: u64,
        kept: (u64, u64),
        looked: &mut Looked,
        source: impl Fn(Bytes) -> Result<Source, RecordError>,
    ) -> Result<u64, RetentionError> {
        if let Some((first, source)) = looked.sources.get(subject)
            && !is_gone(*source, kept)
        {
            return Ok(*first);
        }
        looked.sources.remove(subject);
        let bounds = self.log.bounds(subject).await?;
        let first = bounds.first.0.max(1);
        let (mut low, mut high) = (first, last.min(bounds.last.0) + 1);
        while low < high {
            // The first one is looked at first: most often it is still to be kept.
            let middle = if low == first { low } else { low + (high - low) / 2 };
            let found = self.near(subject, middle, high, &source).await?;
            match found {
                Some((at, source)) if is_gone(source, kept) => low = at + 1,
                Some((_, source)) => {
                    looked.sources.insert(subject.clone(), (middle, source));
                    high = middle;
                }
                // Nothing there can be read, nor says what those before it were made from.
                None => high = middle,
            }
        }
        self.apply(subject, first, low).await?;
        Ok(low)
    }

    /// What the first record that can be read was made from, of those from here on.
    async fn near(
        &self,
        subject: &Subject,
        from: u64,
        end: u64,
        source: &impl Fn(Bytes) -> Result<Source, RecordError>,
    ) -> Result<Option<(u64, Source)>, LogError> {
        for at in from..end.min(from.saturating_add(BESIDE)) {
            if let Some(source) = self.seen(subject, at, source).await? {
                return Ok(Some((at, source)));
            }
        }
        Ok(None)
    }

    /// Trims OUTCOME of the deliveries that OUT no longer has.
    async fn outcomes(
        &self,
        destination: &Name,
        kept: &HashMap<Partition, u64>,
        looked: &mut Looked,
    ) -> Result<(), RetentionError> {
        let is_gone = |out: (Partition, u64)| kept.get(&out.0).is_none_or(|kept| out.1 < *kept);
        if looked.outcomes.get(destination).is_some_and(|out| !is_gone(*out)) {
            return Ok(());
        }
        looked.outcomes.remove(destination);
        let subject = subject::outcome(destination)?;
        let bounds = self.log.bounds(&subject).await?;
        let first = bounds.first.0.max(1);
        // The owner reads OUTCOME again from its commit.
        let needed = DeliveryCommit::read(self.log, destination).await?.outcomes;
        let last = self.read(&subject).min(needed.saturating_sub(1)).min(bounds.last.0);
        let (mut next, mut seen) = (first, 0);
        'all: while next <= last && seen < OUTCOMES_MAX {
            let batch = self.log.read(&subject, Position(next), ReadLimit::default()).await?;
            for entry in &batch.entries {
                let out = OutcomeRecord::decode(entry.record.clone()).ok().map(|record| record.out);
                let kept = out.filter(|out| !is_gone(*out));
                if let Some(out) = kept {
                    looked.outcomes.insert(destination.clone(), out);
                }
                if kept.is_some() || entry.position.0 > last {
                    next = entry.position.0;
                    break 'all;
                }
            }
            seen += batch.entries.len();
            if batch.next.0 <= next {
                break;
            }
            next = batch.next.0;
        }
        self.apply(&subject, first, next.min(last + 1).max(first)).await
    }
}

/// Whether everything that a router had come to when it wrote this is gone from IN.
fn is_gone(source: Source, (received, chained): (u64, u64)) -> bool {
    match source.intake {
        Intake::Received => source.position < received && source.other < chained,
        Intake::Chained => source.position < chained && source.other < received,
    }
}

/// The destination and partition of an OUT subject.
fn parse(subject: &Subject) -> Option<(Name, Partition)> {
    let mut parts = subject.as_str().strip_prefix("out.")?.split('.');
    let (namespace, name, partition) = (parts.next()?, parts.next()?, parts.next()?);
    let partition = partition.parse().ok().map(Partition)?;
    parts.next().is_none().then(|| (Name::new(namespace, name), partition))
}

#[cfg(test)]
mod tests;
