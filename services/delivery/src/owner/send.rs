//! Sending lane heads, and what their answers mean.

use barid_config::document::OnReject;
use barid_model::record::{Answer, Parked};
use barid_model::{DeliveryId, Finding, Outcome, Timestamp};

use super::circuit::pause;
use super::suspects::Blamed;
use super::write::Ending;
use super::{Owner, OwnerError, Plan};
use crate::connect::{Backoff, Outgoing, Sent, Verdict};
use crate::traced::Traced;
use crate::window::{Entry, EntryId, Phase, Place};

impl Owner {
    /// Hands lane heads to idle connections, as far as circuit, pause and send limit allow.
    pub(super) fn send(&mut self) {
        let now = self.now();
        if self.plan.paused {
            return;
        }
        let allowed = self.circuit.allows(self.plan.connections, now);
        while self.slots.busy() < allowed && self.slots.has_idle() {
            let Some(id) = self.next() else { return };
            if !self.expire(id) {
                self.start(id);
            }
        }
    }

    /// The next head to send; where some are suspected of being the destination's trouble, as that asks for.
    fn next(&mut self) -> Option<EntryId> {
        let commit = self.commits.stored();
        let may_be_sent = |entry: &Entry| match entry.place {
            Place::Out { partition, position } => position <= commit.limit(partition),
            Place::Park(_) => true,
        };
        if self.suspects.is_empty() {
            return self.window.take_ready(may_be_sent);
        }
        let (window, suspects) = (&mut self.window, &mut self.suspects);
        suspects.retain(|id| window.get(id).is_some());
        if suspects.is_solo() {
            return None;
        }
        if suspects.is_silent() {
            return window.take_first(|id, entry| may_be_sent(entry).then(|| suspects.rank(id)));
        }
        let alone = suspects.alone();
        if !alone.iter().any(|id| window.is_ready(*id)) {
            return window.take_ready(may_be_sent);
        }
        let first = |id, entry: &Entry| (alone.contains(&id) && may_be_sent(entry)).then_some(id);
        if self.slots.busy() > 0 { None } else { window.take_first(first) }
    }

    fn start(&mut self, id: EntryId) {
        let Some(entry) = self.window.get_mut(id) else { return };
        entry.attempts = entry.attempts.saturating_add(1);
        let out = Outgoing {
            trace: entry.trace.as_deref_mut().and_then(Traced::sending),
            possible_duplicate: entry.possible_duplicate,
            ..Outgoing::new(std::sync::Arc::clone(&entry.record))
        };
        match self.slots.start(id, out) {
            Ok(()) => self.suspects.sending(id),
            Err(id) => self.window.again(id),
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
        let possible_duplicate = entry.possible_duplicate;
        let out = Outgoing { possible_duplicate, ..Outgoing::new(std::sync::Arc::clone(&entry.record)) };
        let attempts = entry.attempts;
        if let Sent::Failed(error) = sent {
            entry.possible_duplicate |= error.may_have_arrived;
        }
        let answer = match sent {
            Sent::Answered(answered) => Some(answered.answer.clone()),
            Sent::Failed(_) | Sent::Unsendable(_) => None,
        };
        let verdict = (self.plan.judge)(&out, sent, attempts, awaited);
        if let Some(trace) = self.window.get_mut(id).and_then(|entry| entry.trace.as_mut()) {
            trace.sent(&out, sent, &verdict, attempts);
        }
        self.options.shared.attempted(&out, sent, &verdict, attempts, self.options.clock.now());
        let blamed = self.weigh(id, sent, &verdict);
        if let Some(command) = self.meant.remove(&id) {
            self.carry_out(id, command, &verdict);
        }
        if self.window.get(id).is_some_and(|entry| entry.phase == Phase::Sending) {
            if let Verdict::Retry { scope: Backoff::Destination, .. } = verdict {
                self.say_unreachable(sent);
            }
            self.decide(id, verdict, answer);
        }
        if let Some(blamed) = blamed {
            self.blame(blamed);
        }
    }

    /// What an attempt says of the destination, and of the messages it was silent to before.
    fn weigh(&mut self, id: EntryId, sent: &Sent, verdict: &Verdict) -> Option<Blamed> {
        self.suspects.back(id);
        if matches!(verdict, Verdict::Retry { scope: Backoff::Destination, .. }) {
            if let Some(cause) = sent.suspicion() {
                self.suspects.failed(id, cause);
            }
            return None;
        }
        // What cannot be sent says nothing of who would have got it.
        if !matches!(sent, Sent::Answered(_)) {
            return None;
        }
        self.circuit.closed();
        self.suspects.answered(id)
    }

    fn say_unreachable(&self, sent: &Sent) {
        if self.circuit.failures() == 0 {
            let cause = sent.summary();
            tracing::warn!(destination = %self.options.destination, cause, "destination cannot be reached, messages wait");
        }
    }

    /// The destination was silent to this message again, while it answers others.
    fn blame(&mut self, blamed: Blamed) {
        let Blamed { id, times, cause } = blamed;
        let Some(entry) = self.window.get(id).filter(|entry| entry.phase.is_movable()) else { return };
        let delivery = entry.record.id;
        if times < self.plan.unanswered || self.plan.on_reject == OnReject::Retry && !self.is_awaited(id) {
            tracing::warn!(destination = %self.options.destination, %delivery, times, cause, "a message gets no answer while others do: its lane backs off");
            if entry.phase != Phase::BackingOff {
                self.back_off_lane(id, times.saturating_sub(1), None);
            }
            return;
        }
        tracing::warn!(destination = %self.options.destination, %delivery, times, cause, "a message got no answer too often while others did");
        let text = format!("no answer to this message {times} times in a row, while others were answered: {cause}");
        let finding = Finding::error(207, "", "destination.unanswered", text);
        let verdict = match self.plan.on_reject {
            _ if self.is_awaited(id) => Verdict::Rejected(finding),
            OnReject::Hold => Verdict::Hold(finding),
            OnReject::Quarantine | OnReject::Retry => Verdict::Quarantine(finding),
        };
        self.decide(id, verdict, None);
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
        let tries = entry.attempts;
        match scope {
            Backoff::Lane => self.back_off_lane(id, tries.saturating_sub(1), after),
            Backoff::Destination => {
                let (now, seed, delivery) = (self.now(), seed(entry), entry.record.id);
                if let Some(failures) = self.suspects.is_known_for_it(id) {
                    self.circuit.failed(now, |_| wait(&self.plan, 0, seed, after));
                    return self.back_off_lane(id, failures.saturating_sub(1), after);
                }
                self.circuit.failed(now, |tries| wait(&self.plan, tries, seed, after));
                self.tell_next(delivery, self.circuit.opens_at());
                self.window.again(id);
            }
        }
    }

    /// The lanes of this one wait, and nothing else does; `tries` failed before.
    fn back_off_lane(&mut self, id: EntryId, tries: u32, after: Option<std::time::Duration>) {
        let Some(entry) = self.window.get(id) else { return };
        let at = self.now().plus(wait(&self.plan, tries, seed(entry), after));
        self.tell_next(entry.record.id, Some(at));
        self.window.wait_until(id, at);
    }

    /// For who asks: when a delivery may be tried again, by the clock.
    fn tell_next(&self, delivery: DeliveryId, at: Option<Timestamp>) {
        let at = at.map(|at| self.options.clock.now().plus(at.since(self.now())));
        self.options.shared.next_try(delivery, at);
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

/// What jitter follows from.
fn seed(entry: &Entry) -> u64 {
    let [.., last] = *entry.record.id.as_bytes();
    u64::from(last) * 97 + u64::from(entry.attempts) * 31
}

fn wait(plan: &Plan, tries: u32, seed: u64, after: Option<std::time::Duration>) -> std::time::Duration {
    let own = pause(plan.retry_initial, plan.retry_max, tries, seed);
    after.map_or(own, |asked| asked.clamp(own.min(plan.retry_max), plan.retry_max))
}
