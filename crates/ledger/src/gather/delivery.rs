//! The deliveries a batch tells of: read where they are there, folded, ready to be written back once.
#![allow(missing_docs, reason = "fields are what the record they come from says")]

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use barid_model::record::{CommandRecord, OutRecord, OutcomeRecord, ParkRecord, RoutedRecord};
use barid_model::{DeliveryId, Envelope, Lanes, MessageUid, Outcome, Timestamp};

use super::{Origin, Rows, whole};
use crate::GivenUp;
use crate::codes::findings_text;
use crate::fold::{self, At, Delivery, Ending, NameId, Parking, Told, Took, Waiting};
use crate::story::Step;

/// Of a row in `step`: a second IN record.
pub const STEP_ACCEPTED_AGAIN: i64 = 1;
/// Of a row in `step`: a PARK record.
pub const STEP_PARKED: i64 = 2;
/// Of a row in `step`: an OUTCOME record.
pub const STEP_OUTCOME: i64 = 3;

/// A delivery's key in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub uid: MessageUid,
    pub route: NameId,
    pub part: u32,
    pub run: u32,
}

/// A record worth a line in the story of its message.
pub struct Note {
    pub uid: MessageUid,
    pub origin: Origin,
    pub at: Timestamp,
    pub kind: i64,
    pub delivery: Option<(NameId, u32, u32)>,
    pub step: Step,
}

impl Note {
    /// A second IN record with the uid of another.
    pub fn accepted_again(envelope: &Envelope, origin: Origin) -> Self {
        let (uid, at) = (envelope.uid, envelope.received);
        Self { uid, origin, at, kind: STEP_ACCEPTED_AGAIN, delivery: None, step: Step::default() }
    }
}

/// A delivery of a batch.
pub struct Slot {
    pub delivery: Delivery,
    pub stored: bool,
    pub id: DeliveryId,
}

/// The deliveries a batch tells of.
#[derive(Default)]
pub struct Deliveries {
    slots: HashMap<Key, Slot>,
    /// Those this batch told to be parked, by their place in PARK.
    parked: HashMap<Origin, Key>,
}

impl Deliveries {
    fn slot<R: Rows>(&mut self, rows: &mut R, key: Key, id: DeliveryId) -> Result<&mut Delivery, R::Fault> {
        match self.slots.entry(key) {
            Entry::Occupied(slot) => Ok(&mut slot.into_mut().delivery),
            Entry::Vacant(slot) => {
                let row = rows.load(key)?;
                let stored = row.is_some();
                Ok(&mut slot.insert(Slot { delivery: row.unwrap_or_default(), stored, id }).delivery)
            }
        }
    }

    pub fn routed<R: Rows>(&mut self, rows: &mut R, record: &RoutedRecord) -> Result<(), R::Fault> {
        let partition = i64::from(record.source.partition.0);
        for routed in &record.deliveries {
            let key = Key { uid: record.uid, route: rows.text(&routed.route)?, part: routed.part, run: 0 };
            let destination = routed.destination.as_ref().map(|name| rows.name(name)).transpose()?;
            let out = routed.out.map(|position| Ok::<_, R::Fault>((partition, whole(position)?))).transpose()?;
            self.slot(rows, key, routed.id)?.routed(fold::Routed {
                destination,
                out,
                outcome: routed.outcome,
                at: record.at,
                chained: routed.chained,
                findings: findings_text(&routed.findings),
            });
        }
        Ok(())
    }

    pub fn out<R: Rows>(&mut self, rows: &mut R, origin: Origin, record: &OutRecord) -> Result<(), R::Fault> {
        let key = Key { uid: record.uid, route: rows.text(&record.route)?, part: record.part, run: record.run };
        let destination = rows.name(&record.destination)?;
        let place = (i64::from(record.source.partition.0), origin.position);
        let findings = record.set_aside.as_deref().and_then(findings_text);
        self.slot(rows, key, record.id)?.out(destination, place, findings);
        Ok(())
    }

    pub fn parked<R: Rows>(&mut self, rows: &mut R, origin: Origin, record: &ParkRecord) -> Result<Note, R::Fault> {
        let out = &record.delivery;
        let key = Key { uid: out.uid, route: rows.text(&out.route)?, part: out.part, run: out.run };
        let destination = rows.name(&out.destination)?;
        let waiting = Waiting {
            place: At { subject: Some(origin.subject), position: origin.position },
            why: Some((record.why, record.at)),
        };
        self.parked.insert(origin, key);
        self.slot(rows, key, out.id)?.parked(Parking {
            destination,
            out: (i64::from(record.out.0.0), whole(record.out.1)?),
            waiting,
            attempts: record.attempts,
            possible_duplicate: record.possible_duplicate,
        });
        let step = Step {
            why: Some(record.why.word().to_owned()),
            attempts: record.attempts,
            answer: record.answer.as_ref().map(|answer| answer.code.clone()),
            findings: record.findings.clone(),
            lanes: lanes(&out.lanes),
            possible_duplicate: record.possible_duplicate,
            ..Step::default()
        };
        let delivery = Some((key.route, key.part, key.run));
        Ok(Note { uid: out.uid, origin, at: record.at, kind: STEP_PARKED, delivery, step })
    }

    /// An order that itself ends a delivery.
    pub fn given_up<R: Rows>(&mut self, rows: &mut R, record: &CommandRecord) -> Result<(), R::Fault> {
        let given_up =
            (record.verb == "discard").then(|| serde_json::from_str::<GivenUp>(&record.detail).ok()).flatten();
        let Some(GivenUp { uid, route, part, run }) = given_up else { return Ok(()) };
        let key = Key { uid, route: rows.text(&route)?, part, run };
        let id = DeliveryId::of(uid, &route, part, run);
        self.slot(rows, key, id)?.given_up(record.at, &record.actor, &record.reason);
        Ok(())
    }

    /// What stands at this place in PARK is held; nothing where it is not known (any more).
    pub fn held<R: Rows>(&mut self, rows: &mut R, place: Origin) -> Result<(), R::Fault> {
        let found = match self.parked.get(&place) {
            Some(key) => Some(*key),
            None => rows.at_place(place)?,
        };
        let Some(key) = found else { return Ok(()) };
        // The row is there, so its identity is not written again.
        let delivery = self.slot(rows, key, DeliveryId::default())?;
        if delivery.waiting.is_some_and(|waiting| waiting.place.position == place.position) {
            delivery.held();
        }
        Ok(())
    }

    pub fn outcome<R: Rows>(
        &mut self,
        rows: &mut R,
        origin: Origin,
        record: &OutcomeRecord,
    ) -> Result<Option<Note>, R::Fault> {
        let key = Key { uid: record.uid, route: rows.text(&record.route)?, part: record.part, run: record.run };
        let answer = record.answer.as_ref().map(|answer| rows.text(&answer.code)).transpose()?;
        let told = Told {
            destination: rows.name(&record.destination)?,
            out: (i64::from(record.out.0.0), whole(record.out.1)?),
            park: record.park.map(whole).transpose()?,
            attempts: record.attempts,
            possible_duplicate: record.possible_duplicate,
            ending: record.outcome.map(|outcome| Ending {
                outcome,
                place: At { subject: Some(origin.subject), position: origin.position },
                at: record.at,
                answer,
                findings: findings_text(&record.findings),
                actor: record.actor.clone(),
                reason: record.reason.clone(),
            }),
        };
        let took = self.slot(rows, key, record.id)?.outcome(told);
        // The row of a delivered one tells all; what may be followed by something else is kept beside it.
        let worth_a_note = match took {
            Took::Ended => record.outcome != Some(Outcome::Delivered),
            Took::Again => false,
            Took::Noted => true,
        };
        let delivery = Some((key.route, key.part, key.run));
        Ok(worth_a_note.then(|| {
            let step = outcome_step(record);
            Note { uid: record.uid, origin, at: record.at, kind: STEP_OUTCOME, delivery, step }
        }))
    }

    /// What is to be written, by key, in the order of uids.
    pub fn into_slots(self) -> Vec<(Key, Slot)> {
        let mut slots: Vec<_> = self.slots.into_iter().collect();
        slots.sort_unstable_by_key(|(key, _)| *key);
        slots
    }
}

fn lanes(lanes: &Lanes) -> Option<Vec<String>> {
    match lanes {
        Lanes::None => None,
        Lanes::Barrier => Some(vec!["barrier".to_owned()]),
        Lanes::Of(lanes) => Some(lanes.iter().map(ToString::to_string).collect()),
    }
}

fn outcome_step(record: &OutcomeRecord) -> Step {
    Step {
        why: None,
        outcome: record.outcome.map(|outcome| outcome.word().to_owned()),
        attempts: record.attempts,
        answer: record.answer.as_ref().map(|answer| answer.code.clone()),
        findings: record.findings.clone(),
        actor: record.actor.clone(),
        reason: record.reason.clone(),
        possible_duplicate: record.possible_duplicate,
        park: record.park,
        lanes: None,
    }
}
