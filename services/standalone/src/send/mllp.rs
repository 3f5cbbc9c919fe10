//! One MLLP connection of the load client: writes ahead as far as the pipeline allows, reads answers in order.
//!
//! When a connection breaks, what was unanswered stays so (whether it was taken is not known), and the next message opens another.

use std::collections::VecDeque;
use std::time::Duration;

use barid_hl7::ack::AckCode;
use barid_hl7::{Limits, Message, Path, SegmentId};
use barid_mllp::{Decoder, Event, Options as FrameOptions, encode};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::time::Instant;

use super::Job;
use super::pace::Turn;
use super::report::{ANSWERS_MAX, Report};
use super::source::Prepared;
use super::tls::{Stream, connect};

/// First pause after a connection failed; doubled up to [`BACKOFF_MAX`].
const BACKOFF: Duration = Duration::from_millis(100);
/// Longest such pause.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Failed connections in a row after which the worker gives up.
const FAILURES_MAX: u32 = 5;
/// Room for reading: some dozens of acknowledgements.
const READ_BYTES: usize = 16 * 1024;

/// A message on its way.
struct Waiting {
    control_id: Bytes,
    /// From when its latency counts.
    since: Instant,
    /// When it was written: from when its answer is waited for.
    written: Instant,
}

struct Link {
    read: ReadHalf<Box<dyn Stream>>,
    write: WriteHalf<Box<dyn Stream>>,
    decoder: Decoder,
    buffer: BytesMut,
}

/// Sends until there is no more, or no way.
pub(super) async fn worker(job: &Job) -> Report {
    let mut report = Report::default();
    let mut link = None;
    let mut waiting = VecDeque::new();
    loop {
        let full = waiting.len() >= job.options.pipeline;
        let turn = if full { None } else { next(job, &mut waiting, &mut link, &mut report).await };
        let message = turn.and_then(|turn| Some((turn, job.messages.prepare(turn.number, job.options.unique)?)));
        match message {
            Some((turn, message)) => {
                if link.is_none() {
                    link = open(job, &mut report).await;
                }
                let Some(open) = &mut link else {
                    report.unsent += 1;
                    job.pace.answered(false);
                    break;
                };
                if !write(open, turn, &message, &mut waiting, job, &mut report).await {
                    lose(&mut link, &mut waiting, job, &mut report);
                }
            }
            None if waiting.is_empty() => break,
            None => receive(&mut link, &mut waiting, job, &mut report).await,
        }
    }
    if let Some(mut link) = link {
        drop(link.write.shutdown().await);
    }
    report
}

/// The next turn. Answers that come meanwhile are read, so that a paced sender sees them in time.
async fn next(
    job: &Job,
    waiting: &mut VecDeque<Waiting>,
    link: &mut Option<Link>,
    report: &mut Report,
) -> Option<Turn> {
    let turn = job.pace.turn();
    tokio::pin!(turn);
    loop {
        if waiting.is_empty() {
            return turn.await;
        }
        tokio::select! {
            biased;
            turn = &mut turn => return turn,
            () = receive(link, waiting, job, report) => {}
        }
    }
}

async fn open(job: &Job, report: &mut Report) -> Option<Link> {
    let mut pause = BACKOFF;
    for attempt in 1..=FAILURES_MAX {
        match connect(job).await {
            Ok(stream) => {
                report.connections += 1;
                let (read, write) = tokio::io::split(stream);
                let options = FrameOptions::default();
                return Some(Link {
                    read,
                    write,
                    decoder: Decoder::new(options),
                    buffer: BytesMut::with_capacity(READ_BYTES),
                });
            }
            Err(text) => report.trouble(text),
        }
        if attempt < FAILURES_MAX {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BACKOFF_MAX);
        }
    }
    None
}

async fn write(
    link: &mut Link,
    turn: Turn,
    message: &Prepared,
    waiting: &mut VecDeque<Waiting>,
    job: &Job,
    report: &mut Report,
) -> bool {
    let frame = match encode(&message.raw) {
        Ok(frame) => frame,
        Err(error) => {
            report.trouble(format!("cannot be framed: {error}"));
            report.unsent += 1;
            job.pace.answered(false);
            return true;
        }
    };
    let written = Instant::now();
    let since = if job.options.rate.is_some() { turn.due } else { written };
    waiting.push_back(Waiting { control_id: message.control_id.clone(), since, written });
    report.sent += 1;
    report.bytes += message.raw.len() as u64;
    let written = tokio::time::timeout(job.options.timeout, async {
        link.write.write_all(&frame).await?;
        link.write.flush().await
    });
    match written.await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            report.trouble(format!("cannot write: {error}"));
            false
        }
        Err(_) => {
            report.trouble("cannot write: the receiver reads nothing".to_owned());
            false
        }
    }
}

/// Reads until at least one answer came or the connection is lost. Cancel safe: bytes read stay in the link's buffer.
async fn receive(link: &mut Option<Link>, waiting: &mut VecDeque<Waiting>, job: &Job, report: &mut Report) {
    let Some(open) = link else {
        return lose(link, waiting, job, report);
    };
    let deadline = waiting.front().map_or_else(Instant::now, |front| front.written) + job.options.timeout;
    loop {
        let mut any = false;
        while let Some(event) = open.decoder.decode(&mut open.buffer) {
            match event {
                Event::Frame(frame) => {
                    any = true;
                    if !answered(&frame.payload, waiting, job, report) {
                        return lose(link, waiting, job, report);
                    }
                }
                Event::Control(_) | Event::Noise { .. } => {}
                other => {
                    report.trouble(format!("the answer is no MLLP frame: {other:?}"));
                    return lose(link, waiting, job, report);
                }
            }
        }
        if any {
            return;
        }
        let trouble = match tokio::time::timeout_at(deadline, open.read.read_buf(&mut open.buffer)).await {
            Ok(Ok(0)) => "the receiver closed the connection".to_owned(),
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => format!("cannot read: {error}"),
            Err(_) => "no answer in time".to_owned(),
        };
        report.trouble(trouble);
        return lose(link, waiting, job, report);
    }
}

/// Counts one answer; false where it names another message, after which nothing on the connection can be believed.
fn answered(payload: &Bytes, waiting: &mut VecDeque<Waiting>, job: &Job, report: &mut Report) -> bool {
    let Some(message) = waiting.pop_front() else {
        report.mismatched += 1;
        report.trouble("an answer that belongs to no message".to_owned());
        return false;
    };
    if job.options.keep_answers && report.kept.len() < ANSWERS_MAX {
        report.kept.push(payload.clone());
    }
    let Some((code, id)) = read_ack(payload) else {
        report.mismatched += 1;
        job.pace.answered(false);
        report.trouble("an answer without MSA".to_owned());
        return false;
    };
    if id != message.control_id {
        report.mismatched += 1;
        job.pace.answered(false);
        report.trouble("an answer whose MSA-2 names another message".to_owned());
        return false;
    }
    let positive = AckCode::from_bytes(code.as_bytes()).is_some_and(AckCode::is_positive);
    report.answered(&code, positive, message.since.elapsed());
    job.pace.answered(positive);
    true
}

/// MSA-1 and MSA-2 of an answer.
pub(super) fn read_ack(payload: &Bytes) -> Option<(String, Bytes)> {
    let message = Message::parse(payload.clone(), &Limits::default()).ok()?.message;
    let segment = message.segments_of(SegmentId::new(*b"MSA")?).next()?;
    let code = message.text(&Path::parse("MSA-1").ok()?).into_owned();
    let id = segment.field(2).map(|value| payload.slice_ref(value.raw())).unwrap_or_default();
    Some((code, id))
}

/// Gives the connection up, and what waits on it.
fn lose(link: &mut Option<Link>, waiting: &mut VecDeque<Waiting>, job: &Job, report: &mut Report) {
    *link = None;
    for _ in waiting.drain(..) {
        report.unanswered += 1;
        job.pace.answered(false);
    }
}
