//! One MLLP slot: connect, write a frame, wait for its acknowledgement, close on anything else.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use barid_config::document::AwaitAck;
use barid_config::settings::MllpRelease;
use barid_hl7::Header;
use barid_mllp::{Control, Decoder, Event, HEADER, Options, START, TRAILER};
use barid_model::Finding;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::unconstrained;
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::{self, Judged};
use super::{ANSWER_MAX, AWAITED_ANSWER_MAX, Shared};
use crate::connect::dial::Dialed;
use crate::connect::{Connection, Outgoing, Sent, TransportError, TransportKind};

/// Control ids that are remembered of a connection: a doubled answer comes right behind the first one.
const REMEMBERED: usize = 8;
/// Bytes other than white space between frames before the connection is given up.
const NOISE_MAX: u64 = 64;
/// How long the last byte of an answer's frame may be missing (some receivers never send it).
const QUIET: Duration = Duration::from_secs(1);
/// How long a close in good order may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Free room a read is given, in bytes: an acknowledgement fits in one read.
const READ_BYTES: usize = 4 * 1024;

pub(super) struct Slot {
    shared: Arc<Shared>,
    live: Option<Live>,
}

/// An open connection between two messages.
struct Live {
    dialed: Dialed,
    decoder: Decoder,
    buffer: BytesMut,
    /// Control ids sent on it, newest last; with a CA their application acknowledgement may still come.
    sent: VecDeque<(Bytes, bool)>,
    shared: Arc<Shared>,
}

impl Slot {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, live: None }
    }

    async fn send(&mut self, out: &Outgoing) -> Sent {
        let payload = out.record.payload.bytes();
        let control_id = match sendable(&payload) {
            Ok(control_id) => control_id,
            Err(finding) => return Sent::Unsendable(finding),
        };
        // Taken out of the slot for as long as an answer is owed: whoever drops this future closes the connection.
        let mut live = match self.live.take().and_then(|live| live.fit_for(&control_id)) {
            Some(live) => live,
            None => match Live::open(&self.shared).await {
                Ok(live) => live,
                Err(error) => return Sent::Failed(error),
            },
        };
        let endpoint = live.dialed.endpoint;
        let limit = if out.is_awaited() { AWAITED_ANSWER_MAX } else { ANSWER_MAX };
        match live.exchange(payload, control_id, limit).await {
            Ok(judged) => {
                self.shared.dialer.answered(endpoint);
                self.live = Some(live);
                Sent::Answered(judged.record(out.is_awaited()))
            }
            Err(error) => {
                if matches!(error.kind, TransportKind::Garbled | TransportKind::Mismatch) {
                    live.count_unexpected("an answer that is not the message's");
                }
                self.shared.dialer.failed(endpoint);
                Sent::Failed(error)
            }
        }
    }
}

impl Connection for Slot {
    fn send<'a>(&'a mut self, out: &'a Outgoing) -> BoxFuture<'a, Sent> {
        Box::pin(self.send(out))
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Some(mut live) = self.live.take() {
                // The peer may be gone already; there is nothing to tell it then.
                drop(timeout(CLOSE_TIMEOUT, live.dialed.shutdown()).await);
            }
        })
    }
}

/// The message's control id, or why no receiver could ever acknowledge it.
fn sendable(payload: &Bytes) -> Result<Bytes, Finding> {
    barid_mllp::check(payload).map_err(|error| Finding::error(207, "", "mllp.frame", error.to_string()))?;
    let header = Header::read(payload);
    let id = header.control_id();
    if id.is_empty() {
        let text = "the message has no control id, so its acknowledgement could not be told from another's";
        return Err(Finding::error(101, "MSH-10", "mllp.controlId", text));
    }
    Ok(Bytes::copy_from_slice(id))
}

impl Live {
    async fn open(shared: &Arc<Shared>) -> Result<Self, TransportError> {
        let dialed = shared.dialer.connect().await?;
        shared.open.fetch_add(1, Ordering::Relaxed);
        let options = Options { max_payload: AWAITED_ANSWER_MAX, max_noise: NOISE_MAX, strict: false };
        Ok(Self {
            dialed,
            decoder: Decoder::new(options),
            buffer: BytesMut::new(),
            sent: VecDeque::with_capacity(REMEMBERED),
            shared: Arc::clone(shared),
        })
    }

    /// This connection, if it is quiet, leads to the right endpoint, and could not take an old answer for this message's.
    fn fit_for(mut self, control_id: &Bytes) -> Option<Self> {
        if self.shared.dialer.should_leave(self.dialed.endpoint) || self.sent.iter().any(|(id, _)| id == control_id) {
            return None;
        }
        self.is_quiet().then_some(self)
    }

    /// Looks, without waiting, at what came since the last answer.
    fn is_quiet(&mut self) -> bool {
        loop {
            match self.late_event() {
                Late::Nothing => {}
                Late::Passed => continue,
                Late::Unexpected => {
                    self.count_unexpected("bytes that no message had asked for");
                    return false;
                }
            }
            self.buffer.reserve(READ_BYTES);
            // Unconstrained: a spent task budget must not pass for a quiet line.
            match unconstrained(self.dialed.read_buf(&mut self.buffer)).now_or_never() {
                None => return !self.decoder.inside_frame() || self.owes_application_answer(),
                Some(Ok(0) | Err(_)) => return false,
                Some(Ok(_)) => {}
            }
        }
    }

    fn late_event(&mut self) -> Late {
        match self.next_event() {
            Ok(None) => Late::Nothing,
            Ok(Some(Event::Frame(frame))) if self.is_late_application_answer(&frame.payload) => Late::Passed,
            Ok(Some(Event::Noise { .. })) => Late::Passed,
            Ok(Some(_)) | Err(_) => Late::Unexpected,
        }
    }

    fn owes_application_answer(&self) -> bool {
        self.sent.iter().any(|(_, committed)| *committed)
    }

    /// Whether this is the application's word on a message whose CA was counted.
    fn is_late_application_answer(&mut self, payload: &Bytes) -> bool {
        let Some(id) = answer::application_answer_to(payload) else { return false };
        match self.sent.iter_mut().find(|(sent, committed)| *committed && *sent == id) {
            Some((_, committed)) => {
                *committed = false;
                true
            }
            None => false,
        }
    }

    fn count_unexpected(&self, what: &'static str) {
        self.shared.unexpected.fetch_add(1, Ordering::Relaxed);
        tracing::info!(endpoint = self.shared.dialer.name(self.dialed.endpoint), what, "connection closed");
    }

    async fn exchange(&mut self, payload: Bytes, id: Bytes, limit: usize) -> Result<Judged, TransportError> {
        let deadline = Instant::now() + self.shared.timeout;
        let late = |written: bool, millis: u128| {
            let text = format!("no acknowledgement within {millis} ms");
            TransportError { may_have_arrived: written, ..TransportError::new(TransportKind::Timeout, text) }
        };
        let millis = self.shared.timeout.as_millis();
        let written = timeout_at(deadline, self.write(payload)).await;
        written.map_err(|_| late(false, millis))??;
        if self.sent.len() == REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back((id.clone(), false));
        match timeout_at(deadline, self.answer_to(&id, limit)).await {
            Ok(result) => result,
            Err(_) => Err(late(true, millis)),
        }
    }

    async fn write(&mut self, payload: Bytes) -> Result<(), TransportError> {
        let mut frame = Buf::chain(Buf::chain(HEADER.as_slice(), payload), TRAILER.as_slice());
        let result = match self.dialed.write_all_buf(&mut frame).await {
            Ok(()) => self.dialed.flush().await,
            Err(error) => Err(error),
        };
        // A frame whose last byte was not written cannot have been taken for a message.
        let may_have_arrived = !frame.has_remaining();
        result.map_err(|error| TransportError { may_have_arrived, ..closed(&error.to_string()) })
    }

    async fn answer_to(&mut self, id: &Bytes, limit: usize) -> Result<Judged, TransportError> {
        let mut committed = false;
        loop {
            match self.receive(limit).await? {
                Event::Frame(frame) => {
                    if self.is_late_application_answer(&frame.payload) {
                        continue;
                    }
                    let judged = Judged::of(frame.payload, id)?;
                    self.commit_answer().await?;
                    if judged.is_commit() && self.shared.awaits == AwaitAck::Application && judged.is_accepted() {
                        continue;
                    }
                    if judged.is_commit()
                        && let Some((_, committed)) = self.sent.back_mut()
                    {
                        *committed = true;
                    }
                    return Ok(judged);
                }
                Event::Control(control) if self.shared.release == MllpRelease::Two && !committed => {
                    if control == Control::Nack {
                        return Err(TransportError::new(
                            TransportKind::Busy,
                            "the receiver could not store the message",
                        ));
                    }
                    if self.shared.awaits == AwaitAck::Commit {
                        return Ok(Judged::CommitBlock);
                    }
                    committed = true;
                }
                Event::Noise { .. } => {}
                _ => return Err(garbled("what came is no MLLP frame with an acknowledgement")),
            }
        }
    }

    /// Release 2: our side's commit block for the frame that brought the acknowledgement.
    async fn commit_answer(&mut self) -> Result<(), TransportError> {
        if self.shared.release == MllpRelease::Two {
            let block = barid_mllp::control(Control::Ack);
            let result = self.dialed.write_all(&block).await;
            result.map_err(|error| TransportError { may_have_arrived: true, ..closed(&error.to_string()) })?;
        }
        Ok(())
    }

    async fn receive(&mut self, limit: usize) -> Result<Event, TransportError> {
        loop {
            if let Some(event) = self.next_event()? {
                return Ok(event);
            }
            if self.buffer.len() > limit {
                return Err(garbled(&format!("the answer has more than {limit} bytes")));
            }
            self.buffer.reserve(READ_BYTES);
            let read = self.dialed.read_buf(&mut self.buffer);
            let read = if self.decoder.pending() { timeout(QUIET, read).await.ok() } else { Some(read.await) };
            match read {
                None => {
                    if let Some(event) = self.decoder.finish_after_quiet(&mut self.buffer) {
                        return Ok(event);
                    }
                }
                Some(Ok(0)) => match self.decoder.finish_after_quiet(&mut self.buffer) {
                    Some(event) => return Ok(event),
                    None => return Err(after_write("the receiver closed the connection before it acknowledged")),
                },
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(after_write(&error.to_string())),
            }
        }
    }

    /// The decoder's next event; an error where bytes that can begin no frame stand between frames.
    fn next_event(&mut self) -> Result<Option<Event>, TransportError> {
        if !self.decoder.inside_frame() {
            let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | 0)).count();
            self.buffer.advance(blank);
            if self.buffer.first().is_some_and(|byte| *byte != START) {
                return Err(garbled("bytes came that are no MLLP frame"));
            }
        }
        Ok(self.decoder.decode(&mut self.buffer))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

enum Late {
    Nothing,
    Passed,
    Unexpected,
}

fn closed(text: &str) -> TransportError {
    TransportError::new(TransportKind::Closed, text)
}

fn after_write(text: &str) -> TransportError {
    TransportError::after_write(TransportKind::Closed, text)
}

fn garbled(text: &str) -> TransportError {
    TransportError::after_write(TransportKind::Garbled, text)
}
