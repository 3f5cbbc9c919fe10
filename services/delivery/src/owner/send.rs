//! Sending lane heads, and what their answers mean.

use barid_model::record::{Answer, Parked};
use barid_model::{Finding, Outcome, Timestamp};

use super::circuit::pause;
use super::write::Ending;
use super::{Owner, OwnerError, Plan};
use crate::connect::{Backoff, Outgoing, Sent, Verdict};
use crate::window::{EntryId, Place};

impl Owner {
    /// Hands lane heads to idle connections, as far as circuit, pause and send limit allow.
    pub(super) fn send(&mut self) {
        let now = self.now();
        if self.plan.paused {
            return;
        }
        let allowed = self.circuit.allows(self.plan.connections, now);
        while self.slots.busy() < allowed && self.slots.has_idle() {
            let commit = self.commits.stored();
            let next = self.window.take_ready(|entry| match entry.place {
                Place::Out { partition, position } => position <= commit.limit(partition),
                Place::Park(_) => true,
            });
            let Some(id) = next else { return };
            if !self.expire(id) {
                self.start(id);
            }
        }
    }

    fn start(&mut self, id: EntryId) {
        let Some(entry) = self.window.get_mut(id) else { return };
        entry.attempts = entry.attempts.saturating_add(1);
        let out =
            Outgoing { record: std::sync::Arc::clone(&entry.record), possible_duplicate: entry.possible_duplicate };
        if let Err(id) = self.slots.start(id, out) {
            self.window.again(id);
        }
    }

    /// A query whose caller has left is not sent: nobody wants its answer.
    fn expire(&mut self, id: EntryId) -> bool {
        let Some(entry) = self.window.get(id) else { return true };
        let query = entry.record.waits.as_ref().is_some_and(|caller| caller.waits.query);
        if query && !self.is_awaited(id) {
            self.end(id, Ending::of(Outcome::Expired));
            return true;
        }
        false
    }

    /// Whether a sender still waits for this delivery's answer.
    pub(super) fn is_awaited(&self, id: EntryId) -> bool {
        let Some(entry) = self.window.get(id) else { return false };
        let now: Timestamp = self.options.clock.now();
        let deadline = |caller: &barid_model::record::WaitingCaller| entry.record.received.plus(caller.waits.timeout);
        entry.record.waits.as_ref().is_some_and(|caller| now < deadline(caller))
    }

    /// An attempt has ended.
    pub(super) fn answered(&mut self, id: EntryId, sent: &Sent) {
        let awaited = self.is_awaited(id);
        let Some(entry) = self.window.get_mut(id) else { return };
        let out =
            Outgoing { record: std::sync::Arc::clone(&entry.record), possible_duplicate: entry.possible_duplicate };
        let attempts = entry.attempts;
        if let Sent::Failed(error) = sent {
            entry.possible_duplicate |= error.may_have_arrived;
        }
        let answer = match sent {
            Sent::Answered(answered) => Some(answered.answer.clone()),
            Sent::Failed(_) | Sent::Unsendable(_) => None,
        };
        let verdict = (self.plan.judge)(&out, sent, attempts, awaited);
        self.options.shared.attempted(sent, &verdict);
        if !matches!(verdict, Verdict::Retry { scope: Backoff::Destination, .. }) {
            self.circuit.closed();
        }
        self.decide(id, verdict, answer);
    }

    fn decide(&mut self, id: EntryId, verdict: Verdict, answer: Option<Answer>) {
        match verdict {
            Verdict::Delivered => {
                self.end(id, Ending { answer, ..Ending::of(Outcome::Delivered) });
                self.window.go_ahead(id, self.plan.repeat_bound);
            }
            Verdict::Rejected(finding) => {
                self.end(id, Ending { answer, findings: vec![finding], ..Ending::of(Outcome::Rejected) });
            }
            Verdict::Quarantine(finding) => self.quarantine(id, vec![finding], answer),
            Verdict::Hold(finding) => {
                tracing::warn!(destination = %self.options.destination, code = finding.code, "a lane is held for a person");
                self.park_lanes(id, Parked::Held, vec![finding]);
            }
            Verdict::Retry { scope, after } => self.retry(id, scope, after),
        }
    }

    fn retry(&mut self, id: EntryId, scope: Backoff, after: Option<std::time::Duration>) {
        let Some(entry) = self.window.get(id) else { return };
        let (now, attempts) = (self.now(), entry.attempts);
        let [.., seed] = *entry.record.id.as_bytes();
        let seed = u64::from(seed) * 97 + u64::from(attempts) * 31;
        let wait = |tries| wait(&self.plan, tries, seed, after);
        match scope {
            Backoff::Lane => self.window.wait_until(id, now.plus(wait(attempts.saturating_sub(1)))),
            Backoff::Destination => {
                self.circuit.failed(now, wait);
                if self.circuit.failures() == 1 {
                    tracing::warn!(destination = %self.options.destination, "destination cannot be reached, messages wait");
                }
                self.window.again(id);
            }
        }
    }

    /// Sets an entry aside; its lanes go on when that is durable.
    pub(super) fn quarantine(&mut self, id: EntryId, findings: Vec<Finding>, answer: Option<Answer>) {
        let ending = Ending { answer, findings, ..Ending::of(Outcome::Quarantined) };
        self.window.recording(id);
        self.write_quarantine(id, ending);
    }

    /// Moves the send limit where reading has come near it. Nothing beyond it is sent before it is durable.
    pub(super) async fn extend_limit(&mut self) -> Result<(), OwnerError> {
        if !std::mem::take(&mut self.has_read) {
            return Ok(());
        }
        let stored = self.commits.stored();
        let near = self.options.partitions.all().any(|partition| {
            let read = self.window.read(partition);
            read > 0 && read + super::commit::LIMIT_MARGIN > stored.limit(partition)
        });
        if near { self.commit(false).await } else { Ok(()) }
    }
}

fn wait(plan: &Plan, tries: u32, seed: u64, after: Option<std::time::Duration>) -> std::time::Duration {
    let own = pause(plan.retry_initial, plan.retry_max, tries, seed);
    after.map_or(own, |asked| asked.clamp(own.min(plan.retry_max), plan.retry_max))
}
