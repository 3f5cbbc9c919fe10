//! Taking deliveries into the window, from OUT and back from PARK; and what may not enter it.

use std::sync::Arc;

use barid_log::{Position, ReadLimit};
use barid_model::record::{OutRecord, ParkEvent, ParkRecord, Parked, Record as _};
use barid_model::{DeliveryId, Finding};
use barid_pipeline::subject;

use super::circuit::pause;
use super::{OutBatch, Owner, OwnerError};
use crate::parking::Offer;
use crate::traced::{self, Traced};
use crate::window::{Entry, EntryId, Phase, Place, shares_lane};

/// Records of PARK looked at in one step; the rest waits for the next, so that sends are not held up.
const PARK_READ: ReadLimit = ReadLimit { records: 128, bytes: 4 << 20 };

impl Owner {
    /// Takes what was read of OUT.
    pub(super) fn batch(&mut self, batch: OutBatch) -> Result<(), OwnerError> {
        let OutBatch { partition, batch } = batch;
        self.has_read = true;
        for damage in &batch.damaged {
            tracing::error!(place = %damage.place, %partition, "routed messages cannot be read back from the log");
            for position in damage.from.0..=damage.to.0 {
                self.window.skip(partition, position, u64::MAX);
            }
        }
        let mut waits = self.taken();
        for entry in batch.entries {
            let position = entry.position.0;
            if position <= self.window.read(partition) {
                continue;
            }
            if let Some(outcome) = self.overflow.passed(partition, position) {
                self.window.skip(partition, position, outcome);
                continue;
            }
            let record = OutRecord::decode(entry.record).map_err(|source| OwnerError::Record {
                subject: format!("out.{}.{partition}", self.options.destination.subject_part()),
                position,
                source,
            })?;
            let mut taken = Entry::from_out(Arc::new(record), partition, position, self.now());
            taken.possible_duplicate =
                self.recovered.may_have_sent(partition, position, &taken.record, self.plan.repeat_bound);
            let has_place = self.has_place(waits, partition, position);
            waits += u64::from(has_place);
            self.take(taken, has_place);
        }
        Ok(())
    }

    fn take(&mut self, entry: Entry, has_place: bool) {
        let record = Arc::clone(&entry.record);
        let id = self.window.admit(entry);
        if let Some(findings) = &record.set_aside {
            self.quarantine(id, findings.clone(), None);
        } else if !has_place {
            self.quarantine(id, vec![super::overflow::reason()], None);
        } else if self.parking.blocks(&record) {
            self.park(id, Parked::Follows, Vec::new());
        } else if self.options.paused.borrow().contains(&record.channel) {
            self.park(id, Parked::Paused, Vec::new());
        }
    }

    /// Lets back what may come back from PARK.
    pub(super) async fn read_park(&mut self) -> Result<(), OwnerError> {
        let Some(from) = self.wants_park() else { return Ok(()) };
        let park = subject::park(&self.options.destination)?;
        let batch = self.options.log.read(&park, Position(from), PARK_READ).await?;
        for entry in batch.entries {
            if !self.window.has_room() {
                return Ok(());
            }
            let position = entry.position.0;
            let event = ParkEvent::decode(entry.record).map_err(|source| OwnerError::Record {
                subject: park.to_string(),
                position,
                source,
            })?;
            match event {
                ParkEvent::Parked(record) => self.unpark(position, *record),
                ParkEvent::Ended(_) | ParkEvent::Held { .. } | ParkEvent::Released(_) => {
                    self.parking.passed(position + 1);
                }
            }
        }
        self.parking.passed(batch.next.0.max(from + 1));
        Ok(())
    }

    /// Where PARK is to be read now, if anything may come back from there.
    pub(super) fn wants_park(&mut self) -> Option<u64> {
        let window = &self.window;
        if self.stopping || !window.has_room() || !self.recovered.is_read_again(|partition| window.read(partition)) {
            return None;
        }
        self.parking.wants()
    }

    fn unpark(&mut self, position: u64, record: ParkRecord) {
        let paused = self.options.paused.borrow().contains(&record.delivery.channel);
        if self.parking.offer(position, &record, paused) == Offer::Pass {
            return;
        }
        let (now, bound) = (self.now(), self.plan.repeat_bound);
        let possible_duplicate = self.recovered.may_have_sent_parked(position, record.why, &record.delivery, bound)
            || record.possible_duplicate
            || self.parking.is_doubted(position);
        let pause = pause(self.plan.retry_initial, self.plan.retry_max, record.attempts, position);
        let entry = Entry {
            trace: Traced::resumed(&record.delivery).map(Box::new),
            record: Arc::new(record.delivery),
            place: Place::Park(position),
            out: record.out,
            phase: Phase::Waiting,
            attempts: record.attempts,
            possible_duplicate,
            admitted: now,
            not_before: (record.why == Parked::Stalled).then(|| now.plus(pause)),
            why: Some(record.why),
            gone_ahead: false,
        };
        self.window.admit(entry);
    }

    /// Parks an entry that stands in OUT; or takes one out of the window that stands in PARK already.
    pub(super) fn park(&mut self, id: EntryId, why: Parked, findings: Vec<Finding>) {
        // What is being recorded is decided on already.
        let Some(entry) = self.window.get(id).filter(|entry| entry.phase != Phase::Recording) else { return };
        let record = Arc::clone(&entry.record);
        match entry.place {
            Place::Out { .. } => {
                self.window.recording(id);
                self.write_park(id, why, findings);
            }
            Place::Park(position) => {
                if entry.possible_duplicate {
                    self.parking.doubt(position);
                }
                if let (Parked::Held, Some(parked_for)) = (why, entry.why) {
                    self.parking.hold(position, parked_for, &record);
                    self.write_held(id, position, findings);
                }
                if let Some(entry) = self.window.withdraw(id) {
                    traced::parked(&entry, why);
                }
                self.parking.withdrawn(position, &record);
            }
        }
    }

    /// Parks a lane head with all that follows it, so that the window can move on.
    pub(super) fn park_lanes(&mut self, head: EntryId, why: Parked, findings: Vec<Finding>) {
        let Some(entry) = self.window.get(head) else { return };
        let mut parked = vec![Arc::clone(&entry.record)];
        self.park(head, why, findings);
        for id in self.window.movable() {
            let Some(entry) = self.window.get(id).filter(|_| id > head) else { continue };
            let record = Arc::clone(&entry.record);
            if parked.iter().any(|before| shares_lane(before, &record)) {
                self.park(id, Parked::Follows, Vec::new());
                parked.push(record);
            }
        }
    }

    /// Parks what has kept the window's start for too long.
    pub(super) fn park_stalled(&mut self) {
        let since = self.now().minus(super::STALL_AFTER);
        for id in self.window.stalled(since) {
            tracing::warn!(destination = %self.options.destination, "a lane that is refused again and again is parked");
            let findings = self.window.get(id).and_then(|entry| self.last_failure(entry.record.id));
            self.park_lanes(id, Parked::Stalled, findings.into_iter().collect());
        }
    }

    /// Why the last try of a delivery failed.
    pub(super) fn last_failure(&self, delivery: DeliveryId) -> Option<Finding> {
        let trouble = self.options.shared.trouble(delivery)?;
        let text = format!("the last try failed: {}", trouble.tries.back()?.text);
        Some(Finding::error(207, "", "destination.retried", text))
    }

    /// The channels that are paused have changed.
    pub(super) fn channels_paused(&mut self) {
        let paused = Arc::clone(&self.options.paused.borrow_and_update());
        for id in self.window.movable() {
            let entry = self.window.get(id).filter(|entry| entry.phase.is_movable());
            let held = entry.is_some_and(|entry| paused.contains(&entry.record.channel));
            if held {
                self.park_lanes(id, Parked::Paused, Vec::new());
            }
        }
        self.parking.resume();
    }
}
