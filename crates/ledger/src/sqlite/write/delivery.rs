//! The rows of deliveries: read where they are there, folded, written back once a batch.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use barid_model::record::{CommandRecord, OutRecord, OutcomeRecord, ParkRecord, Parked, RoutedRecord};
use barid_model::{DeliveryId, Envelope, Lanes, MessageUid, Outcome, Timestamp};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::findings_text;
use crate::fold::{self, At, Delivery, Ending, NameId, Parking, Told, Took, Waiting};
use crate::sqlite::apply::{Origin, whole};
use crate::sqlite::fault::Fault;
use crate::sqlite::names::Names;
use crate::story::Step;
use crate::{GivenUp, State, key};

/// Of a row in `step`: a second IN record.
pub(in crate::sqlite) const STEP_ACCEPTED_AGAIN: i64 = 1;
/// Of a row in `step`: a PARK record.
pub(in crate::sqlite) const STEP_PARKED: i64 = 2;
/// Of a row in `step`: an OUTCOME record.
pub(in crate::sqlite) const STEP_OUTCOME: i64 = 3;

/// The columns of [`delivery`], after the key and the state.
macro_rules! columns {
    () => {
        "destination, known, set_aside, out_partition, out_position, park_subject, park_position,
    park_why, parked_at, outcome, outcome_subject, outcome_position, outcome_at, attempts, possible_duplicate, answer,
    findings, routed_findings, actor, reason, chained"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO delivery(uid, route, part, run, state, ",
    columns!(),
    ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
    ?24, ?25, ?26)"
);

const UPDATE: &str = concat!(
    "UPDATE delivery SET (state, ",
    columns!(),
    ") = (?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)
    WHERE uid = ?1 AND route = ?2 AND part = ?3 AND run = ?4"
);

const LOAD: &str =
    concat!("SELECT ", columns!(), " FROM delivery WHERE uid = ?1 AND route = ?2 AND part = ?3 AND run = ?4");

/// A delivery's key in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::sqlite) struct Key {
    uid: MessageUid,
    route: NameId,
    part: u32,
    run: u32,
}

/// A record worth a line in the story of its message.
pub(in crate::sqlite) struct Note {
    pub(in crate::sqlite) uid: MessageUid,
    pub(in crate::sqlite) origin: Origin,
    pub(in crate::sqlite) at: Timestamp,
    pub(in crate::sqlite) kind: i64,
    pub(in crate::sqlite) delivery: Option<(NameId, u32, u32)>,
    pub(in crate::sqlite) step: Step,
}

impl Note {
    /// A second IN record with the uid of another.
    pub(in crate::sqlite) fn accepted_again(envelope: &Envelope, origin: Origin) -> Self {
        let (uid, at) = (envelope.uid, envelope.received);
        Self { uid, origin, at, kind: STEP_ACCEPTED_AGAIN, delivery: None, step: Step::default() }
    }
}

struct Slot {
    delivery: Delivery,
    stored: bool,
    id: DeliveryId,
}

/// The deliveries a batch tells of.
#[derive(Default)]
pub(in crate::sqlite) struct Deliveries {
    slots: HashMap<Key, Slot>,
    /// Those this batch told to be parked, by their place in PARK.
    parked: HashMap<Origin, Key>,
}

impl Deliveries {
    fn slot(&mut self, tx: &Transaction<'_>, key: Key, id: DeliveryId) -> Result<&mut Delivery, Fault> {
        match self.slots.entry(key) {
            Entry::Occupied(slot) => Ok(&mut slot.into_mut().delivery),
            Entry::Vacant(slot) => {
                let row = load(tx, key)?;
                let stored = row.is_some();
                Ok(&mut slot.insert(Slot { delivery: row.unwrap_or_default(), stored, id }).delivery)
            }
        }
    }

    pub(in crate::sqlite) fn routed(
        &mut self,
        tx: &Transaction<'_>,
        names: &mut Names,
        record: &RoutedRecord,
    ) -> Result<(), Fault> {
        let partition = i64::from(record.source.partition.0);
        for routed in &record.deliveries {
            let key = Key { uid: record.uid, route: names.text(tx, &routed.route)?, part: routed.part, run: 0 };
            let destination = routed.destination.as_ref().map(|name| names.name(tx, name)).transpose()?;
            let out = routed.out.map(|position| Ok::<_, Fault>((partition, whole(position)?))).transpose()?;
            self.slot(tx, key, routed.id)?.routed(fold::Routed {
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

    pub(in crate::sqlite) fn out(
        &mut self,
        tx: &Transaction<'_>,
        names: &mut Names,
        origin: Origin,
        record: &OutRecord,
    ) -> Result<(), Fault> {
        let key = Key { uid: record.uid, route: names.text(tx, &record.route)?, part: record.part, run: record.run };
        let destination = names.name(tx, &record.destination)?;
        let place = (i64::from(record.source.partition.0), origin.position);
        let findings = record.set_aside.as_deref().and_then(findings_text);
        self.slot(tx, key, record.id)?.out(destination, place, findings);
        Ok(())
    }

    pub(in crate::sqlite) fn parked(
        &mut self,
        tx: &Transaction<'_>,
        names: &mut Names,
        origin: Origin,
        record: &ParkRecord,
    ) -> Result<Note, Fault> {
        let out = &record.delivery;
        let key = Key { uid: out.uid, route: names.text(tx, &out.route)?, part: out.part, run: out.run };
        let destination = names.name(tx, &out.destination)?;
        let waiting = Waiting {
            place: At { subject: Some(origin.subject), position: origin.position },
            why: Some((record.why, record.at)),
        };
        self.parked.insert(origin, key);
        self.slot(tx, key, out.id)?.parked(Parking {
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
    pub(in crate::sqlite) fn given_up(
        &mut self,
        tx: &Transaction<'_>,
        names: &mut Names,
        record: &CommandRecord,
    ) -> Result<(), Fault> {
        let given_up =
            (record.verb == "discard").then(|| serde_json::from_str::<GivenUp>(&record.detail).ok()).flatten();
        let Some(GivenUp { uid, route, part, run }) = given_up else { return Ok(()) };
        let key = Key { uid, route: names.text(tx, &route)?, part, run };
        let id = DeliveryId::of(uid, &route, part, run);
        self.slot(tx, key, id)?.given_up(record.at, &record.actor, &record.reason);
        Ok(())
    }

    /// What stands at this place in PARK is held; nothing where it is not known (any more).
    pub(in crate::sqlite) fn held(&mut self, tx: &Transaction<'_>, place: Origin) -> Result<(), Fault> {
        let found = match self.parked.get(&place) {
            Some(key) => Some(*key),
            None => at_place(tx, place)?,
        };
        let Some(key) = found else { return Ok(()) };
        // The row is there, so its identity is not written again.
        let delivery = self.slot(tx, key, DeliveryId::default())?;
        if delivery.waiting.is_some_and(|waiting| waiting.place.position == place.position) {
            delivery.held();
        }
        Ok(())
    }

    pub(in crate::sqlite) fn outcome(
        &mut self,
        tx: &Transaction<'_>,
        names: &mut Names,
        origin: Origin,
        record: &OutcomeRecord,
    ) -> Result<Option<Note>, Fault> {
        let key = Key { uid: record.uid, route: names.text(tx, &record.route)?, part: record.part, run: record.run };
        let answer = record.answer.as_ref().map(|answer| names.text(tx, &answer.code)).transpose()?;
        let told = Told {
            destination: names.name(tx, &record.destination)?,
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
        let took = self.slot(tx, key, record.id)?.outcome(told);
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

    pub(in crate::sqlite) fn write(self, tx: &Transaction<'_>, keys: &mut Vec<(i64, MessageUid)>) -> Result<(), Fault> {
        let mut insert = tx.prepare_cached(INSERT)?;
        let mut update = tx.prepare_cached(UPDATE)?;
        let mut slots: Vec<_> = self.slots.into_iter().collect();
        slots.sort_unstable_by_key(|(key, _)| *key);
        for (key, slot) in &slots {
            store(if slot.stored { &mut update } else { &mut insert }, key, &slot.delivery)?;
            if !slot.stored {
                keys.push((key::delivery(slot.id), key.uid));
            }
        }
        Ok(())
    }
}

fn store(statement: &mut rusqlite::Statement<'_>, key: &Key, d: &Delivery) -> Result<(), Fault> {
    let (waiting, ending) = (d.waiting.as_ref(), d.ending.as_ref());
    let why = waiting.and_then(|waiting| waiting.why);
    statement.execute(params![
        key.uid.as_bytes().as_slice(),
        key.route,
        key.part,
        key.run,
        d.state().code(),
        d.destination,
        d.known,
        d.set_aside,
        d.out.map(|out| out.0),
        d.out.map(|out| out.1),
        waiting.and_then(|waiting| waiting.place.subject),
        waiting.map(|waiting| waiting.place.position),
        why.map(|(why, _)| parked_code(why)),
        why.map(|(_, at)| at.micros()),
        ending.map(|ending| State::from(ending.outcome).code()),
        ending.and_then(|ending| ending.place.subject),
        ending.map(|ending| ending.place.position),
        ending.map(|ending| ending.at.micros()),
        d.attempts,
        d.possible_duplicate,
        ending.and_then(|ending| ending.answer),
        ending.and_then(|ending| ending.findings.as_deref()),
        d.routed_findings,
        ending.and_then(|ending| ending.actor.as_deref()),
        ending.and_then(|ending| ending.reason.as_deref()),
        d.chained.as_ref().map(|uid| uid.as_bytes().as_slice()),
    ])?;
    Ok(())
}

/// The delivery that waits at a place in PARK.
fn at_place(tx: &Transaction<'_>, place: Origin) -> Result<Option<Key>, Fault> {
    let mut statement =
        tx.prepare_cached("SELECT uid, route, part, run FROM delivery WHERE park_subject = ?1 AND park_position = ?2")?;
    let key = |row: &Row<'_>| {
        let uid = MessageUid::from_bytes(row.get(0)?);
        Ok(Key { uid, route: row.get(1)?, part: row.get(2)?, run: row.get(3)? })
    };
    Ok(statement.query_row((place.subject, place.position), key).optional()?)
}

fn load(tx: &Transaction<'_>, key: Key) -> Result<Option<Delivery>, Fault> {
    let mut statement = tx.prepare_cached(LOAD)?;
    Ok(statement
        .query_row(params![key.uid.as_bytes().as_slice(), key.route, key.part, key.run], delivery)
        .optional()?)
}

/// A row of [`columns`].
fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let out: Option<i64> = row.get(3)?;
    let park: Option<i64> = row.get(6)?;
    let why = row.get::<_, Option<i64>>(7)?.and_then(parked);
    let since = row.get::<_, Option<i64>>(8)?.unwrap_or(0);
    let outcome = row.get::<_, Option<i64>>(9)?.and_then(outcome_of);
    let place = At { subject: row.get(10)?, position: row.get::<_, Option<i64>>(11)?.unwrap_or(0) };
    let at = Timestamp::from_micros(row.get::<_, Option<i64>>(12)?.unwrap_or(0));
    let (answer, findings, actor, reason) = (row.get(15)?, row.get(16)?, row.get(18)?, row.get(19)?);
    let park_subject = row.get(5)?;
    let out_position: Option<i64> = row.get(4)?;
    Ok(Delivery {
        destination: row.get(0)?,
        known: row.get(1)?,
        set_aside: row.get(2)?,
        out: out.zip(out_position),
        waiting: park.map(|position| Waiting {
            place: At { subject: park_subject, position },
            why: why.map(|why| (why, Timestamp::from_micros(since))),
        }),
        ending: outcome.map(|outcome| Ending { outcome, place, at, answer, findings, actor, reason }),
        attempts: row.get(13)?,
        possible_duplicate: row.get(14)?,
        routed_findings: row.get(17)?,
        chained: row.get::<_, Option<[u8; 16]>>(20)?.map(MessageUid::from_bytes),
    })
}

/// An outcome from its state's number.
pub(in crate::sqlite) fn outcome_of(code: i64) -> Option<Outcome> {
    let state = State::from_code(code)?;
    Outcome::ALL.into_iter().find(|outcome| State::from(*outcome) == state)
}

/// In the order of their numbers in storage, from 1.
const PARKED: [Parked; 6] =
    [Parked::Held, Parked::Stalled, Parked::Follows, Parked::Quarantined, Parked::Rerun, Parked::Paused];

pub(in crate::sqlite) fn parked_code(why: Parked) -> i64 {
    PARKED.iter().zip(1..).find(|(known, _)| **known == why).map_or(0, |(_, code)| code)
}

/// The number of the word for why a delivery is parked.
pub(in crate::sqlite) fn parked_word_code(word: &str) -> Option<i64> {
    PARKED.into_iter().find(|why| why.word() == word).map(parked_code)
}

/// Why a delivery is parked, from its number.
pub(in crate::sqlite) fn parked(code: i64) -> Option<Parked> {
    PARKED.into_iter().find(|why| parked_code(*why) == code)
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
