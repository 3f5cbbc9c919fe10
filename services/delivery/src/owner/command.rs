//! What a person can have done at a destination: release what is held, run again or give up what stands in PARK. What
//! only waits to be sent is ended by `waiting`.
//!
//! Pausing is no command here: it is part of the plan. Who asked and why is in the records written.

use std::sync::Arc;

pub use barid_custody::act::{Act, Refusal};
use barid_log::{Position, ReadLimit};
use barid_model::record::{OutRecord, OutcomeRecord, ParkEvent, ParkRecord, Parked, Record as _, WaitingCaller};
use barid_model::{DeliveryId, Outcome};
use barid_pipeline::subject;
use tokio::sync::oneshot;

use super::waiting::Meant;
use super::write::Over;
use super::{Owner, OwnerError};
use crate::window::{EntryId, Phase, Place};

/// What a person asks for; `reply` ends when what was decided is durable, so that no crash takes back what was said.
#[derive(Debug)]
pub struct Command {
    /// Who asks.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What.
    pub act: Act,
    /// Whether it was done.
    pub reply: oneshot::Sender<Result<u64, Refusal>>,
}

/// Somebody who is told that a command is done.
pub(super) struct Telling {
    reply: Reply,
    count: u64,
}

pub(super) type Reply = oneshot::Sender<Result<u64, Refusal>>;

impl Telling {
    pub(super) const fn new(reply: Reply, count: u64) -> Self {
        Self { reply, count }
    }

    /// It is durable.
    pub(super) fn done(self) {
        told(self.reply, Ok(self.count));
    }
}

pub(super) fn told(reply: Reply, done: Result<u64, Refusal>) {
    if reply.send(done).is_err() {
        tracing::debug!("who gave a command has left before it was carried out");
    }
}

impl Owner {
    pub(super) async fn command(&mut self, command: Command) -> Result<(), OwnerError> {
        let Command { actor, reason, act, reply } = command;
        // Who has been told meanwhile that nobody decided may have decided otherwise since.
        if reply.is_closed() {
            tracing::debug!("who gave a command has left before it was begun: it is not");
            return Ok(());
        }
        let done = match act {
            Act::Release(lane) => {
                let holders = self.parking.holders(lane);
                holders.iter().for_each(|position| self.write_released(*position));
                Ok(holders.len() as u64)
            }
            Act::ReleaseDelivery(position)
            | Act::Rerun(position)
            | Act::Remade { position, .. }
            | Act::Discard(position)
            | Act::SetAside(position) => match self.parked_at(position).await? {
                Some(record) => match self.on_its_way(&act, position, &record) {
                    Some((id, keep)) => {
                        self.end_in_window(id, Meant { keep, actor, reason, reply });
                        return Ok(());
                    }
                    None => self.act(&act, position, *record, &actor, &reason),
                },
                None => Err(Refusal::Gone),
            },
            Act::EndWaiting { delivery, out, keep } => {
                return self.end_waiting(delivery, out, Meant { keep, actor, reason, reply }).await;
            }
        };
        match done {
            Ok(count) if count > 0 => self.writing.tell(Telling { reply, count }),
            nothing => told(reply, nothing),
        }
        Ok(())
    }

    /// The entry of what came back from PARK and is being sent, where it is to be ended, and whether it is to be kept.
    fn on_its_way(&self, act: &Act, at: u64, record: &ParkRecord) -> Option<(EntryId, bool)> {
        let keep = match act {
            Act::Discard(_) => false,
            Act::SetAside(_) => true,
            _ => return None,
        };
        let id = self.window.find(record.delivery.id)?;
        let entry = self.window.get(id)?;
        (entry.phase == Phase::Sending && entry.place == Place::Park(at)).then_some((id, keep))
    }

    fn act(&mut self, act: &Act, at: u64, record: ParkRecord, actor: &str, reason: &str) -> Result<u64, Refusal> {
        match act {
            Act::Rerun(_) | Act::Remade { .. } if record.why != Parked::Quarantined => {
                return Err(Refusal::NotQuarantined);
            }
            Act::Rerun(_) if record.delivery.set_aside.is_some() => return Err(Refusal::NothingMade),
            Act::Rerun(_) => self.rerun(at, record),
            Act::Remade { payload, revision, .. } => {
                let delivery = OutRecord { payload: payload.clone(), revision: *revision, ..record.delivery };
                self.rerun(at, ParkRecord { delivery, ..record });
            }
            Act::ReleaseDelivery(_) | Act::Release(_) => self.write_released(at),
            Act::EndWaiting { .. } => return Err(Refusal::Gone),
            Act::Discard(_) | Act::SetAside(_) => {
                let entry = self.take_away(at, &record.delivery)?;
                // The lane of a held head that is taken away goes on when that is durable.
                let over =
                    Over { position: at, why: record.why, out: record.out, record: Arc::new(record.delivery.clone()) };
                if *act == Act::Discard(at) {
                    let outcome = self.by_person(at, &record, Outcome::Discarded, actor, reason);
                    self.write_outcome(outcome, entry, Some(over));
                } else {
                    let outcome = self.by_person(at, &record, Outcome::Quarantined, actor, reason);
                    let record = ParkRecord { why: Parked::Quarantined, ..record };
                    self.write_again(record, entry, over, Some(outcome));
                }
            }
        }
        if !matches!(act, Act::Release(_) | Act::ReleaseDelivery(_)) {
            self.parking.decide(at);
        }
        Ok(1)
    }

    fn rerun(&mut self, at: u64, record: ParkRecord) {
        let delivery = &record.delivery;
        let run = delivery.run.saturating_add(1);
        let id = DeliveryId::of(delivery.uid, &delivery.route, delivery.part, run);
        let left = |caller: WaitingCaller| WaitingCaller { waits: caller.waits.left(), ..caller };
        let waits = delivery.waits.clone().map(left);
        let again = OutRecord { id, run, set_aside: None, waits, ..delivery.clone() };
        let over = Over { position: at, why: record.why, out: record.out, record: Arc::new(delivery.clone()) };
        let record = ParkRecord {
            why: Parked::Rerun,
            at: self.options.clock.now(),
            attempts: 0,
            possible_duplicate: false,
            findings: Vec::new(),
            answer: None,
            delivery: again,
            ..record
        };
        self.write_again(record, None, over, None);
    }

    /// The entry of what has come back into the window: it is not sent any more, and keeps its lanes waiting until what
    /// was decided on it is durable.
    fn take_away(&mut self, at: u64, delivery: &OutRecord) -> Result<Option<EntryId>, Refusal> {
        let Some(id) = self.window.find(delivery.id) else { return Ok(None) };
        let Some(entry) = self.window.get(id) else { return Ok(None) };
        if !entry.phase.is_movable() || entry.place != Place::Park(at) {
            return Err(Refusal::Ended);
        }
        self.window.recording(id);
        Ok(Some(id))
    }

    fn by_person(&self, at: u64, record: &ParkRecord, outcome: Outcome, actor: &str, reason: &str) -> OutcomeRecord {
        let delivery = &record.delivery;
        OutcomeRecord {
            id: delivery.id,
            uid: delivery.uid,
            route: Arc::clone(&delivery.route),
            part: delivery.part,
            run: delivery.run,
            destination: delivery.destination.clone(),
            out: record.out,
            park: Some(at),
            outcome: Some(outcome),
            at: self.options.clock.now(),
            attempts: record.attempts,
            possible_duplicate: false,
            answer: record.answer.clone(),
            findings: record.findings.clone(),
            actor: Some(actor.to_owned()),
            reason: Some(reason.to_owned()),
            awaited: delivery.waits.as_ref().map(|caller| caller.key),
        }
    }

    /// What stands at this position of PARK and has not ended.
    async fn parked_at(&mut self, position: u64) -> Result<Option<Box<ParkRecord>>, OwnerError> {
        if self.parking.has_ended(position) || self.parking.is_decided(position) {
            return Ok(None);
        }
        let park = subject::park(&self.options.destination)?;
        let batch = self.options.log.read(&park, Position(position), ReadLimit { records: 1, bytes: 1 }).await?;
        let entry = batch.entries.into_iter().find(|entry| entry.position.0 == position);
        let Some(entry) = entry else { return Ok(None) };
        match ParkEvent::decode(entry.record) {
            Ok(ParkEvent::Parked(record)) => Ok(Some(record)),
            Ok(ParkEvent::Ended(_) | ParkEvent::Held { .. } | ParkEvent::Released(_)) => Ok(None),
            Err(source) => Err(OwnerError::Record { subject: park.to_string(), position, source }),
        }
    }
}
