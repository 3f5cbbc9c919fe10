//! What a start or a takeover has to know before the first send.
//!
//! OUTCOME above the commit says what has ended, PARK says what stands there. What is left at or below the old send
//! limit may have been sent by the owner before: the first of each lane, since the next is sent only when the record
//! before it is durable. Those are marked as possible duplicates: of each lane the first that stands in OUT and the
//! first in PARK, since which of the two was before the other is not known when they are met.
//!
//! Whose end is not seen here is sent again, and without a mark where another of its lane was met before. So where OUTCOME and
//! PARK end is proven before they are read: a server of the log that was deposed shows less than is stored. OUT is written by
//! its router, whom that would stop; what is not shown of it yet stays in doubt up to the send limit.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use barid_log::{Entry, Log, LogError, Position, ReadLimit, Subject};
use barid_model::record::{OutRecord, OutcomeRecord, ParkEvent, ParkRecord, Parked, Record as _};
use barid_model::{Lane, Lanes, MessageUid, Outcome, Partition};
use barid_pipeline::subject;
use futures_util::future::try_join;

use super::commit::DeliveryCommit;
use super::{Options, Owner, OwnerError};
use crate::parking::Parking;

/// What the owner before left half written.
#[derive(Default)]
pub(super) struct Left {
    /// Positions of PARK that are over and not marked, with the outcome that says so.
    pub(super) over: Vec<(u64, u64)>,
    /// Set aside in PARK, maybe without an outcome.
    pub(super) untold: Vec<(u64, ParkRecord)>,
    /// Outcomes that senders wait for, maybe without their answers.
    pub(super) awaited: Vec<u64>,
}

/// What OUTCOME tells of PARK.
#[derive(Default)]
struct Told {
    over: HashMap<u64, u64>,
    set_aside: HashSet<u64>,
    /// Outcomes that senders wait for; of one that says set aside, with where that stands in PARK.
    awaited: Vec<(u64, Option<u64>)>,
}

/// What the owner before left.
#[derive(Default)]
pub(super) struct Recovered {
    /// Positions above the commit that have ended, with the place of their outcome; [`u64::MAX`] for PARK.
    ended: HashMap<(Partition, u64), u64>,
    /// The send limits it left.
    limits: HashMap<Partition, u64>,
    /// OUT has to be read up to here before anything comes back from PARK: what was in the window may come before it.
    targets: HashMap<Partition, u64>,
    /// Held records of PARK that were let go on.
    released: HashSet<u64>,
    /// The last position of PARK at the start.
    parked: u64,
    /// Whose first message was met since the start, in OUT and in PARK.
    met_in_out: Met,
    met_in_park: Met,
}

/// Lanes and facilities of which a message was met since the start.
#[derive(Default)]
struct Met {
    lanes: HashMap<Lane, usize>,
    facilities: HashSet<Arc<str>>,
}

impl Recovered {
    /// Reads OUTCOME above the commit and all of PARK; also gives what the owner before left half written.
    pub(super) async fn read(
        options: &Options,
        commit: &DeliveryCommit,
        parking: &mut Parking,
    ) -> Result<(Self, Left), OwnerError> {
        let (mut recovered, mut told, mut awaited) = (Self::default(), Told::default(), Vec::new());
        for partition in options.partitions.all() {
            let (limit, out) = (commit.limit(partition), subject::out(&options.destination, partition)?);
            let there = options.log.bounds(&out).await?.last.0.min(limit);
            recovered.limits.insert(partition, if options.fence.is_none() { there } else { limit });
            recovered.targets.insert(partition, there);
        }
        let (outcomes, park) = (subject::outcome(&options.destination)?, subject::park(&options.destination)?);
        // A process that was frozen here would put its proof behind what its successor writes.
        if options.fence.as_ref().is_some_and(|fence| !fence.holds()) {
            return Err(LogError::Busy("the lease is lost".into()).into());
        }
        let (outcomes_end, park_end) =
            try_join(options.log.proven_end(&outcomes), options.log.proven_end(&park)).await?;
        recovered.parked = park_end.0;
        each(&options.log, &outcomes, commit.outcomes, outcomes_end, |entry| {
            let record = OutcomeRecord::decode(entry.record.clone())?;
            if record.outcome.is_some() && record.out.1 > commit.position(record.out.0) {
                recovered.ended.insert(record.out, entry.position.0);
            }
            if record.awaited.is_some() {
                let aside = (record.outcome == Some(Outcome::Quarantined)).then_some(record.park).flatten();
                awaited.push((entry.position.0, aside));
            }
            match (record.outcome, record.park) {
                (None, _) | (_, None) => {}
                (Some(Outcome::Quarantined), Some(park)) => drop(told.set_aside.insert(park)),
                (Some(_), Some(park)) => drop(told.over.insert(park, entry.position.0)),
            }
            Ok(())
        })
        .await?;
        told.awaited = awaited;
        let left = recovered.read_park(options, commit, &told, parking).await?;
        Ok((recovered, left))
    }

    async fn read_park(
        &mut self,
        options: &Options,
        commit: &DeliveryCommit,
        told: &Told,
        parking: &mut Parking,
    ) -> Result<Left, OwnerError> {
        let mut left = Left::default();
        let mut newest: HashMap<(MessageUid, Arc<str>, u32), u64> = HashMap::new();
        let park = subject::park(&options.destination)?;
        let first = options.log.bounds(&park).await?.first.0.max(1);
        parking.begin(first);
        // Only what is needed to end it later is kept, and only until this is done.
        let mut open: HashMap<u64, (Parked, OutRecord)> = HashMap::new();
        let (ended, released, targets) = (&mut self.ended, &mut self.released, &mut self.targets);
        each(&options.log, &park, first, Position(self.parked), |entry| {
            match ParkEvent::decode(entry.record.clone())? {
                ParkEvent::Parked(record) => {
                    let position = entry.position.0;
                    let ParkRecord { why, out, mut delivery, .. } = *record.clone();
                    if why == Parked::Quarantined && position >= commit.parked && !told.set_aside.contains(&position) {
                        left.untold.push((position, *record));
                    }
                    if out.1 > commit.position(out.0) {
                        ended.entry(out).or_insert(u64::MAX);
                        // OUT has at least what was parked of it in its turn, whatever is shown of it.
                        if !matches!(why, Parked::Quarantined | Parked::Rerun) {
                            targets.entry(out.0).and_modify(|there| *there = out.1.max(*there));
                        }
                    }
                    delivery.payload = barid_model::Payload::default();
                    parking.reserve(&delivery, why, out.1);
                    parking.parked(entry.position.0, why, out.1, &delivery);
                    // Parked again, as the same or the next run: the earlier one is over.
                    let key = (delivery.uid, Arc::clone(&delivery.route), delivery.part);
                    left.over.extend(newest.insert(key, position).map(|before| (before, u64::MAX)));
                    open.insert(position, (why, delivery));
                }
                ParkEvent::Ended(position) => {
                    if let Some((why, delivery)) = open.remove(&position) {
                        parking.end(position, why, &delivery);
                    }
                    parking.end_marker(entry.position.0);
                }
                ParkEvent::Released(position) => {
                    parking.release(position);
                    released.insert(position);
                    parking.end_marker(entry.position.0);
                }
                ParkEvent::Held { position, possible_duplicate } => {
                    if possible_duplicate {
                        parking.doubt(position);
                    }
                    if let Some((why, delivery)) = open.get(&position) {
                        parking.hold(position, *why, delivery);
                    }
                    parking.end_marker(entry.position.0);
                }
            }
            Ok(())
        })
        .await?;
        left.over.extend(told.over.iter().map(|(position, outcome)| (*position, *outcome)));
        left.over.retain(|(position, _)| match open.get(position) {
            Some((why, delivery)) => {
                parking.end(*position, *why, delivery);
                true
            }
            None => false,
        });
        left.untold.retain(|(position, _)| open.contains_key(position));
        // What was run again or given up since is not set aside any more, and its sender is not told so once more: the run
        // writes the next answer.
        for (position, _) in &left.over {
            open.remove(position);
        }
        let told = told.awaited.iter().filter(|(_, aside)| aside.is_none_or(|position| open.contains_key(&position)));
        left.awaited = told.map(|(outcome, _)| *outcome).collect();
        // Channels may have been resumed since; those that are not close their lanes again.
        parking.resume();
        Ok(left)
    }

    /// Whether everything that the owner before may have had in its window has been read again.
    pub(super) fn is_read_again(&mut self, read: impl Fn(Partition) -> u64) -> bool {
        self.targets.retain(|partition, target| read(*partition) < *target);
        self.targets.is_empty()
    }

    /// Up to where of a partition the owner before may have sent.
    pub(super) fn limit(&self, partition: Partition) -> u64 {
        self.limits.get(&partition).copied().unwrap_or(0)
    }

    /// What needs nothing any more, with where its outcome stands; no earlier than `outcomes` where only PARK tells it.
    pub(super) fn take_ended(&mut self, outcomes: u64) -> Vec<((Partition, u64), u64)> {
        let ended = std::mem::take(&mut self.ended).into_iter();
        ended.map(|(out, outcome)| (out, if outcome == u64::MAX { outcomes } else { outcome })).collect()
    }

    /// Whether the owner before may have sent this message of OUT.
    pub(super) fn may_have_sent(
        &mut self,
        partition: Partition,
        position: u64,
        record: &OutRecord,
        bound: usize,
    ) -> bool {
        position <= self.limit(partition) && record.set_aside.is_none() && self.met_in_out.is_first(record, bound)
    }

    /// Whether the owner before may have sent this message of PARK.
    pub(super) fn may_have_sent_parked(
        &mut self,
        position: u64,
        why: Parked,
        record: &OutRecord,
        bound: usize,
    ) -> bool {
        // A re-run has no place in the line: it says nothing of who was at the head.
        let held = why == Parked::Held && !self.released.contains(&position);
        position <= self.parked && !held && (why == Parked::Rerun || self.met_in_park.is_first(record, bound))
    }
}

impl Met {
    /// Whether nothing of its lanes was met before it, or too little to have held it back.
    fn is_first(&mut self, record: &OutRecord, bound: usize) -> bool {
        let first = match &record.lanes {
            Lanes::None => true,
            Lanes::Barrier => !self.facilities.contains(&record.facility),
            Lanes::Of(lanes) => lanes.iter().all(|lane| self.lanes.get(lane).copied().unwrap_or(0) < bound),
        };
        if record.lanes != Lanes::None {
            self.facilities.insert(Arc::clone(&record.facility));
        }
        for lane in record.lanes.as_slice() {
            *self.lanes.entry(*lane).or_default() += 1;
        }
        first
    }
}

type Decoded = Result<(), barid_model::record::RecordError>;

/// Every record of a subject from a position on, up to where it ends.
async fn each(
    log: &Arc<dyn Log>,
    subject: &Subject,
    from: u64,
    end: Position,
    mut see: impl FnMut(&Entry) -> Decoded,
) -> Result<(), OwnerError> {
    let mut next = Position(from.max(1));
    while next <= end {
        let batch = log.read(subject, next, ReadLimit::default()).await?;
        for damage in &batch.damaged {
            tracing::error!(place = %damage.place, %subject, "records of a destination's state cannot be read back");
        }
        for entry in &batch.entries {
            see(entry).map_err(|source| OwnerError::Record {
                subject: subject.to_string(),
                position: entry.position.0,
                source,
            })?;
        }
        if batch.next <= next {
            return Err(LogError::Busy(format!("{subject} is shown up to {next} and ends at {end}").into()).into());
        }
        next = batch.next;
    }
    Ok(())
}

impl Owner {
    /// Completes what the owner before left half written; what it had written folds by key.
    pub(super) fn complete(&mut self, left: Left) {
        for (position, outcome) in left.over {
            self.writing.mark(position, outcome);
        }
        for (position, record) in left.untold {
            let ParkRecord { at, out, attempts, possible_duplicate, findings, answer, delivery, .. } = record;
            let outcome = OutcomeRecord {
                id: delivery.id,
                uid: delivery.uid,
                route: delivery.route,
                part: delivery.part,
                run: delivery.run,
                destination: delivery.destination,
                out,
                park: Some(position),
                outcome: Some(Outcome::Quarantined),
                at,
                attempts,
                possible_duplicate,
                answer,
                findings,
                actor: None,
                reason: None,
                awaited: delivery.waits.map(|caller| caller.key),
            };
            self.write_outcome(outcome, None, None);
            self.writing.tell_of(position);
        }
    }
}

#[cfg(test)]
mod tests;
