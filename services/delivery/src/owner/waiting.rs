//! What a person decides on something that only waits: in the window, in OUT behind it, or on its way right now.
//!
//! A destination that is down, paused or removed keeps its backlog for ever, and one message may keep a whole lane. So
//! anything may be given up or set aside wherever it stands. In the window it ends as by an answer: its lanes go on when
//! that is durable. Behind the window its end is written ahead of reading, as for a full backlog. What is on a
//! connection may arrive yet: the decision takes effect when that try has failed, and not at all where it was answered.

use std::sync::Arc;

use barid_log::{Position, ReadLimit};
use barid_model::record::{OutRecord, OutcomeRecord, ParkEvent, Parked, Record as _};
use barid_model::{DeliveryId, Finding, Outcome, Partition};
use barid_pipeline::subject;

use super::command::{Refusal, Reply, Telling, told};
use super::write::Ending;
use super::{Owner, OwnerError};
use crate::connect::Verdict;
use crate::traced;
use crate::window::{Entry, EntryId, Phase, Place};

/// What a person wants to become of one delivery, and who is told.
pub(super) struct Meant {
    /// It is set aside; else given up.
    pub(super) keep: bool,
    pub(super) actor: String,
    pub(super) reason: String,
    pub(super) reply: Reply,
}

impl Meant {
    fn refuse(self, why: Refusal) {
        told(self.reply, Err(why));
    }

    const fn outcome(&self) -> Outcome {
        if self.keep { Outcome::Quarantined } else { Outcome::Discarded }
    }
}

impl Owner {
    /// Ends a delivery that stands in OUT, wherever reading is.
    pub(super) async fn end_waiting(
        &mut self,
        delivery: DeliveryId,
        out: (Partition, u64),
        meant: Meant,
    ) -> Result<(), OwnerError> {
        match self.window.find(delivery) {
            Some(id) => self.end_in_window(id, meant),
            None if out.1 <= self.window.read(out.0) || self.overflow.has_ended(out) => meant.refuse(Refusal::Gone),
            None if self.overflow.is_exhausted() => meant.refuse(Refusal::TooMany),
            None => self.end_ahead(delivery, out, meant).await?,
        }
        Ok(())
    }

    /// Ends what is in the window, or notes that for when it comes back from its connection.
    pub(super) fn end_in_window(&mut self, id: EntryId, meant: Meant) {
        match self.window.get(id).map(|entry| entry.phase) {
            Some(Phase::Sending) => {
                if let Some(before) = self.meant.insert(id, meant) {
                    before.refuse(Refusal::Sending);
                }
            }
            Some(phase) if phase.is_movable() => self.take_out(id, meant),
            _ => meant.refuse(Refusal::Ended),
        }
    }

    /// The try is over during which a person decided.
    pub(super) fn carry_out(&mut self, id: EntryId, meant: Meant, verdict: &Verdict) {
        if matches!(verdict, Verdict::Retry { .. }) {
            self.take_out(id, meant);
        } else {
            meant.refuse(Refusal::Ended);
        }
    }

    fn take_out(&mut self, id: EntryId, meant: Meant) {
        let Some(entry) = self.window.get(id) else { return meant.refuse(Refusal::Gone) };
        let findings: Vec<Finding> = self.last_failure(entry.record.id).into_iter().collect();
        let outcome = self.decided(entry, findings.clone(), &meant);
        let aside = meant.keep.then(|| self.park_of(entry, Parked::Quarantined, findings, None));
        let (place, over) = (entry.place, self.over(id));
        self.window.recording(id);
        if let Place::Park(position) = place {
            self.parking.decide(position);
        }
        match aside {
            Some(record) => self.write_aside(ParkEvent::Parked(Box::new(record)), Some(id), outcome, over),
            None => self.write_outcome(outcome, Some(id), over),
        }
        self.writing.tell(Telling::new(meant.reply, 1));
    }

    async fn end_ahead(&mut self, delivery: DeliveryId, out: (Partition, u64), meant: Meant) -> Result<(), OwnerError> {
        let subject = subject::out(&self.options.destination, out.0)?;
        let one = ReadLimit { records: 1, bytes: 1 };
        let batch = self.options.log.read(&subject, Position(out.1), one).await?;
        let entry = batch.entries.into_iter().find(|entry| entry.position.0 == out.1);
        let record = entry.and_then(|entry| OutRecord::decode(entry.record).ok());
        let Some(record) = record.filter(|record| record.id == delivery) else {
            meant.refuse(Refusal::Gone);
            return Ok(());
        };
        let entry = Entry::from_out(Arc::new(record), out.0, out.1, self.now());
        let findings = entry.record.set_aside.clone().unwrap_or_default();
        let outcome = self.decided(&entry, findings.clone(), &meant);
        traced::ended(&entry, meant.outcome());
        self.options.shared.ended(meant.outcome(), &entry, self.options.clock.now());
        self.overflow.add(out.0, out.1, self.writing.next().0);
        if meant.keep {
            let record = self.park_of(&entry, Parked::Quarantined, findings, None);
            self.write_aside(ParkEvent::Parked(Box::new(record)), None, outcome, None);
        } else {
            self.write_outcome(outcome, None, None);
        }
        self.writing.tell(Telling::new(meant.reply, 1));
        Ok(())
    }

    fn decided(&self, entry: &Entry, findings: Vec<Finding>, meant: &Meant) -> OutcomeRecord {
        let ending = Ending { findings, ..Ending::of(meant.outcome()) };
        OutcomeRecord {
            actor: Some(meant.actor.clone()),
            reason: Some(meant.reason.clone()),
            ..self.outcome_of(entry, ending)
        }
    }
}
