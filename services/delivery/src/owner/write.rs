//! Writing what became of deliveries: PARK and OUTCOME, then the answer for a sender that waits.
//!
//! What is decided in one step is appended together and travels in one group commit; entries leave the window when it
//! is durable. A parked record is queued before the outcome that names its position.

use std::sync::Arc;

use barid_log::{Log, LogError, Position, Ticket, Writer};
use barid_model::record::{
    Answer, AnswerRecord, OutRecord, OutcomeRecord, ParkEvent, ParkRecord, Parked, Record as _,
};
use barid_model::{Digest, Finding, Outcome, Payload};
use barid_pipeline::subject;
use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::answer::{cut, put_answer};
use super::commit::LIMIT_STRIDE;
use super::{Owner, OwnerError};
use crate::window::{EntryId, Place};

/// How a delivery ends.
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    pub(super) answer: Option<Answer>,
    pub(super) findings: Vec<Finding>,
    pub(super) actor: Option<String>,
    pub(super) reason: Option<String>,
}

impl Ending {
    pub(super) const fn of(outcome: Outcome) -> Self {
        Self { outcome, answer: None, findings: Vec::new(), actor: None, reason: None }
    }
}

struct ParkWrite {
    event: ParkEvent,
    /// The entry it belongs to, and the outcome that names its position.
    entry: Option<EntryId>,
    outcome: Option<OutcomeRecord>,
    /// What ends, where it only says so.
    ends: Option<(Parked, Arc<OutRecord>)>,
}

impl ParkWrite {
    const fn end(position: u64, entry: Option<EntryId>, why: Parked, record: Arc<OutRecord>) -> Self {
        Self { event: ParkEvent::Ended(position), entry, outcome: None, ends: Some((why, record)) }
    }
}

/// What is decided and not yet appended.
pub(super) struct Writing {
    park: Writer,
    outcome: Writer,
    parks: Vec<ParkWrite>,
    outcomes: Vec<(EntryId, OutcomeRecord)>,
    /// Outcomes of deliveries that are not in the window.
    others: Vec<OutcomeRecord>,
}

impl Writing {
    pub(super) const fn new(park: Writer, outcome: Writer) -> Self {
        Self { park, outcome, parks: Vec::new(), outcomes: Vec::new(), others: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parks.is_empty() && self.outcomes.is_empty() && self.others.is_empty()
    }

    pub(super) fn next_outcome(&self) -> u64 {
        self.outcome.last().next().0
    }
}

/// What is durable now.
pub(super) enum Landed {
    /// It ended, with the place of its outcome.
    Ended(EntryId, Outcome, u64),
    /// It stands in PARK.
    Parked { entry: Option<EntryId>, position: u64, why: Parked, record: Arc<OutRecord>, outcome: u64 },
    /// A record of PARK that only tells of another.
    Marker(u64),
    /// A record of PARK waits no more.
    Unparked { position: u64, marker: u64, why: Parked, record: Arc<OutRecord> },
}

pub(super) type Landing = BoxFuture<'static, Result<Vec<Landed>, LogError>>;

impl Owner {
    /// An entry of the window has ended.
    pub(super) fn end(&mut self, id: EntryId, ending: Ending) {
        self.window.recording(id);
        if let Some(record) = self.outcome_record(id, ending) {
            self.writing.outcomes.push((id, record));
        }
    }

    /// An entry of OUT is parked.
    pub(super) fn write_park(
        &mut self,
        id: EntryId,
        why: Parked,
        findings: Vec<Finding>,
        answer: Option<Answer>,
        outcome: Option<OutcomeRecord>,
    ) {
        let Some(entry) = self.window.get(id) else { return };
        let record = ParkRecord {
            why,
            at: self.options.clock.now(),
            out: entry.out,
            attempts: entry.attempts,
            findings,
            answer: answer.map(cut),
            delivery: (*entry.record).clone(),
        };
        let event = ParkEvent::Parked(Box::new(record));
        self.writing.parks.push(ParkWrite { event, entry: Some(id), outcome, ends: None });
    }

    /// An entry is set aside: its payload goes to PARK, its outcome to OUTCOME.
    pub(super) fn write_quarantine(&mut self, id: EntryId, ending: Ending) {
        let (findings, answer) = (ending.findings.clone(), ending.answer.clone());
        let outcome = self.outcome_record(id, ending);
        if let Some(entry) = self.window.get(id) {
            self.parking.reserve(&entry.record, Parked::Quarantined);
        }
        self.write_park(id, Parked::Quarantined, findings, answer, outcome);
    }

    /// Parks for a person: a re-run, or what is set aside, with its outcome.
    pub(super) fn write_parked(&mut self, record: ParkRecord, outcome: Option<OutcomeRecord>) {
        self.parking.reserve(&record.delivery, record.why);
        let event = ParkEvent::Parked(Box::new(record));
        self.writing.parks.push(ParkWrite { event, entry: None, outcome, ends: None });
    }

    /// What came back from PARK holds its lanes now: PARK says so for the next start, OUTCOME for people.
    pub(super) fn write_held(&mut self, id: EntryId, position: u64, findings: Vec<Finding>) {
        let ending = Ending { findings, ..Ending::of(Outcome::Quarantined) };
        let record = self.outcome_record(id, ending).map(|record| OutcomeRecord { outcome: None, ..record });
        self.writing.others.extend(record);
        let event = ParkEvent::Held(position);
        self.writing.parks.push(ParkWrite { event, entry: None, outcome: None, ends: None });
    }

    /// What stands at a position of PARK ends by a person's word.
    pub(super) fn write_end(&mut self, position: u64, record: &ParkRecord, outcome: Option<OutcomeRecord>) {
        let delivery = Arc::new(record.delivery.clone());
        self.writing.parks.push(ParkWrite::end(position, None, record.why, delivery));
        self.writing.others.extend(outcome);
    }

    fn outcome_record(&self, id: EntryId, ending: Ending) -> Option<OutcomeRecord> {
        let entry = self.window.get(id)?;
        let awaited = entry.record.waits.is_some();
        Some(OutcomeRecord {
            id: entry.record.id,
            uid: entry.record.uid,
            route: Arc::clone(&entry.record.route),
            part: entry.record.part,
            run: entry.record.run,
            destination: self.options.destination.clone(),
            out: entry.out,
            park: match entry.place {
                Place::Park(position) => Some(position),
                Place::Out { .. } => None,
            },
            outcome: Some(ending.outcome),
            at: self.options.clock.now(),
            attempts: entry.attempts,
            possible_duplicate: entry.possible_duplicate,
            answer: ending.answer.map(|answer| if awaited { answer } else { cut(answer) }),
            findings: ending.findings,
            actor: ending.actor,
            reason: ending.reason,
        })
    }

    /// Appends what was decided. It is awaited as it becomes durable.
    pub(super) async fn write(&mut self) -> Result<(), OwnerError> {
        if self.writing.is_empty() {
            return Ok(());
        }
        let mut landed = Vec::new();
        let mut outcomes: Vec<(Option<EntryId>, OutcomeRecord)> = Vec::new();
        let park = self.append_park(&mut landed, &mut outcomes).await?;
        outcomes.extend(self.writing.outcomes.drain(..).map(|(id, record)| (Some(id), record)));
        outcomes.extend(self.writing.others.drain(..).map(|record| (None, record)));
        let mut answers = Vec::new();
        let at = self.writing.next_outcome();
        for ((id, record), position) in outcomes.iter().zip(at..) {
            if let (Some(id), Some(outcome)) = (id, record.outcome) {
                answers.extend(self.answer_for(*id, record));
                if outcome == Outcome::Quarantined {
                    note_outcome(&mut landed, *id, position);
                } else {
                    landed.push(Landed::Ended(*id, outcome, position));
                }
            }
        }
        let records: Vec<Bytes> = outcomes.iter().map(|(_, record)| record.encode()).collect();
        let ticket = if records.is_empty() { None } else { Some(self.writing.outcome.append(records).await?) };
        self.landed.push(land(Arc::clone(&self.options.log), park, ticket, answers, landed));
        Ok(())
    }

    async fn append_park(
        &mut self,
        landed: &mut Vec<Landed>,
        outcomes: &mut Vec<(Option<EntryId>, OutcomeRecord)>,
    ) -> Result<Option<Ticket>, OwnerError> {
        let mut parks = std::mem::take(&mut self.writing.parks);
        // What came back from PARK and has ended is marked there; what is set aside stands there a second time.
        let parked = parks.iter().filter(|write| matches!(write.event, ParkEvent::Parked(_))).filter_map(|write| write.entry);
        let ended = self.writing.outcomes.iter().map(|(id, _)| *id);
        let markers: Vec<ParkWrite> = parked.chain(ended).filter_map(|id| self.end_of(id)).collect();
        parks.extend(markers);
        if parks.is_empty() {
            return Ok(None);
        }
        let records: Vec<Bytes> = parks.iter().map(|write| write.event.encode()).collect();
        let ticket = self.writing.park.append(records).await?;
        let first = ticket.first();
        for (write, position) in parks.into_iter().zip(first.0..) {
            match write.event {
                ParkEvent::Parked(record) => {
                    let ParkRecord { why, mut delivery, .. } = *record;
                    delivery.payload = Payload::default();
                    let record = Arc::new(delivery);
                    landed.push(Landed::Parked { entry: write.entry, position, why, record, outcome: u64::MAX });
                    if let Some(outcome) = write.outcome {
                        outcomes.push((write.entry, OutcomeRecord { park: Some(position), ..outcome }));
                    }
                }
                ParkEvent::Held(_) => landed.push(Landed::Marker(position)),
                ParkEvent::Ended(ended) => {
                    if let Some((why, record)) = write.ends {
                        landed.push(Landed::Unparked { position: ended, marker: position, why, record });
                    }
                }
            }
        }
        Ok(Some(ticket))
    }

    /// The mark that an entry of the window waits in PARK no more, where it came from there.
    fn end_of(&self, id: EntryId) -> Option<ParkWrite> {
        let entry = self.window.get(id)?;
        match entry.place {
            Place::Park(position) => Some(ParkWrite::end(position, Some(id), entry.why?, Arc::clone(&entry.record))),
            Place::Out { .. } => None,
        }
    }

    fn answer_for(&self, id: EntryId, record: &OutcomeRecord) -> Option<(Digest, AnswerRecord)> {
        let key = self.window.get(id)?.record.waits.as_ref()?.key;
        let answer = AnswerRecord {
            outcome: record.outcome?,
            at: record.at,
            answer: record.answer.clone().unwrap_or_default(),
            findings: record.findings.clone(),
        };
        Some((key, answer))
    }

    /// Lets go what is durable.
    pub(super) fn land(&mut self, landed: Vec<Landed>) {
        for landed in landed {
            match landed {
                Landed::Ended(id, outcome, position) => {
                    if let Some(entry) = self.window.finish(id, position) {
                        self.options.shared.ended(outcome, entry.record.received, self.options.clock.now());
                    }
                }
                Landed::Parked { entry, position, why, record, outcome } => {
                    self.parking.parked(position, why, &record);
                    if let Some(entry) = entry.and_then(|id| self.window.finish(id, outcome))
                        && why == Parked::Quarantined
                    {
                        self.options.shared.ended(Outcome::Quarantined, entry.record.received, self.options.clock.now());
                    }
                }
                Landed::Marker(position) => self.parking.end_marker(position),
                Landed::Unparked { position, marker, why, record } => {
                    self.parking.end(position, why, &record);
                    self.parking.end_marker(marker);
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
            let limit = if last { read } else { read + LIMIT_STRIDE };
            if read > 0 && (last || read + super::commit::LIMIT_MARGIN > commit.limit(partition)) {
                commit.limits.insert(partition.0, limit);
            }
        }
        let next = self.writing.next_outcome();
        commit.outcomes = self.window.outcomes_from().unwrap_or(next).min(self.pending_outcomes(next));
        self.commits.store(&commit).await?;
        let before = self.parking.trim_before();
        self.options.log.trim(&subject::park(&self.options.destination)?, Position(before)).await?;
        Ok(())
    }

    /// Outcomes that are appended but not seen durable have to be read again too.
    fn pending_outcomes(&self, next: u64) -> u64 {
        if self.landed.is_empty() { next } else { self.commits.stored().outcomes }
    }
}

fn note_outcome(landed: &mut [Landed], id: EntryId, at: u64) {
    for landed in landed {
        if let Landed::Parked { entry: Some(entry), outcome, .. } = landed
            && *entry == id
        {
            *outcome = at;
        }
    }
}

fn land(
    log: Arc<dyn Log>,
    park: Option<Ticket>,
    outcome: Option<Ticket>,
    answers: Vec<(Digest, AnswerRecord)>,
    landed: Vec<Landed>,
) -> Landing {
    Box::pin(async move {
        for ticket in [park, outcome].into_iter().flatten() {
            ticket.await?;
        }
        for (key, answer) in answers {
            put_answer(&log, key, &answer).await?;
        }
        Ok(landed)
    })
}
