//! From bytes to custody: the same for a frame and for a request.
//!
//! Messages are judged in batches, because a call of the stage costs more than a message where the stage is remote; they
//! are submitted one after the other, because that is the order they have.

use std::sync::Arc;
use std::time::Duration;

use barid_hl7::ack::{Disposition, Mode};
use barid_hl7::{Header, error_code};
use barid_model::record::RefusedRecord;
use barid_model::stage::StageError;
use barid_model::{Envelope, Finding, MessageType, Payload, Timestamp};
use barid_pipeline::Chain;
use barid_validate::{Accepted, ParseInput, Peer, Refusal, Rejected, Verdict};
use barid_volatile::Turn;
use bytes::Bytes;
use tokio::time::Instant;

use crate::accept::{AcceptError, Seen};
use crate::context::Gate;
use crate::pending::{OnTheWay, Pending, Settled};
use crate::traced::{Item, Traced};

/// How often a message that the stage crashes on is tried: the crash may have been another's fault.
const CRASHES_MAX: u32 = 3;
/// How long is waited between two tries of a stage that is away.
const STAGE_PAUSE: Duration = Duration::from_millis(100);

/// How long the refusal of a message of a facility that is too fast waits, so that it is not sent again at once.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Longest name that an unknown sender's refusal is recorded under, in characters: no facility's code is longer.
const CLAIMED_CHARS_MAX: usize = 64;

/// Messages that were read together from one peer.
pub(crate) struct Arrival<'a> {
    pub(crate) peer: &'a Arc<Peer>,
    /// When their last byte was read.
    pub(crate) received: Timestamp,
    /// The same, to measure by.
    pub(crate) read: Instant,
    /// W3C trace context.
    pub(crate) traceparent: Option<String>,
    /// Those that it must not overtake, where several are on their way.
    pub(crate) chain: Option<Chain>,
}

impl Gate {
    /// Judges messages; none where the stage gives no verdict on one within its bounds.
    pub(crate) async fn judge(&self, items: &mut [Item], arrival: &Arrival<'_>) -> Vec<Option<Verdict>> {
        if items.is_empty() {
            return Vec::new();
        }
        let bytes = items.iter().map(|item| item.raw.len() as u64).sum();
        self.meters.received.inc_by(items.len() as u64);
        self.meters.bytes.inc_by(bytes);
        let batch = items.iter_mut().map(|item| self.input(item, arrival)).collect();
        let verdicts = self.shared.parts.parse.call(batch).await;
        let mut judged = Vec::with_capacity(items.len());
        let mut verdicts = verdicts.into_iter();
        for item in items {
            let verdict = match verdicts.next() {
                Some(Ok(verdict)) => Some(verdict),
                Some(Err(error)) => self.judge_again(item, arrival, error).await,
                None => None,
            };
            item.parsed(verdict.as_ref());
            judged.push(verdict);
        }
        judged
    }

    fn input(&self, item: &mut Item, arrival: &Arrival<'_>) -> ParseInput {
        ParseInput {
            uid: item.uid,
            raw: Payload::new(item.raw.clone()),
            received: arrival.received,
            listener: self.name.clone(),
            peer: Arc::clone(arrival.peer),
            traceparent: item.parsing().or_else(|| arrival.traceparent.clone()),
            table: Arc::clone(&self.shared.rules.load().table),
        }
    }

    async fn judge_again(&self, item: &mut Item, arrival: &Arrival<'_>, first: StageError) -> Option<Verdict> {
        let deadline = Instant::now() + self.bounds().stage;
        let mut error = first;
        let mut crashes = 0;
        loop {
            if error == StageError::Crashed {
                crashes += 1;
            } else {
                tokio::time::sleep(STAGE_PAUSE).await;
            }
            if crashes >= CRASHES_MAX || Instant::now() >= deadline {
                tracing::error!(listener = %self.name, peer = %arrival.peer.origin, %error, "parse stage gave no verdict");
                return None;
            }
            error = match self.shared.parts.parse.call(vec![self.input(item, arrival)]).await.pop() {
                Some(Ok(verdict)) => return Some(verdict),
                Some(Err(error)) => error,
                None => StageError::Unavailable("no output".to_owned()),
            };
        }
    }

    /// Acts on a verdict. `tolerated` is what the transport let pass.
    pub(crate) async fn admit(
        &self,
        verdict: Option<Verdict>,
        item: Item,
        arrival: &Arrival<'_>,
        tolerated: Option<Finding>,
    ) -> Pending {
        let Item { raw, mut trace, .. } = item;
        let traced = trace.as_deref_mut();
        let pending = match verdict {
            None => {
                let reason = AcceptError::Unavailable("it could not be checked".to_owned());
                self.refuse_ours(&raw, arrival.read, reason)
            }
            Some(Verdict::NoReply(_)) => {
                self.meters.discarded("acknowledgement");
                Pending::settled(Header::default(), Mode::Standard, true, arrival.read, Settled::Silent)
            }
            Some(Verdict::Reject(rejected)) => self.reject(*rejected, raw, arrival, traced),
            Some(Verdict::Accept(accepted)) => self.accept(*accepted, raw, arrival, tolerated, traced).await,
        };
        pending.traced(trace)
    }

    /// A refusal for our reasons of a message that was not judged.
    pub(crate) fn refuse_ours(&self, raw: &Bytes, read: Instant, error: AcceptError) -> Pending {
        self.meters.refused(error.word());
        Pending::settled(Header::read(raw), self.ack_mode(), false, read, Settled::Ours(error))
    }

    /// A refusal of content, kept for people as far as there is room.
    pub(crate) fn reject(
        &self,
        rejected: Rejected,
        raw: Bytes,
        arrival: &Arrival<'_>,
        traced: Option<&mut Traced>,
    ) -> Pending {
        if let Some(traced) = traced {
            traced.refused(&rejected);
        }
        let Rejected { refusal, findings, header, ack, is_response, .. } = &rejected;
        let (header, mode, is_response) = (header.clone(), *ack, *is_response);
        let disposition = match refusal {
            Refusal::Error => Disposition::Error,
            Refusal::Reject => Disposition::Rejected,
            Refusal::Retry => {
                let text = findings.first().map(|finding| finding.text.clone()).unwrap_or_default();
                let error = AcceptError::Unavailable(text);
                self.meters.refused("channel");
                return Pending::settled(header, mode, is_response, arrival.read, Settled::Ours(error));
            }
        };
        self.meters.refused(if disposition == Disposition::Error { "error" } else { "reject" });
        let settled = Settled::Refused { disposition, findings: findings.clone(), unreadable: !header.is_present() };
        let code = barid_hl7::ack::AckCode::application(disposition).as_str();
        self.shared.parts.accept.refused(self.record(rejected, code, raw, arrival));
        Pending::settled(header, mode, is_response, arrival.read, settled)
    }

    /// A request of somebody who may not send here: its message was not read, so that nobody has us read for nothing.
    pub(crate) fn refuse_sender(&self, peer: &Peer, text: &'static str) {
        self.meters.refused("token");
        let finding = Finding::error(error_code::UNKNOWN_KEY, "", "sender.token", text);
        self.shared.parts.accept.refused(RefusedRecord {
            at: self.shared.parts.clock.now(),
            listener: self.name.clone(),
            origin: peer.origin.to_string(),
            facility: None,
            channel: None,
            control_id: Bytes::new(),
            message_type: MessageType::default(),
            code: "401".to_owned(),
            findings: vec![finding],
            raw: Payload::default(),
        });
    }

    fn record(&self, rejected: Rejected, code: &str, raw: Bytes, arrival: &Arrival<'_>) -> RefusedRecord {
        let kept = raw.len().min(self.spec.load().limits.refused_bytes);
        RefusedRecord {
            at: arrival.received,
            listener: self.name.clone(),
            origin: arrival.peer.origin.to_string(),
            facility: rejected.facility.or_else(|| claimed(&rejected.header)),
            channel: rejected.channel,
            control_id: Bytes::copy_from_slice(rejected.header.control_id()),
            message_type: rejected.message_type,
            code: code.to_owned(),
            findings: rejected.findings,
            // A copy: what is kept of a refused message must not keep its read buffer alive.
            raw: Payload::new(Bytes::copy_from_slice(raw.get(..kept).unwrap_or_default())),
        }
    }

    async fn accept(
        &self,
        accepted: Accepted,
        raw: Bytes,
        arrival: &Arrival<'_>,
        tolerated: Option<Finding>,
        mut traced: Option<&mut Traced>,
    ) -> Pending {
        let Accepted { mut envelope, header, ack, is_response } = accepted;
        if let Some(traced) = &mut traced {
            traced.accepted(&mut envelope);
        }
        let accept = &self.shared.parts.accept;
        let ours = |header, error: AcceptError| {
            self.meters.refused(error.word());
            Pending::settled(header, ack, is_response, arrival.read, Settled::Ours(error))
        };
        if let Err(error) = accept.admission(envelope.channel.as_ref()) {
            return ours(header, error);
        }
        let waits = envelope.waits.as_ref().map(|waits| (accept.answer_key(&envelope), waits.timeout));
        match accept.seen(&envelope) {
            Seen::No => {}
            Seen::Same(_) => {
                self.meters.duplicates.inc();
                accept.resent(&envelope);
                if let Some(traced) = traced {
                    traced.duplicate();
                }
                let again = Pending::settled(header, ack, is_response, arrival.read, Settled::Accepted);
                return match waits {
                    None => again,
                    Some(waits) => again.answer(self, waits),
                };
            }
            Seen::OtherBytes => {
                return self.reject(used_before(envelope, header, ack, is_response), raw, arrival, traced);
            }
        }
        envelope.findings.extend(tolerated);
        let channel = envelope.channel.clone();
        let shared = &self.shared;
        let turn = match shared.rules.load().rates.turn(&shared.pace, &envelope.facility.name) {
            Turn::Now => None,
            Turn::At(turn) => {
                self.meters.held.inc();
                Some(turn)
            }
            Turn::Refused => {
                return ours(header, AcceptError::TooFast).not_before(Some(Instant::now() + REFUSED_PAUSE));
            }
        };
        let pending = Pending::settled(header, ack, is_response, arrival.read, Settled::Silent);
        let deadline = arrival.read + self.bounds().durable;
        let chain = arrival.chain.clone();
        if chain.as_ref().is_some_and(Chain::is_cut) {
            return ours(pending.header, AcceptError::Earlier);
        }
        if let Some(traced) = traced {
            traced.appending();
        }
        let submitted =
            tokio::time::timeout_at(deadline, accept.submit(envelope, Payload::new(raw), chain.clone())).await;
        match submitted {
            Ok(Ok(ticket)) => pending.durable(OnTheWay { ticket, deadline, channel, waits, chain }).not_before(turn),
            Ok(Err(error)) => ours(pending.header, error),
            Err(_) => ours(pending.header, AcceptError::Late),
        }
    }
}

/// What an unknown sender calls itself in MSH-4; it cannot be taken for a document's name, which has a slash.
fn claimed(header: &Header) -> Option<Arc<str>> {
    let said = header.text(4, 1);
    let name: String =
        said.chars().take(CLAIMED_CHARS_MAX).map(|c| if c == '/' || c.is_control() { '_' } else { c }).collect();
    (!name.is_empty()).then(|| name.into())
}

/// The same control id with other bytes.
fn used_before(envelope: Envelope, header: Header, ack: Mode, is_response: bool) -> Rejected {
    let text = "this message control id was used before for a message with other content";
    let place = barid_hl7::Path::msh(10).to_string();
    let finding = Finding::error(barid_hl7::error_code::DUPLICATE_KEY, place, "duplicate.other-bytes", text);
    Rejected {
        refusal: Refusal::Error,
        findings: vec![finding],
        header,
        message_type: envelope.message_type,
        facility: Some(envelope.facility.name),
        channel: envelope.channel,
        ack,
        is_response,
    }
}
