//! What the handle and the tasks of one log share, and how an append gets its place.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use barid_log::{
    Identity, LogError, MAX_APPEND_BYTES, MAX_QUEUED_APPENDS, MAX_QUEUED_BYTES, MAX_RECORD_BYTES, Position, Purpose,
    SpaceLevel, Subject, Ticket,
};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::ahead::Ahead;
use crate::block::{self, Block, Broken, Piece};
use crate::cache::Cache;
use crate::heard::Heard;
use crate::line::{Line, Pending, Room, State, Tip};
use crate::link::{Link, Stored};
use crate::name::Names;
use crate::object::{self, INLINE_BYTES};
use crate::options::Options;
use crate::proof::Prover;
use crate::survey::{StorageStatus, Survey};
use crate::tail::Tails;
use crate::trim::Trims;
use crate::watchers::Watchers;

/// Bytes that one permit of the queue stands for.
const PERMIT_BYTES: usize = 1024;
/// Appends that need not wait for more company.
const COMPANY: usize = 64;
/// Pause before a leader is asked again.
pub(crate) const ASK_AGAIN: Duration = Duration::from_millis(100);

/// What has happened since the log was opened.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) blocks: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) doubts: AtomicU64,
}

/// One open log.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) names: Names,
    pub(crate) link: Link,
    pub(crate) identity: Identity,
    /// Bounded by the subjects there are: partitions, and destinations times partitions.
    pub(crate) lines: RwLock<HashMap<Subject, Arc<Line>>>,
    pub(crate) room_bytes: Arc<Semaphore>,
    pub(crate) room_appends: Arc<Semaphore>,
    pub(crate) proof: Prover,
    pub(crate) space: watch::Sender<SpaceLevel>,
    pub(crate) survey: watch::Sender<Survey>,
    /// Storage of each server, as of the last proof.
    pub(crate) server_storage: Mutex<Vec<StorageStatus>>,
    pub(crate) watchers: Mutex<Watchers>,
    pub(crate) cache: Mutex<Cache>,
    pub(crate) heard: Mutex<Heard>,
    pub(crate) ahead: Ahead,
    pub(crate) tails: Tails,
    pub(crate) trims: Trims,
    pub(crate) counters: Counters,
    pub(crate) closed: CancellationToken,
    /// Where tasks run that are begun outside of one.
    pub(crate) runtime: tokio::runtime::Handle,
}

impl Shared {
    pub(crate) fn new(options: Options, names: Names, link: Link, identity: Identity, proof: Prover) -> Self {
        Self {
            options,
            names,
            link,
            identity,
            lines: RwLock::default(),
            room_bytes: Arc::new(Semaphore::new(MAX_QUEUED_BYTES / PERMIT_BYTES)),
            room_appends: Arc::new(Semaphore::new(MAX_QUEUED_APPENDS)),
            proof,
            space: watch::Sender::new(SpaceLevel::Free),
            survey: watch::Sender::new(Survey::default()),
            server_storage: Mutex::default(),
            watchers: Mutex::default(),
            cache: Mutex::default(),
            heard: Mutex::default(),
            ahead: Ahead::default(),
            tails: Tails::default(),
            trims: Trims::default(),
            counters: Counters::default(),
            closed: CancellationToken::new(),
            runtime: tokio::runtime::Handle::current(),
        }
    }

    /// The line of a subject, made if it is new.
    pub(crate) fn line(&self, subject: &Subject) -> Arc<Line> {
        if let Some(line) = self.lines.read().get(subject) {
            return Arc::clone(line);
        }
        let mut lines = self.lines.write();
        Arc::clone(lines.entry(subject.clone()).or_insert_with(|| Arc::new(Line::new(&self.names, subject))))
    }

    /// Decodes a block, which a healthy stream always gives.
    pub(crate) fn decode(&self, line: &Line, stored: &Stored) -> Result<Block, LogError> {
        block::decode(&line.address, stored.sequence, &stored.payload).map_err(|broken| {
            let place = format!("stream {} sequence {}: {broken}", line.stream, stored.sequence);
            match broken {
                Broken::Damaged => LogError::Damaged(place.into()),
                Broken::Newer => LogError::Storage(place.into()),
            }
        })
    }

    /// Asks until there is an answer, at most `answer_within`: leaders change.
    pub(crate) async fn ask<T, F: Future<Output = Result<T, LogError>>>(
        &self,
        mut question: impl FnMut() -> F,
    ) -> Result<T, LogError> {
        let deadline = Instant::now() + self.options.answer_within;
        loop {
            match question().await {
                Err(LogError::Busy(_)) if Instant::now() < deadline && !self.closed.is_cancelled() => {
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                answer => return answer,
            }
        }
    }

    /// Reads the subject's last block, and remembers where the subject ends. What this process knows to be stored is not taken for gone: a leader that has been
    /// deposed may show less, and whoever settles an append by it would store it twice.
    pub(crate) async fn refresh(&self, line: &Line) -> Result<Option<Block>, LogError> {
        let look = || async {
            let newest = self.newest(line).await?;
            let known = line.state.lock().tip.map_or(0, |tip| tip.sequence);
            if newest.as_ref().map_or(0, |block| block.sequence) < known {
                return Err(LogError::Busy("the leader shows less than is stored".into()));
            }
            Ok(newest)
        };
        let newest = self.ask(look).await?;
        line.adopt(newest.as_ref().map_or_else(Tip::default, |block| Tip::of(block.sequence, &block.header)));
        Ok(newest)
    }

    /// Waits until nothing that was appended here is undecided.
    pub(crate) async fn decided(&self, line: &Line) -> Result<(), LogError> {
        let mut decided = line.decided.subscribe();
        let wait = async {
            loop {
                {
                    let state = line.state.lock();
                    if !state.busy {
                        return;
                    }
                }
                if decided.changed().await.is_err() {
                    return;
                }
            }
        };
        // Appends are answered within the bound; what is in doubt after it needs servers that can be reached.
        let within = self.options.answer_within * 2;
        tokio::time::timeout(within, wait).await.map_err(|_| LogError::Busy("an append is still in doubt".into()))
    }

    /// Gives an append its place; `later`: nobody waits for it.
    pub(crate) async fn append(
        self: &Arc<Self>,
        subject: &Subject,
        last: Position,
        records: Vec<Bytes>,
        later: bool,
    ) -> Result<Ticket, LogError> {
        let bytes = check(&records)?;
        let purpose = subject.purpose();
        if !self.space.borrow().allows(purpose) {
            return Err(LogError::NoSpace(purpose));
        }
        if purpose == Purpose::Intake {
            self.proof.check(&self.server())?;
        }
        let line = self.line(subject);
        if line.state.lock().tip.is_none() {
            self.refresh(&line).await?;
        }
        check_place(&line, last)?;
        let (pieces, bytes) = self.pieces(subject, records, bytes).await?;
        let count = pieces.len() as u64;
        let room = self.room(bytes).await?;
        let (done, answer) = oneshot::channel();
        {
            let mut state = line.state.lock();
            place(&line, &state, last)?;
            let pieces = pieces.into();
            self.queue(&line, &mut state, Pending { first: last.next().0, pieces, begun: false, done, room }, later);
        }
        Ok(Ticket::new(last.next(), last.plus(count), answer))
    }

    /// Puts what has its place in the line, and sees that somebody sends it.
    pub(crate) fn queue(self: &Arc<Self>, line: &Arc<Line>, state: &mut State, pending: Pending, later: bool) {
        state.queued += pending.pieces.len() as u64;
        state.queue.push_back(pending);
        if !std::mem::replace(&mut state.busy, true) {
            self.runtime.spawn(Arc::clone(self).pump(Arc::clone(line), later));
        } else if !later || state.queue.len() >= COMPANY {
            // Kept for a pump that does not listen yet; one that has gone on by then sends its next block sooner, and that is all.
            line.urgent.notify_one();
        }
    }

    /// Stores large records apart. Returns the bytes that stay.
    async fn pieces(
        &self,
        subject: &Subject,
        records: Vec<Bytes>,
        bytes: usize,
    ) -> Result<(Vec<Piece>, usize), LogError> {
        let mut pieces = Vec::with_capacity(records.len());
        let mut left = bytes;
        for record in records {
            if record.len() <= INLINE_BYTES {
                pieces.push(Piece::Inline(record));
                continue;
            }
            left -= record.len();
            pieces.push(Piece::Object(object::store(&self.link, &self.names, subject, &record).await?));
        }
        Ok((pieces, left))
    }

    pub(crate) async fn room(&self, bytes: usize) -> Result<Room, LogError> {
        let closed = |_| LogError::Busy("closed".into());
        let append = Arc::clone(&self.room_appends).acquire_owned().await.map_err(closed)?;
        let permits = u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        let bytes = Arc::clone(&self.room_bytes).acquire_many_owned(permits).await.map_err(closed)?;
        Ok((append, bytes))
    }
}

/// Whether an append after `last` is in its place.
fn place(line: &Line, state: &State, last: Position) -> Result<(), LogError> {
    if state.doubt {
        return Err(LogError::Busy("an append before it is in doubt".into()));
    }
    if state.queued != last.0 {
        let actual = Position(state.queued);
        return Err(LogError::WrongLast { subject: line.subject.clone(), known: last, actual });
    }
    Ok(())
}

/// The same, before anything is stored for it.
fn check_place(line: &Line, last: Position) -> Result<(), LogError> {
    place(line, &line.state.lock(), last)
}

/// The limits of every append.
fn check(records: &[Bytes]) -> Result<usize, LogError> {
    if records.is_empty() {
        return Err(LogError::Storage("an append has at least one record".into()));
    }
    if let Some(large) = records.iter().find(|record| record.len() > MAX_RECORD_BYTES) {
        return Err(LogError::TooLarge { bytes: large.len(), limit: MAX_RECORD_BYTES });
    }
    let total = records.iter().fold(0usize, |sum, record| sum.saturating_add(record.len()));
    if total > MAX_APPEND_BYTES {
        return Err(LogError::TooLarge { bytes: total, limit: MAX_APPEND_BYTES });
    }
    Ok(total)
}
