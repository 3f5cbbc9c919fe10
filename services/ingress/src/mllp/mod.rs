//! One MLLP connection: frames in, answers out, in order.
//!
//! One task does it all, without a task or timer a message. It takes what frames have been read, has them judged and
//! submitted, writes what answers are ready at the queue's head in one piece, and only then waits: for the head to become
//! durable, for bytes (unless too many frames are unanswered), for its one timer, or to be told to end.
//!
//! When it ends by its own decision it says good-bye slowly: what the peer still sends is read and thrown away for a
//! moment, because closing a socket with unread bytes makes the kernel destroy the answers on their way.

mod answers;
mod frames;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use barid_config::document::MllpMode;
use barid_config::settings::{ListenerTransport, MllpRelease};
use barid_mllp::Decoder;
use barid_pipeline::Chain;
use barid_validate::Peer;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use crate::connections::Present;
use crate::context::{Gate, Phase};
use crate::pending::Pending;
use crate::reply::Replies;
use crate::room::Held;
use crate::traced::Traced;

use self::frames::Frame;

/// First and smallest read buffer, in bytes: a quiet connection costs this much.
const READ_MIN: usize = 4 * 1024;
/// Largest read at once, in bytes; a connection that fills its reads gets there by doubling.
const READ_MAX: usize = 64 * 1024;
/// How long is waited for room that other connections hold, until it is asked for again.
const ROOM_PAUSE: Duration = Duration::from_millis(50);
/// How long after its last turn a sender counts as one that is too fast.
const SLOWED_FOR: Duration = Duration::from_secs(1);
/// Slowest a frame may arrive beyond its time limit, in bytes a second: a document over a bad link passes, a peer that
/// sends a byte now and then does not.
const FRAME_RATE_MIN: u64 = 2 * 1024;

/// An MLLP connection.
pub(crate) struct Connection<S> {
    gate: Arc<Gate>,
    peer: Arc<Peer>,
    stream: S,
    decoder: Decoder,
    input: BytesMut,
    output: BytesMut,
    /// Answers in `output`.
    collected: usize,
    /// Messages not answered yet, in order; at most the listener's `pipeline`.
    queue: VecDeque<Pending>,
    /// Messages whose answers are in `output`, where their way is told.
    #[expect(clippy::vec_box, reason = "they come in boxes and are only passed on")]
    answered: Vec<Box<Traced>>,
    /// Bytes of the messages in `queue`.
    unanswered: usize,
    held: Held,
    batch: Vec<Frame>,
    replies: Replies,
    /// In the table of connections, from the first byte on.
    present: Option<Present>,
    /// Bytes read since the start.
    read: u64,
    read_size: usize,
    last_read: Instant,
    /// When the frame at hand began, and at which byte.
    frame_since: Option<(Instant, u64)>,
    /// Frames that began before this byte are refused: one before them was, for our reasons.
    refused_until: u64,
    /// The messages on their way into the log: where one is not stored, those behind it are not.
    chain: Chain,
    /// Its sender sends on before it has its answers.
    is_pipelined: bool,
    /// What was refused first, of a sender that had more on its way.
    awaited: Option<Awaited>,
    /// Frames in a row that were no HL7.
    strangers: u32,
    /// The stream has ended.
    eof: bool,
    /// The last byte of a frame has been missing for long enough.
    quiet: bool,
    /// The turn of the last message whose sender was too fast: nothing is taken before.
    slowed_until: Option<Instant>,
    /// Too many frames were unanswered, and the socket was not read.
    full: bool,
    /// Frames that began before this byte are the last ones.
    last_until: Option<u64>,
    /// Nothing is read any more; what is queued is answered, then it ends.
    finishing: bool,
    pipeline: usize,
    release: MllpRelease,
    phase: watch::Receiver<Phase>,
    timer: Pin<Box<Sleep>>,
    /// The last fault logged, so that a peer's repeated fault is one line.
    fault: &'static str,
}

/// A message that was refused for our reasons and has to come again before what was sent after it.
struct Awaited {
    control_id: Bytes,
    /// When it is not waited for any more.
    until: Instant,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All is answered.
    Done,
    /// The peer is gone, with so many answers unwritten.
    Lost,
    /// It sent nothing for too long.
    Idle,
    /// Its frame took too long.
    Slow,
    /// The drain's deadline has passed.
    Cut,
}

enum Wake {
    Read(io::Result<usize>),
    Head,
    Timer,
    Phase,
}

/// Serves a connection to its end.
pub(crate) async fn serve<S>(gate: Arc<Gate>, stream: S, peer: Arc<Peer>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut connection = Connection::new(gate, stream, peer);
    let end = connection.run().await;
    connection.end(end).await;
}

impl<S> Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    fn new(gate: Arc<Gate>, stream: S, peer: Arc<Peer>) -> Self {
        let spec = gate.spec.load_full();
        let (release, strict, pipeline) = match &spec.transport {
            ListenerTransport::Mllp(mllp) => (mllp.release, mllp.mode == MllpMode::Strict, mllp.pipeline),
            ListenerTransport::Http(_) => (MllpRelease::One, false, 1),
        };
        let options =
            barid_mllp::Options { max_payload: spec.limits.message_bytes, strict, ..barid_mllp::Options::default() };
        let now = Instant::now();
        Self {
            replies: Replies::new(&gate.shared),
            phase: gate.phase.subscribe(),
            full: false,
            slowed_until: None,
            held: gate.shared.room.share(),
            gate,
            peer,
            stream,
            decoder: Decoder::new(options),
            input: BytesMut::new(),
            output: BytesMut::new(),
            collected: 0,
            queue: VecDeque::new(),
            answered: Vec::new(),
            unanswered: 0,
            batch: Vec::new(),
            present: None,
            read: 0,
            read_size: READ_MIN,
            last_read: now,
            frame_since: None,
            refused_until: 0,
            chain: Chain::default(),
            is_pipelined: false,
            awaited: None,
            strangers: 0,
            eof: false,
            quiet: false,
            last_until: None,
            finishing: false,
            pipeline: pipeline.max(1),
            release,
            timer: Box::pin(tokio::time::sleep_until(now + spec.limits.idle)),
            fault: "",
        }
    }

    async fn run(&mut self) -> End {
        loop {
            self.follow_phase();
            self.take().await;
            self.settle();
            if !self.output.is_empty() {
                if self.flush().await.is_err() {
                    return End::Lost;
                }
                continue;
            }
            if self.finishing && self.queue.is_empty() {
                return End::Done;
            }
            if *self.phase.borrow() == Phase::Closed {
                return End::Cut;
            }
            match self.wait().await {
                Wake::Read(Ok(0)) => self.eof = true,
                Wake::Read(Ok(bytes)) => self.has_read(bytes),
                Wake::Read(Err(_)) => return End::Lost,
                Wake::Timer => {
                    if let Some(end) = self.overdue() {
                        return end;
                    }
                }
                Wake::Head | Wake::Phase => {}
            }
        }
    }

    async fn wait(&mut self) -> Wake {
        let has_place = !self.finishing && self.queue.len() < self.pipeline && !self.is_slowed(false);
        self.pause(!has_place);
        let reads = has_place && self.held.fit(self.input.len() + self.unanswered + self.read_size);
        let mut deadline = self.deadline();
        if has_place && !reads {
            deadline = deadline.min(Instant::now() + ROOM_PAUSE);
        }
        // Moving a timer costs; one that rings too early is moved then.
        if self.timer.deadline() > deadline || self.timer.is_elapsed() {
            self.timer.as_mut().reset(deadline);
        }
        if reads {
            self.input.reserve(self.read_size);
        }
        let waits = !self.queue.is_empty();
        let Self { gate, queue, stream, input, timer, phase, .. } = self;
        tokio::select! {
            biased;
            () = std::future::poll_fn(|cx| match queue.front_mut() {
                Some(head) => head.poll(gate, cx),
                None => std::task::Poll::Pending,
            }), if waits => Wake::Head,
            read = stream.read_buf(input), if reads => Wake::Read(read),
            () = timer.as_mut() => Wake::Timer,
            _ = phase.changed() => Wake::Phase,
        }
    }

    /// Whether its sender is too fast for more to be taken now. One that was lately is taken a frame at a time, so that its
    /// messages wait in its socket instead of being refused.
    fn is_slowed(&self, more: bool) -> bool {
        let Some(until) = self.slowed_until.filter(|_| self.last_until.is_none()) else { return false };
        let now = Instant::now();
        now < until || (more && now < until + SLOWED_FOR)
    }

    fn has_read(&mut self, bytes: usize) {
        if self.present.is_none() {
            let shared = &self.gate.shared;
            let since = shared.parts.clock.now();
            let (name, origin) = (self.gate.name.clone(), Arc::clone(&self.peer.origin));
            self.present = Some(shared.connections.enter(name, origin, since, &self.gate.meters.connections));
        }
        self.read += bytes as u64;
        self.last_read = Instant::now();
        self.read_size = if bytes >= self.read_size { (self.read_size * 2).min(READ_MAX) } else { self.read_size };
    }

    /// A connection that we do not read is not to blame for what it does not send.
    fn pause(&mut self, full: bool) {
        if std::mem::replace(&mut self.full, full) && !full {
            self.last_read = Instant::now();
            self.frame_since = self.frame_since.map(|(_, start)| (self.last_read, start));
        }
    }

    /// Draining: the frames read so far are the last ones, and one that has begun may end.
    fn follow_phase(&mut self) {
        if self.last_until.is_none() && *self.phase.borrow() != Phase::Open {
            self.last_until = Some(self.read);
        }
    }

    /// When something has to be done even if nothing happens.
    fn deadline(&self) -> Instant {
        let limits = &self.gate.spec.load().limits;
        let quiet = self.decoder.pending().then(|| self.last_read + self.gate.bounds().quiet);
        let frame = self.frame_since.map(|(since, start)| {
            let beyond = Duration::from_secs(self.read.saturating_sub(start) / FRAME_RATE_MIN);
            since + limits.frame + beyond
        });
        let reading = !self.finishing && !self.full;
        let idle = (self.queue.is_empty() || self.frame_since.is_some()).then(|| self.last_read + limits.idle);
        let ours = [quiet, frame, idle].into_iter().flatten().filter(|_| reading).min();
        let head = self.queue.front().and_then(Pending::deadline);
        [ours, head].into_iter().flatten().min().unwrap_or_else(|| Instant::now() + limits.idle)
    }

    /// The timer has rung: what for?
    fn overdue(&mut self) -> Option<End> {
        let now = Instant::now();
        if self.finishing || self.full || now < self.deadline() {
            return None;
        }
        let limits = self.gate.spec.load().limits.clone();
        if self.decoder.pending() && now >= self.last_read + self.gate.bounds().quiet {
            self.quiet = true;
            return None;
        }
        if self.queue.front().and_then(Pending::deadline).is_some_and(|deadline| now >= deadline) {
            return None;
        }
        let idle = now >= self.last_read + limits.idle;
        Some(if self.frame_since.is_some() && !idle { End::Slow } else { End::Idle })
    }

    async fn end(mut self, end: End) {
        // Nobody waits for what is on its way still, and what is passed over must not be overtaken.
        self.chain.cut();
        let reason = match end {
            End::Done if self.eof => "",
            End::Done if self.last_until.is_some() => "drained",
            End::Done => "fault",
            End::Lost => "",
            End::Idle => "idle",
            End::Slow => "slow",
            End::Cut => "deadline",
        };
        if !reason.is_empty() && self.present.is_some() {
            self.gate.meters.closed(reason);
        }
        if matches!(end, End::Idle | End::Slow) && self.frame_since.is_some() {
            self.fault("unfinished frame: the connection is closed and nothing was received");
        }
        let unwritten = self.queue.len() + self.collected;
        let untold = self.queue.iter_mut().filter_map(|pending| pending.trace.take());
        self.answered.drain(..).chain(untold).for_each(|trace| trace.end(false));
        if unwritten > 0 && end != End::Idle {
            self.gate.meters.unwritten.inc_by(unwritten as u64);
            self.fault("answers could not be written: the peer is gone or the drain's deadline has passed");
        }
        if matches!(end, End::Lost | End::Cut) {
            return;
        }
        // With TLS the end is said; without, the peer could not tell it from an attack.
        let goodbye = tokio::time::timeout(self.gate.bounds().linger, self.stream.shutdown()).await;
        if end == End::Done && matches!(goodbye, Ok(Ok(()))) && !self.eof {
            self.linger().await;
        }
    }

    /// Reads on and throws away, so that the peer gets what was written last.
    async fn linger(&mut self) {
        let stream = &mut self.stream;
        let discard = async {
            let mut bytes = [0_u8; READ_MIN];
            while matches!(stream.read(&mut bytes).await, Ok(1..)) {}
        };
        // Whether the peer ended or the time did, the connection is over.
        if tokio::time::timeout(self.gate.bounds().linger, discard).await.is_err() {
            tracing::debug!(listener = %self.gate.name, peer = %self.peer.origin, "peer sent on after its connection was ended");
        }
    }

    /// Logs a fault of the peer, once until another comes.
    fn fault(&mut self, fault: &'static str) {
        if self.fault != fault {
            self.fault = fault;
            tracing::info!(listener = %self.gate.name, peer = %self.peer.origin, "{fault}");
        }
    }
}
