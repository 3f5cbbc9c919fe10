//! Writing what became of deliveries: what waits to PARK, what ended to OUTCOME, then marks in PARK.
//!
//! Each step must be safe to lose. A delivery is parked before the outcome that names its place is written, so it is
//! never nowhere; what came back from PARK is marked there only when its outcome is durable, so it is never over
//! without an outcome. A crash in between leaves something written twice at worst, and that folds by key. What is
//! decided in one step is appended together and travels in one group commit.

use std::sync::Arc;

use barid_log::{LogError, Ticket, Writer};
use barid_model::record::{Answer, AnswerRecord, OutRecord, OutcomeRecord, ParkEvent, ParkRecord, Parked, Record as _};
use barid_model::{Digest, Finding, Outcome, Partition, Payload};
use bytes::Bytes;

use super::answer::{answer_of, cut};
use super::command::Telling;
use super::land::{InFlight, Landed, land};
use super::{Owner, OwnerError};
use crate::traced;
use crate::window::{Entry, EntryId, Place};

/// How a delivery ends.
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    pub(super) answer: Option<Answer>,
    pub(super) findings: Vec<Finding>,
}

impl Ending {
    pub(super) const fn of(outcome: Outcome) -> Self {
        Self { outcome, answer: None, findings: Vec::new() }
    }
}

/// A record of PARK that is over when what it goes with is durable.
#[derive(Clone)]
pub(super) struct Over {
    pub(super) position: u64,
    pub(super) why: Parked,
    pub(super) out: (Partition, u64),
    pub(super) record: Arc<OutRecord>,
}

struct ParkWrite {
    event: ParkEvent,
    /// The entry of the window that is parked.
    entry: Option<EntryId>,
    /// The outcome that names its position.
    outcome: Option<OutcomeRecord>,
    /// What it stands in for.
    over: Option<Over>,
}

struct OutcomeWrite {
    record: OutcomeRecord,
    entry: Option<EntryId>,
    over: Option<Over>,
}

/// What is decided and not yet appended.
pub(super) struct Writing {
    park: Writer,
    outcome: Writer,
    parks: Vec<ParkWrite>,
    outcomes: Vec<OutcomeWrite>,
    /// Marks for what is over, with the outcome they follow.
    marks: Vec<(u64, u64)>,
    /// Who gave a command, and how much was done: told when that is durable.
    told: Vec<Telling>,
    /// The first position of PARK whose outcome the owner before may not have written, and that is not appended yet.
    untold: Option<u64>,
}

impl Writing {
    pub(super) const fn new(park: Writer, outcome: Writer) -> Self {
        Self {
            park,
            outcome,
            parks: Vec::new(),
            outcomes: Vec::new(),
            marks: Vec::new(),
            told: Vec::new(),
            untold: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parks.is_empty() && self.outcomes.is_empty() && self.marks.is_empty()
    }

    /// Where the next records of OUTCOME and PARK will stand.
    pub(super) fn next(&self) -> (u64, u64) {
        (self.outcome.last().next().0, self.park.last().next().0)
    }

    /// What stood at this position of PARK is over, as OUTCOME says at `outcome`: it is marked with the next write.
    pub(super) fn mark(&mut self, position: u64, outcome: u64) {
        self.marks.push((position, outcome));
    }

    /// Somebody is told that what was decided last is done, when it is durable.
    pub(super) fn tell(&mut self, telling: Telling) {
        self.told.push(telling);
    }

    /// What stands at this position of PARK was set aside and its outcome is written again.
    pub(super) fn tell_of(&mut self, position: u64) {
        self.untold = Some(self.untold.map_or(position, |first| first.min(position)));
    }

    /// Where PARK has to be read from for outcomes that are not appended yet.
    pub(super) const fn untold(&self) -> Option<u64> {
        self.untold
    }

    /// The first outcome whose mark is not durable.
    pub(super) fn unmarked(&self) -> Option<u64> {
        self.marks.iter().map(|(_, outcome)| *outcome).min()
    }
}

impl Owner {
    /// An entry of the window has ended.
    pub(super) fn end(&mut self, id: EntryId, ending: Ending) {
        self.window.recording(id);
        if let Some(record) = self.outcome_record(id, ending) {
            let over = self.over(id);
            self.writing.outcomes.push(OutcomeWrite { record, entry: Some(id), over });
        }
    }

    /// An entry of OUT is parked.
    pub(super) fn write_park(&mut self, id: EntryId, why: Parked, findings: Vec<Finding>) {
        if let Some(record) = self.park_record(id, why, findings, None) {
            self.parking.reserve(&record.delivery, why, record.out.1);
            let event = ParkEvent::Parked(Box::new(record));
            self.writing.parks.push(ParkWrite { event, entry: Some(id), outcome: None, over: None });
        }
    }

    /// An entry is set aside: its payload goes to PARK, its outcome to OUTCOME.
    pub(super) fn write_quarantine(&mut self, id: EntryId, ending: Ending) {
        let (findings, answer) = (ending.findings.clone(), ending.answer.clone());
        let (outcome, over) = (self.outcome_record(id, ending), self.over(id));
        if let Some(record) = self.park_record(id, Parked::Quarantined, findings, answer) {
            let event = ParkEvent::Parked(Box::new(record));
            self.writing.parks.push(ParkWrite { event, entry: Some(id), outcome, over });
        }
    }

    /// What stands in OUT and is not in the window is set aside.
    pub(super) fn write_ahead(&mut self, delivery: Arc<OutRecord>, out: (Partition, u64), why: Finding) {
        let findings = delivery.set_aside.clone().unwrap_or_else(|| vec![why]);
        let (at, entry) = (self.options.clock.now(), Entry::from_out(delivery, out.0, out.1, self.now()));
        traced::ended(&entry, Outcome::Quarantined);
        self.options.shared.ended(Outcome::Quarantined, &entry, at);
        let ending = Ending { findings: findings.clone(), ..Ending::of(Outcome::Quarantined) };
        let outcome = self.outcome_of(&entry, ending);
        let record = self.park_of(&entry, Parked::Quarantined, findings, None);
        let event = ParkEvent::Parked(Box::new(record));
        self.writing.parks.push(ParkWrite { event, entry: None, outcome: Some(outcome), over: None });
    }

    /// A delivery is set aside by a person.
    pub(super) fn write_aside(
        &mut self,
        event: ParkEvent,
        entry: Option<EntryId>,
        outcome: OutcomeRecord,
        over: Option<Over>,
    ) {
        self.writing.parks.push(ParkWrite { event, entry, outcome: Some(outcome), over });
    }

    /// What stands in PARK is parked again for a person: run again, or set aside with its outcome.
    pub(super) fn write_again(
        &mut self,
        record: ParkRecord,
        entry: Option<EntryId>,
        over: Over,
        outcome: Option<OutcomeRecord>,
    ) {
        self.parking.reserve(&record.delivery, record.why, record.out.1);
        let event = ParkEvent::Parked(Box::new(record));
        self.writing.parks.push(ParkWrite { event, entry, outcome, over: Some(over) });
    }

    /// What came back from PARK holds its lanes now: PARK says so for the next start, OUTCOME for people.
    pub(super) fn write_held(&mut self, id: EntryId, position: u64, findings: Vec<Finding>) {
        let ending = Ending { findings, ..Ending::of(Outcome::Quarantined) };
        if let Some(record) = self.outcome_record(id, ending) {
            let record = OutcomeRecord { outcome: None, ..record };
            self.writing.outcomes.push(OutcomeWrite { record, entry: None, over: None });
        }
        let possible_duplicate = self.window.get(id).is_some_and(|entry| entry.possible_duplicate);
        let event = ParkEvent::Held { position, possible_duplicate };
        self.writing.parks.push(ParkWrite { event, entry: None, outcome: None, over: None });
    }

    /// A person lets what is held go on; it may be sent when that is durable.
    pub(super) fn write_released(&mut self, position: u64) {
        let event = ParkEvent::Released(position);
        self.writing.parks.push(ParkWrite { event, entry: None, outcome: None, over: None });
    }

    /// An outcome of what stands in PARK, and may be in the window too.
    pub(super) fn write_outcome(&mut self, record: OutcomeRecord, entry: Option<EntryId>, over: Option<Over>) {
        self.writing.outcomes.push(OutcomeWrite { record, entry, over });
    }

    fn park_record(
        &self,
        id: EntryId,
        why: Parked,
        findings: Vec<Finding>,
        answer: Option<Answer>,
    ) -> Option<ParkRecord> {
        self.window.get(id).map(|entry| self.park_of(entry, why, findings, answer))
    }

    pub(super) fn park_of(
        &self,
        entry: &Entry,
        why: Parked,
        findings: Vec<Finding>,
        answer: Option<Answer>,
    ) -> ParkRecord {
        ParkRecord {
            why,
            at: self.options.clock.now(),
            out: entry.out,
            attempts: entry.attempts,
            possible_duplicate: entry.possible_duplicate,
            findings,
            answer: answer.map(cut),
            delivery: OutRecord {
                traceparent: entry
                    .trace
                    .as_ref()
                    .map_or_else(|| entry.record.traceparent.clone(), |trace| Some(trace.header())),
                ..(*entry.record).clone()
            },
        }
    }

    fn outcome_record(&self, id: EntryId, ending: Ending) -> Option<OutcomeRecord> {
        self.window.get(id).map(|entry| self.outcome_of(entry, ending))
    }

    pub(super) fn outcome_of(&self, entry: &Entry, ending: Ending) -> OutcomeRecord {
        let awaited = entry.record.waits.as_ref().map(|caller| caller.key);
        OutcomeRecord {
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
            answer: ending.answer.map(|answer| if awaited.is_some() { answer } else { cut(answer) }),
            findings: ending.findings,
            actor: None,
            reason: None,
            awaited,
        }
    }

    /// The place in PARK that an entry of the window came back from.
    pub(super) fn over(&self, id: EntryId) -> Option<Over> {
        let entry = self.window.get(id)?;
        match entry.place {
            Place::Park(position) => {
                let record = Arc::clone(&entry.record);
                Some(Over { position, why: entry.why?, out: entry.out, record })
            }
            Place::Out { .. } => None,
        }
    }

    /// Whether nobody else can own the destination. The log refuses what a stale owner sent to it before its successor began; what it
    /// would append afterwards is in its place there as long as the successor has not appended, and takes deliveries back.
    pub(super) fn may_append(&self) -> bool {
        self.options.fence.as_ref().is_none_or(|fence| fence.holds())
    }

    /// Appends what was decided. It is awaited as it becomes durable. While the lease has run out it waits for a later step.
    pub(super) async fn write(&mut self) -> Result<(), OwnerError> {
        if self.writing.is_empty() || !self.may_append() {
            return Ok(());
        }
        let (first_outcome, first_park) = self.writing.next();
        let unmarked = self.writing.unmarked().unwrap_or(first_outcome);
        let first_park = self.writing.untold.take().map_or(first_park, |untold| untold.min(first_park));
        let mut landed = Vec::new();
        let park = self.append_park(&mut landed).await?;
        if !self.may_append() {
            return Err(LogError::Busy("the lease has run out between two appends".into()).into());
        }
        let (outcome, answers) = self.append_outcomes(&mut landed).await?;
        landed.extend(self.writing.told.drain(..).map(Landed::Told));
        let id = self.in_flight.begin(InFlight { outcome: unmarked.min(first_outcome), park: first_park });
        self.landed.push_back(land(Arc::clone(&self.options.log), id, [park, outcome], answers, landed));
        Ok(())
    }

    async fn append_park(&mut self, landed: &mut Vec<Landed>) -> Result<Option<Ticket>, OwnerError> {
        let parks = std::mem::take(&mut self.writing.parks);
        let marks = std::mem::take(&mut self.writing.marks);
        if parks.is_empty() && marks.is_empty() {
            return Ok(None);
        }
        let mut records: Vec<Bytes> = parks.iter().map(|write| write.event.encode()).collect();
        records.extend(marks.iter().map(|(position, _)| ParkEvent::Ended(*position).encode()));
        let count = parks.len() as u64;
        let ticket = self.writing.park.append(records).await?;
        let first = ticket.first().0;
        for (write, position) in parks.into_iter().zip(first..) {
            let record = match write.event {
                ParkEvent::Parked(record) => record,
                ParkEvent::Released(held) => {
                    landed.extend([Landed::Mark(position), Landed::Released(held)]);
                    continue;
                }
                ParkEvent::Ended(_) | ParkEvent::Held { .. } => {
                    landed.push(Landed::Mark(position));
                    continue;
                }
            };
            let ParkRecord { why, out, mut delivery, .. } = *record;
            delivery.payload = Payload::default();
            let record = Arc::new(delivery);
            landed.push(Landed::Parked { entry: write.entry, position, why, out: out.1, record });
            match write.outcome {
                Some(outcome) => {
                    let record = OutcomeRecord { park: Some(position), ..outcome };
                    self.writing.outcomes.push(OutcomeWrite { record, entry: write.entry, over: write.over });
                }
                None => landed.extend(write.over.map(|over| Landed::Over { over, outcome: u64::MAX })),
            }
        }
        landed.extend((first + count..=ticket.last().0).map(Landed::Mark));
        Ok(Some(ticket))
    }

    /// Whether anybody waits for this outcome: the next of its lanes, its sender, or what stands for it in PARK.
    fn is_waited_for(&self, write: &OutcomeWrite) -> bool {
        let followed = write.entry.is_none_or(|id| self.window.has_followers(id));
        followed || write.over.is_some() || write.record.awaited.is_some()
    }

    async fn append_outcomes(
        &mut self,
        landed: &mut Vec<Landed>,
    ) -> Result<(Option<Ticket>, Vec<(Digest, AnswerRecord)>), OwnerError> {
        let outcomes = std::mem::take(&mut self.writing.outcomes);
        if outcomes.is_empty() {
            return Ok((None, Vec::new()));
        }
        let records = outcomes.iter().map(|write| write.record.encode()).collect();
        let ticket = if self.stopping || outcomes.iter().any(|write| self.is_waited_for(write)) {
            self.writing.outcome.append(records).await?
        } else {
            self.writing.outcome.append_later(records).await?
        };
        let mut answers = Vec::new();
        for (write, position) in outcomes.into_iter().zip(ticket.first().0..) {
            answers.extend(answer_of(&write.record));
            if let (Some(id), Some(outcome)) = (write.entry, write.record.outcome) {
                landed.push(Landed::Ended(id, outcome, position));
            }
            landed.extend(write.over.map(|over| Landed::Over { over, outcome: position }));
        }
        Ok((Some(ticket), answers))
    }
}
