//! The messages of one connection that are not at their end yet, in the order of sending.

use std::collections::VecDeque;
use std::time::Duration;

use barid_hl7::ack::{self, AckCode};
use bytes::Bytes;

use super::{Done, Outbound, Report, Shared};

/// The receiver's own trouble, HL7 table 0357: the same message may be taken later.
const INTERNAL: &str = "207";

/// An answer as far as a sender needs it.
pub(super) struct Answer {
    pub(super) control_id: Bytes,
    pub(super) code: String,
    pub(super) verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Refused,
    /// Not now.
    Later,
}

impl Answer {
    /// Reads an acknowledgement; none where it is none.
    pub(super) fn read(frame: Bytes) -> Option<Self> {
        let ack = ack::read(frame).ok()?;
        let verdict = match ack.code {
            AckCode::AA | AckCode::CA => Verdict::Accepted,
            _ if ack.error_codes.first().is_some_and(|code| code == INTERNAL) => Verdict::Later,
            _ => Verdict::Refused,
        };
        Some(Self { control_id: ack.control_id, code: ack.code.as_str().to_owned(), verdict })
    }
}

struct Waiting {
    message: Outbound,
    sequence: u64,
    due: Duration,
    sent: Option<Duration>,
    /// When it was written on this connection.
    written: Duration,
    attempts: u32,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be written on this connection.
    Unwritten,
    /// Written on this connection, not answered.
    Written,
    /// Refused for now.
    Later,
}

/// What one connection has in hand.
pub(super) struct Flight<'a> {
    shared: &'a Shared,
    connection: usize,
    waiting: VecDeque<Waiting>,
    next: u64,
    /// When the last answer came or the first message went out, since the start.
    last: Duration,
    pub(super) report: Report,
}

impl<'a> Flight<'a> {
    pub(super) fn new(connection: usize, shared: &'a Shared) -> Self {
        let (waiting, report) = (VecDeque::new(), Report::default());
        Self { shared, connection, waiting, next: 0, last: shared.schedule.elapsed(), report }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a message in hand.
    pub(super) fn take(&mut self, message: Outbound, due: Option<Duration>) {
        if self.waiting.is_empty() {
            self.last = self.shared.schedule.elapsed();
        }
        let (sequence, due) = (self.next, due.unwrap_or_else(|| self.shared.schedule.elapsed()));
        self.next += 1;
        self.waiting.push_back(Waiting {
            message,
            sequence,
            due,
            sent: None,
            written: due,
            attempts: 0,
            state: State::Unwritten,
        });
    }

    /// What is to be written now, in order; counts it as written.
    pub(super) fn write(&mut self, mut put: impl FnMut(&Outbound)) {
        let now = self.shared.schedule.elapsed();
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.state == State::Unwritten) {
            put(&waiting.message);
            waiting.state = State::Written;
            waiting.attempts += 1;
            waiting.sent.get_or_insert(now);
            waiting.written = now;
            self.report.bytes += waiting.message.bytes.len() as u64;
        }
    }

    /// An answer came. One that no message waits for is counted and otherwise let pass.
    pub(super) fn answered(&mut self, answer: &Answer) {
        self.last = self.shared.schedule.elapsed();
        let owner =
            |waiting: &Waiting| waiting.state == State::Written && waiting.message.control_id == answer.control_id;
        let Some(at) = self.waiting.iter().position(owner) else {
            self.report.unexpected += 1;
            return;
        };
        if answer.verdict == Verdict::Later && self.shared.load.resend {
            if let Some(waiting) = self.waiting.get_mut(at) {
                waiting.state = State::Later;
            }
        } else if let Some(waiting) = self.waiting.remove(at) {
            self.end(waiting, answer.code.clone(), answer.verdict == Verdict::Accepted, Some(self.last));
        }
    }

    /// Whether messages were refused for now and all others are answered: time to send them again, in order.
    pub(super) fn is_refused(&self) -> bool {
        self.has_refused() && self.waiting.iter().all(|waiting| waiting.state != State::Written)
    }

    /// When the message that waits longest for its answer was written, since the start.
    pub(super) fn oldest(&self) -> Option<Duration> {
        let written = self.waiting.iter().filter(|waiting| waiting.state == State::Written);
        written.map(|waiting| waiting.written).min()
    }

    /// Whether a message was refused for now: nothing new may overtake it.
    pub(super) fn has_refused(&self) -> bool {
        self.waiting.iter().any(|waiting| waiting.state == State::Later)
    }

    /// All that is in hand goes out again on the next connection, or ends here.
    pub(super) fn again(&mut self) {
        let patience = self.shared.load.give_up;
        if self.shared.load.resend && self.shared.schedule.elapsed().saturating_sub(self.last) < patience {
            self.waiting.iter_mut().for_each(|waiting| waiting.state = State::Unwritten);
            return;
        }
        while let Some(waiting) = self.waiting.pop_front() {
            self.end(waiting, String::new(), false, None);
        }
    }

    fn end(&mut self, waiting: Waiting, code: String, is_accepted: bool, answered: Option<Duration>) {
        let done = Done {
            connection: self.connection,
            sequence: waiting.sequence,
            control_id: waiting.message.control_id,
            sent: waiting.sent.unwrap_or_default(),
            answered,
            code,
            is_accepted,
            attempts: waiting.attempts,
        };
        self.report.ended(&done, waiting.due);
        if let Some(observe) = &self.shared.observe {
            observe(&done);
        }
    }
}
