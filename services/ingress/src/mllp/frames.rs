//! What comes out of the decoder, and what is done about each of it.

use barid_hl7::{Header, error_code};
use barid_mllp::{Discard, Event, Violation, Warning};
use barid_model::Finding;
use barid_validate::{Refusal, Rejected, Verdict};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::Connection;
use crate::accept::AcceptError;
use crate::intake::Arrival;
use crate::pending::{Pending, Settled};
use crate::traced::Item;

/// Frames in a row that are no HL7 until the connection is closed: this peer is not what it should be.
const STRANGERS_MAX: u32 = 3;

/// A frame to be judged.
pub(super) struct Frame {
    raw: Bytes,
    /// The byte of the stream before it.
    start: u64,
    tolerated: Option<Finding>,
    /// When its first byte was read.
    began: Instant,
}

impl<S> Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Takes the frames that have been read, as far as there is room for their answers.
    pub(super) async fn take(&mut self) {
        while !self.finishing {
            if self.last_until.is_some_and(|until| self.consumed() >= until && !self.decoder.inside_frame()) {
                self.finishing = true;
                break;
            }
            if self.queue.len() + self.batch.len() >= self.pipeline || self.is_slowed(!self.batch.is_empty()) {
                break;
            }
            let start = self.consumed();
            let Some(event) = self.next_event() else {
                self.finishing |= self.eof;
                break;
            };
            match event {
                Event::Frame(frame) => {
                    let began = self.frame_since.take().map_or(self.last_read, |(since, _)| since);
                    let tolerated = frame.warning.map(tolerated);
                    self.batch.push(Frame { raw: frame.payload, start, tolerated, began });
                }
                Event::TooLarge { prefix } => {
                    self.admit().await;
                    self.too_large(prefix.0);
                }
                other => self.note(&other),
            }
        }
        self.admit().await;
        match (self.decoder.inside_frame(), self.frame_since) {
            (true, None) => self.frame_since = Some((self.last_read, self.consumed())),
            (true, Some(_)) => {}
            (false, _) => self.frame_since = None,
        }
    }

    fn next_event(&mut self) -> Option<Event> {
        let event = self.decoder.decode(&mut self.input);
        if event.is_some() {
            return event;
        }
        if std::mem::take(&mut self.quiet) {
            return self.decoder.finish_after_quiet(&mut self.input);
        }
        if self.eof { self.decoder.finish(&mut self.input) } else { None }
    }

    /// Bytes of the stream that the decoder has taken.
    fn consumed(&self) -> u64 {
        self.read.saturating_sub(self.input.len() as u64)
    }

    /// Judges and submits the frames at hand, in order.
    async fn admit(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        let received = self.gate.shared.parts.clock.now();
        if let Some(present) = &self.present {
            present.received(batch.len(), received);
        }
        let gate = std::sync::Arc::clone(&self.gate);
        let peer = std::sync::Arc::clone(&self.peer);
        let chain = Some(self.chain.clone());
        let arrival = Arrival { peer: &peer, received, read: Instant::now(), traceparent: None, chain };
        let item = |frame: &Frame| gate.item(frame.raw.clone(), &arrival, frame.began);
        let mut items: Vec<Item> = batch.iter().map(item).collect();
        // Frames stand in their order, so those that are refused come first.
        let refused = batch.iter().take_while(|frame| self.overtakes(frame)).count();
        let mut verdicts = gate.judge(items.get_mut(refused..).unwrap_or_default(), &arrival).await.into_iter();
        for (number, (frame, item)) in batch.into_iter().zip(items).enumerate() {
            let bytes = frame.raw.len();
            let verdict = if number < refused { None } else { verdicts.next().flatten() };
            let mut pending = if number < refused || frame.start < self.refused_until {
                gate.refuse_ours(&frame.raw, arrival.read, AcceptError::Earlier).traced(item.trace)
            } else {
                self.seen(verdict.as_ref());
                gate.admit(verdict, item, &arrival, frame.tolerated).await
            };
            self.unanswered += bytes;
            pending.bytes = bytes;
            self.enqueue(pending);
        }
    }

    /// Whether one that was refused for our reasons had to come before it, which its sender cannot have known.
    fn overtakes(&mut self, frame: &Frame) -> bool {
        if frame.start < self.refused_until {
            return true;
        }
        let Some(awaited) = &self.awaited else { return false };
        let waits = Instant::now() < awaited.until && Header::read(&frame.raw).control_id() != awaited.control_id;
        if !waits {
            self.awaited = None;
        }
        waits
    }

    fn enqueue(&mut self, pending: Pending) {
        self.slowed_until = pending.turn().or(self.slowed_until);
        if pending.is_ours() {
            // Until it is answered.
            self.refused_until = u64::MAX;
        }
        let unreadable = matches!(pending.outcome(), Some(Settled::Refused { unreadable: true, .. }));
        self.strangers = if unreadable { self.strangers + 1 } else { 0 };
        self.queue.push_back(pending);
        if self.strangers >= STRANGERS_MAX {
            self.fault("frames that are no HL7: the connection is closed");
            self.finishing = true;
        }
    }

    /// Shows in the table of connections, and in one line of the log, what a verdict says.
    fn seen(&mut self, verdict: Option<&Verdict>) {
        let facility = match verdict {
            Some(Verdict::Accept(accepted)) => Some(&accepted.envelope.facility.name),
            Some(Verdict::Reject(rejected)) => {
                if let Some(present) = &self.present {
                    present.refused();
                }
                let rule = rejected.findings.first().map_or("", |finding| &finding.rule);
                tracing::debug!(listener = %self.gate.name, peer = %self.peer.origin, rule, "message refused");
                rejected.facility.as_ref()
            }
            Some(Verdict::NoReply(_)) | None => None,
        };
        if let (Some(present), Some(facility)) = (&self.present, facility)
            && present.facility(facility)
        {
            self.gate.shared.shown.recognised(&self.peer, facility);
        }
    }

    /// The message is larger than the limit: an answer if its header can be read, then the end.
    fn too_large(&mut self, prefix: Bytes) {
        self.fault("a frame is larger than the listener's limit: the connection is closed");
        self.gate.meters.discarded("too_large");
        self.finishing = true;
        let header = Header::read(&prefix);
        if !header.is_present() {
            return;
        }
        let limit = self.gate.spec.load().limits.message_bytes;
        let text = format!("the message is larger than {limit} bytes");
        let rejected = Rejected {
            refusal: Refusal::Reject,
            findings: vec![Finding::error(error_code::TOO_LONG, "", "parse.too-large", text)],
            message_type: barid_model::MessageType::default(),
            facility: None,
            channel: None,
            ack: self.gate.ack_mode(),
            is_response: false,
            header,
        };
        let received = self.gate.shared.parts.clock.now();
        let arrival = Arrival { peer: &self.peer, received, read: Instant::now(), traceparent: None, chain: None };
        let mut trace = self.gate.item(prefix.clone(), &arrival, self.last_read).trace;
        let pending = self.gate.reject(rejected, prefix, &arrival, trace.as_deref_mut());
        self.queue.push_back(pending.traced(trace));
    }

    /// What is no message: counted, told once, and passed over or the end.
    fn note(&mut self, event: &Event) {
        let meters = &self.gate.meters;
        match event {
            Event::Noise { bytes } => {
                meters.noise.inc_by(*bytes);
                self.fault("bytes between frames were skipped");
            }
            Event::Control(_) => meters.discarded("control"),
            Event::Discarded { reason: Discard::Empty, .. } => {
                meters.discarded("empty");
                self.fault("an empty frame was skipped");
            }
            Event::Discarded { reason: Discard::Restarted, .. } => {
                meters.discarded("restarted");
                self.frame_since = None;
                self.fault("an unfinished frame was discarded: its sender began anew");
            }
            Event::Discarded { reason: Discard::Unfinished, .. } => {
                meters.discarded("unfinished");
                self.fault("the connection ended inside a frame: nothing of it was received");
            }
            Event::Violation(violation) => {
                meters.discarded("violation");
                self.finishing = true;
                self.fault(match violation {
                    Violation::Noise => "bytes outside a frame on a strict listener: the connection is closed",
                    Violation::NoiseLimit => "the peer does not speak MLLP: the connection is closed",
                    Violation::StartBlockInside => {
                        "a start block inside a frame on a strict listener: the connection is closed"
                    }
                    Violation::EndBlock => "an end block without CR on a strict listener: the connection is closed",
                });
            }
            Event::Frame(_) | Event::TooLarge { .. } => {}
        }
    }
}

fn tolerated(warning: Warning) -> Finding {
    let text = match warning {
        Warning::EndWithoutReturn => "the frame's end block lacks its carriage return",
        Warning::EndWithLineFeed => "the frame's end block is followed by a line feed instead of a carriage return",
        Warning::EndBlockInside => "the message contains an end block character",
    };
    Finding::warning(error_code::ACCEPTED, "", "mllp.end-block", text)
}
