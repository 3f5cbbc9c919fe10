//! What happens when a write is durable: entries leave the window, parked lanes move on, and the commit follows.

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_log::{Log, LogError, Position, Ticket};
use barid_model::record::{AnswerRecord, OutRecord, Parked};
use barid_model::{Digest, Outcome};
use barid_pipeline::subject;
use futures_util::future::BoxFuture;

use super::answer::put_answer;
use super::command::Telling;
use super::commit::LIMIT_STRIDE;
use super::write::Over;
use super::{Owner, OwnerError};
use crate::traced;
use crate::window::EntryId;

/// What is durable now.
pub(super) enum Landed {
    /// It ended, with the place of its outcome.
    Ended(EntryId, Outcome, u64),
    /// It stands in PARK.
    Parked { entry: Option<EntryId>, position: u64, why: Parked, out: u64, record: Arc<OutRecord> },
    /// A record of PARK that only tells of another.
    Mark(u64),
    /// What is held at this position may go on.
    Released(u64),
    /// Who gave a command is told that it is done.
    Told(Telling),
    /// A record of PARK waits no more; its outcome stands there, or it was parked again.
    Over { over: Over, outcome: u64 },
}

/// A write on its way to being durable: where OUTCOME and PARK have to be read from if it is lost half-way.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    pub(super) outcome: u64,
    pub(super) park: u64,
}

/// All writes on their way.
#[derive(Debug, Default)]
pub(super) struct Flights {
    next: u64,
    open: BTreeMap<u64, InFlight>,
}

impl Flights {
    pub(super) fn begin(&mut self, write: InFlight) -> u64 {
        self.next += 1;
        self.open.insert(self.next, write);
        self.next
    }

    fn oldest(&self) -> Option<InFlight> {
        let first =
            |a: InFlight, b: &InFlight| InFlight { outcome: a.outcome.min(b.outcome), park: a.park.min(b.park) };
        self.open.values().copied().reduce(|a, b| first(a, &b))
    }
}

pub(super) type Landing = BoxFuture<'static, Result<(u64, Vec<Landed>), LogError>>;

pub(super) fn land(
    log: Arc<dyn Log>,
    id: u64,
    tickets: [Option<Ticket>; 2],
    answers: Vec<(Digest, AnswerRecord)>,
    landed: Vec<Landed>,
) -> Landing {
    Box::pin(async move {
        for ticket in tickets.into_iter().flatten() {
            ticket.await?;
        }
        for (key, answer) in answers {
            put_answer(&log, key, &answer).await?;
        }
        Ok((id, landed))
    })
}

impl Owner {
    /// Lets go what is durable.
    pub(super) fn land(&mut self, id: u64, landed: Vec<Landed>) {
        self.in_flight.open.remove(&id);
        for landed in landed {
            match landed {
                Landed::Ended(id, outcome, position) => {
                    if let Some(entry) = self.window.finish(id, position) {
                        traced::ended(&entry, outcome);
                        self.options.shared.ended(outcome, &entry, self.options.clock.now());
                    }
                }
                Landed::Parked { entry, position, why, out, record } => {
                    self.parking.parked(position, why, out, &record);
                    let parked = entry.filter(|_| why != Parked::Quarantined);
                    if let Some(entry) = parked.and_then(|id| self.window.finish(id, u64::MAX)) {
                        traced::parked(&entry, why);
                    }
                }
                Landed::Mark(position) => self.parking.end_marker(position),
                Landed::Released(position) => self.parking.release(position),
                Landed::Told(telling) => telling.done(),
                Landed::Over { over, outcome } => {
                    self.parking.end(over.position, over.why, &over.record);
                    if outcome != u64::MAX {
                        self.window.tell(over.out, outcome);
                    }
                    self.writing.mark(over.position, outcome);
                }
            }
        }
    }

    /// Stores how far the prefixes are finished and the next send limits, and trims PARK.
    pub(super) async fn commit(&mut self, last: bool) -> Result<(), OwnerError> {
        let mut commit = self.commits.stored().clone();
        for partition in self.options.partitions.all() {
            let (finished, read) = (self.window.finished(partition), self.window.read(partition));
            if finished > 0 {
                commit.positions.insert(partition.0, finished);
            }
            // What the owner before may have sent and was not read again since stays in doubt for the next one.
            let limit = if last { read.max(self.recovered.limit(partition)) } else { read + LIMIT_STRIDE };
            // Where one limit is near, all that have moved are moved, so that 16 partitions do not make 16 commits.
            if read > 0 && (last || read + LIMIT_STRIDE - LIMIT_STRIDE / 4 > commit.limit(partition)) {
                commit.limits.insert(partition.0, limit);
            }
        }
        let (outcome, park) = self.writing.next();
        let open = self.in_flight.oldest().unwrap_or(InFlight { outcome, park });
        let waiting = [self.window.outcomes_from(), self.overflow.outcomes_from(), self.writing.unmarked()];
        let waiting = waiting.into_iter().flatten().min();
        commit.outcomes = waiting.map_or(open.outcome, |first| first.min(open.outcome));
        // What the owner before set aside and this one has not told of yet is looked for by the next one, too.
        commit.parked = self.writing.untold().map_or(open.park, |first| first.min(open.park));
        self.commits.store(&commit).await?;
        let before = self.parking.trim_before();
        self.options.log.trim(&subject::park(&self.options.destination)?, Position(before)).await?;
        Ok(())
    }
}
