//! A message between its last byte and its answer: waiting to be durable, then perhaps for a destination's answer.
//!
//! It is polled by its connection (several in order) or its request (one); it holds no timer of its own, the owner wakes
//! it at [`Pending::deadline`].

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use barid_hl7::Header;
use barid_hl7::ack::{Disposition, Mode};
use barid_model::{Digest, Finding, Name};
use barid_pipeline::Chain;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::accept::{AcceptError, AnswerForSender, Ticket};
use crate::context::Gate;
use crate::traced::Traced;

/// A message that has to be answered.
pub(crate) struct Pending {
    /// What it is answered with.
    pub(crate) header: Header,
    /// Which acknowledgement it gets.
    pub(crate) mode: Mode,
    /// Whether it is itself a response.
    pub(crate) is_response: bool,
    /// When its last byte was read.
    pub(crate) read: Instant,
    /// Bytes it came as: what its connection holds for it until it is answered.
    pub(crate) bytes: usize,
    /// What is told of its way.
    pub(crate) trace: Option<Box<Traced>>,
    /// Its sender is too fast: not answered before.
    not_before: Option<Instant>,
    channel: Option<Name>,
    step: Step,
}

enum Step {
    Durable { ticket: Ticket, deadline: Instant, waits: Option<(Digest, Duration)>, chain: Option<Chain> },
    Answer(BoxFuture<'static, Option<AnswerForSender>>),
    Settled(Settled),
}

/// A message on its way into the log.
pub(crate) struct OnTheWay {
    pub(crate) ticket: Ticket,
    /// When it has to be durable at the latest.
    pub(crate) deadline: Instant,
    pub(crate) channel: Option<Name>,
    /// Where its sender's answer will be found, and how long it waits for that.
    pub(crate) waits: Option<(Digest, Duration)>,
    /// What must not be stored where this is not.
    pub(crate) chain: Option<Chain>,
}

/// What a message's sender is told.
#[derive(Debug, Clone)]
pub(crate) enum Settled {
    /// It is durable.
    Accepted,
    /// What a destination said of it.
    Answered(AnswerForSender),
    /// It is durable, but no destination answered in time.
    NoAnswer,
    /// Its content is refused.
    Refused { disposition: Disposition, findings: Vec<Finding>, unreadable: bool },
    /// It is refused for our reasons.
    Ours(AcceptError),
    /// Nothing.
    Silent,
}

impl Pending {
    /// A message that is to be answered so.
    pub(crate) fn settled(header: Header, mode: Mode, is_response: bool, read: Instant, settled: Settled) -> Self {
        let step = Step::Settled(settled);
        Self { header, mode, is_response, read, bytes: 0, trace: None, not_before: None, channel: None, step }
    }

    /// A message on its way into the log.
    pub(crate) fn durable(self, on_the_way: OnTheWay) -> Self {
        let OnTheWay { ticket, deadline, channel, waits, chain } = on_the_way;
        Self { channel, step: Step::Durable { ticket, deadline, waits, chain }, ..self }
    }

    /// The same, whose way is told.
    pub(crate) fn traced(self, trace: Option<Box<Traced>>) -> Self {
        Self { trace, ..self }
    }

    /// The same, not answered before its sender's turn.
    pub(crate) fn not_before(self, turn: Option<Instant>) -> Self {
        Self { not_before: turn, ..self }
    }

    /// When it is answered at the earliest, where its sender is too fast.
    pub(crate) fn turn(&self) -> Option<Instant> {
        self.not_before
    }

    /// A resend whose answer is waited for again.
    pub(crate) fn answer(self, gate: &Gate, (key, timeout): (Digest, Duration)) -> Self {
        let answer = gate.shared.parts.accept.wait_answer(key, timeout);
        Self { step: Step::Answer(answer), ..self }
    }

    /// What its sender is told, once that is known.
    pub(crate) fn outcome(&self) -> Option<&Settled> {
        match &self.step {
            Step::Settled(settled) => Some(settled),
            Step::Durable { .. } | Step::Answer(_) => None,
        }
    }

    /// Why it is refused, where that is for our reasons.
    pub(crate) fn ours(&self) -> Option<&AcceptError> {
        match &self.step {
            Step::Settled(Settled::Ours(error)) => Some(error),
            _ => None,
        }
    }

    /// Whether it is refused for our reasons.
    pub(crate) fn is_ours(&self) -> bool {
        self.ours().is_some()
    }

    /// Refuses it for the reason that one before it was, unless it is answered already. What was submitted may become
    /// durable all the same; its resend is then recognised.
    pub(crate) fn refuse(&mut self, error: &AcceptError) {
        if matches!(self.step, Step::Durable { .. }) {
            self.step = Step::Settled(Settled::Ours(error.clone()));
        }
    }

    /// When it has to be polled at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        // What it waits for may come before its turn, and nobody would poll it again then.
        let turn = self.not_before.filter(|turn| *turn > Instant::now());
        match &self.step {
            Step::Durable { deadline, .. } => Some(turn.map_or(*deadline, |turn| turn.min(*deadline))),
            Step::Answer(_) => turn,
            Step::Settled(_) => self.not_before,
        }
    }

    /// Ready once it is to be answered.
    pub(crate) fn poll(&mut self, gate: &Arc<Gate>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let next = match &mut self.step {
                Step::Settled(_) if self.not_before.is_some_and(|turn| Instant::now() < turn) => return Poll::Pending,
                Step::Settled(_) => return Poll::Ready(()),
                Step::Durable { ticket, deadline, waits, chain } => match ticket.poll_unpin(cx) {
                    Poll::Ready(Ok(())) => {
                        if let Some(trace) = &mut self.trace {
                            trace.appended(None);
                        }
                        gate.meters.accepted(self.channel.as_ref());
                        durable(gate, self.read, *waits)
                    }
                    Poll::Ready(Err(error)) => Step::Settled(Settled::Ours(error)),
                    Poll::Pending if Instant::now() >= *deadline => {
                        // Before its ticket goes: without one it is passed over in the queue, and those behind it come first.
                        chain.iter().for_each(Chain::cut);
                        Step::Settled(Settled::Ours(AcceptError::Late))
                    }
                    Poll::Pending => return Poll::Pending,
                },
                Step::Answer(answer) => match answer.poll_unpin(cx) {
                    Poll::Ready(Some(answer)) => Step::Settled(Settled::Answered(answer)),
                    Poll::Ready(None) => Step::Settled(Settled::NoAnswer),
                    Poll::Pending => return Poll::Pending,
                },
            };
            self.step = next;
        }
    }
}

/// What follows when a message is durable; a sender's patience counts from its last byte.
fn durable(gate: &Gate, read: Instant, waits: Option<(Digest, Duration)>) -> Step {
    match waits {
        None => Step::Settled(Settled::Accepted),
        Some((key, timeout)) => {
            Step::Answer(gate.shared.parts.accept.wait_answer(key, timeout.saturating_sub(read.elapsed())))
        }
    }
}
