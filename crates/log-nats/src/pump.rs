//! Group commit over the network: one block of a subject is in flight, what comes meanwhile is the next.
//!
//! A block is sent again until it is known what became of it. That is safe because it names the sequence it follows: of all copies of it, and of whatever
//! anybody else sends, the stream takes one. What decides is the leader's answer: the subject's last message is ours (stored), another's (we are stale), or
//! still the one before (not yet, or never). Where several processes write a subject, another's may stand behind ours, which was stored without our hearing
//! of it: then what follows the block before ours decides.
//!
//! "Not yet" ends in one of two ways. Within `answer_within` the block is sent again. After that its appends are answered with unknown, and an empty block is
//! sent in its place: once that is stored the other can never be, however late it arrives; if it is refused, the first one has arrived after all.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use barid_log::{LogError, Position, Purpose};
use bytes::Bytes;

use crate::block::{self, Block, Header, LAST_HEADER};
use crate::line::{Line, Load, Pending, Tip};
use crate::link::{Published, Which, random_id};
use crate::shared::Shared;

/// How long one attempt waits for an answer: a stalled disk takes a second, a leader that is gone never answers.
const ATTEMPT: Duration = Duration::from_secs(2);
/// First pause between attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// Longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Pause before a stream is tried again that has no leader: the servers say so at once, and it costs them nothing.
const LEADERLESS: Duration = Duration::from_millis(100);

/// How long records that nobody waits for may wait for company: every block costs three servers a sync, whatever it holds.
const LATER: Duration = Duration::from_millis(50);

/// A block on its way.
struct Sending {
    header: Header,
    payload: Bytes,
    /// The sequence it follows.
    after: u64,
}

/// What became of a block.
enum Fate {
    Stored(u64),
    /// Another writer went on.
    Overtaken(Tip),
    /// Not stored, and this is what its appends are told.
    Not(LogError),
    Unknown(String),
}

/// What the leader shows.
enum Seen {
    Ours(u64),
    Other(Tip),
    NotYet,
}

impl Shared {
    /// Sends what waits on a line until nothing does. `later`: nobody waits for what there is yet.
    pub(crate) async fn pump(self: Arc<Self>, line: Arc<Line>, later: bool) {
        if later {
            drop(tokio::time::timeout(LATER, line.urgent.notified()).await);
        }
        // Whoever else was woken by the same answer may append first.
        tokio::task::yield_now().await;
        loop {
            let (load, tip) = {
                let mut state = line.state.lock();
                let tip = state.tip.unwrap_or_default();
                match state.take() {
                    Some(load) => (load, tip),
                    None => {
                        state.busy = false;
                        state.queued = tip.end;
                        break;
                    }
                }
            };
            let mut header = tip.next_header(random_id());
            let payload = block::encode(&line.address, &mut header, &load.pieces);
            let sending = Sending { header, payload, after: tip.sequence };
            match self.send(&line, &sending).await {
                Fate::Stored(sequence) => self.stored(&line, Tip::of(sequence, &header), load),
                Fate::Overtaken(tip) => {
                    self.failed(&line, tip, load, |pending| {
                        if pending.begun {
                            return LogError::Unknown("stored in part, and then another went on".into());
                        }
                        LogError::WrongLast {
                            subject: line.subject.clone(),
                            known: Position(pending.first.saturating_sub(1)),
                            actual: Position(tip.end),
                        }
                    });
                }
                Fate::Not(error) => {
                    self.failed(&line, tip, load, |pending| {
                        if pending.begun { LogError::Unknown("stored in part".into()) } else { error.clone() }
                    });
                }
                Fate::Unknown(why) => self.doubt(&line, &sending, tip, load, why).await,
            }
        }
        line.decided.send_replace(());
    }

    fn stored(&self, line: &Line, tip: Tip, load: Load) {
        {
            let mut state = line.state.lock();
            state.tip = Some(tip);
            // What did not fit: the first append that waits may have begun.
            if let Some(pending) = state.queue.front_mut() {
                pending.begun |= pending.first <= tip.end;
            }
        }
        self.counters.blocks.fetch_add(1, Ordering::Relaxed);
        self.counters.records.fetch_add(load.pieces.len() as u64, Ordering::Relaxed);
        line.reached(tip.end);
        for pending in load.complete {
            self.confirm(line, pending);
        }
    }

    /// Tells an append that it is durable: at once, or once that is proven where senders depend on it.
    fn confirm(&self, line: &Line, pending: Pending) {
        let Pending { done, room, .. } = pending;
        drop(room);
        if line.subject.purpose() != Purpose::Intake || self.proven() {
            // The caller may have gone; what is stored stays.
            drop(done.send(Ok(())));
            return;
        }
        let mut proof = self.proof.watch();
        let (within, server) = (self.options.answer_within, self.server());
        tokio::spawn(async move {
            let holds = proof.wait_for(|proof| proof.is_valid() && proof.covers(&server));
            let proven = tokio::time::timeout(within, holds).await;
            let proven = matches!(proven, Ok(Ok(_)));
            drop(done.send(if proven {
                Ok(())
            } else {
                Err(LogError::Unknown("stored, but not proven durable".into()))
            }));
        });
    }

    /// Ends what was sent and all that waits behind it.
    fn failed(&self, line: &Line, tip: Tip, load: Load, error: impl Fn(&Pending) -> LogError) {
        let waiting = {
            let mut state = line.state.lock();
            state.tip = Some(tip);
            state.queued = tip.end;
            std::mem::take(&mut state.queue)
        };
        line.reached(tip.end);
        for pending in load.complete.into_iter().chain(waiting) {
            let error = error(&pending);
            drop(pending.done.send(Err(error)));
        }
    }

    /// Answers that the result is unknown, and then finds it out.
    async fn doubt(&self, line: &Line, sending: &Sending, tip: Tip, load: Load, why: String) {
        self.counters.doubts.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(subject = %line.subject, why, "the result of an append is unknown");
        line.state.lock().doubt = true;
        let sent_to = sending.header.last();
        self.failed(line, tip, load, |pending| {
            if pending.first <= sent_to {
                LogError::Unknown(why.clone().into())
            } else {
                LogError::Busy("an append before it is in doubt".into())
            }
        });
        let tip = self.resolve(line, sending, tip).await;
        let mut state = line.state.lock();
        state.doubt = false;
        state.tip = Some(tip);
        state.queued = tip.end;
        drop(state);
        line.reached(tip.end);
    }

    /// Sends a block until it is known what became of it, or for too long.
    async fn send(&self, line: &Line, sending: &Sending) -> Fate {
        let deadline = Instant::now() + self.options.answer_within;
        let mut pause = PAUSE;
        let (mut sent, mut unclear) = (false, false);
        let mut why = "not connected".to_owned();
        loop {
            let mut leaderless = false;
            if self.link.connected() {
                match self.publish(line, sending).await {
                    Published::Stored(sequence) => return Fate::Stored(sequence),
                    Published::Nobody => leaderless = true,
                    // Of a copy that may still be on its way nothing is known.
                    Published::Full if !sent => {
                        self.full(line.family);
                        return Fate::Not(LogError::NoSpace(line.subject.purpose()));
                    }
                    Published::Refused(why) if !sent => return Fate::Not(LogError::Storage(why.into())),
                    Published::Full | Published::Stale => {}
                    Published::Refused(text) => why = text,
                    Published::Unclear(text) => {
                        unclear = true;
                        why = text;
                    }
                }
                if leaderless {
                    // Nor would anybody tell what became of an earlier copy.
                    "the stream has no leader".clone_into(&mut why);
                } else {
                    sent = true;
                    match self.look(line, sending, unclear).await {
                        Ok(Seen::Ours(sequence)) => return Fate::Stored(sequence),
                        Ok(Seen::Other(tip)) => return Fate::Overtaken(tip),
                        Ok(Seen::NotYet) => {}
                        Err(error) => why = error.to_string(),
                    }
                }
                self.counters.retries.fetch_add(1, Ordering::Relaxed);
            }
            if Instant::now() >= deadline || self.closed.is_cancelled() {
                return if sent { Fate::Unknown(why) } else { Fate::Not(LogError::Busy(why.into())) };
            }
            tokio::time::sleep(if leaderless { LEADERLESS } else { pause }).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn publish(&self, line: &Line, sending: &Sending) -> Published {
        let headers = [(LAST_HEADER, sending.header.last().to_string())];
        self.link.publish(&line.address, Some(sending.after), &headers, sending.payload.clone(), ATTEMPT).await
    }

    /// Asks the leader for the subject's last block. `unclear`: an earlier copy may be stored, with others behind it.
    async fn look(&self, line: &Line, sending: &Sending, unclear: bool) -> Result<Seen, LogError> {
        let Some((sequence, header)) = self.newest(line).await?.map(|block| (block.sequence, block.header)) else {
            return Ok(Seen::NotYet);
        };
        if header.id == sending.header.id {
            return Ok(Seen::Ours(sequence));
        }
        // A leader that has been deposed may show less than there is.
        if sequence <= sending.after {
            return Ok(Seen::NotYet);
        }
        if unclear {
            // The stream takes one block after that one: ours, or another's.
            let next = Which::Next(&line.address, sending.after + 1);
            let Some(stored) = self.link.message(&line.stream, next).await? else { return Ok(Seen::NotYet) };
            let block = self.decode(line, &stored)?;
            if block.header.id == sending.header.id {
                return Ok(Seen::Ours(block.sequence));
            }
            if block.header.first != sending.header.first {
                return Err(LogError::Busy("what took the block's place is not there any more".into()));
            }
        }
        Ok(Seen::Other(Tip::of(sequence, &header)))
    }

    /// Finds out what became of a block that nobody waits for any more; puts an empty one in its place.
    async fn resolve(&self, line: &Line, sending: &Sending, tip: Tip) -> Tip {
        let mut header = tip.next_header(random_id());
        let payload = block::encode(&line.address, &mut header, &[]);
        let empty = Sending { header, payload, after: sending.after };
        let mut pause = PAUSE;
        loop {
            if self.link.connected() {
                // Only where the subject ends is asked here: what is stored and what is not, whoever appended reads.
                match self.look(line, sending, false).await {
                    Ok(Seen::Ours(sequence)) => return Tip::of(sequence, &sending.header),
                    Ok(Seen::Other(found)) => return found,
                    Ok(Seen::NotYet) => {
                        if let Published::Stored(sequence) = self.publish(line, &empty).await {
                            return Tip::of(sequence, &header);
                        }
                    }
                    Err(_) => {}
                }
            }
            tokio::select! {
                () = self.closed.cancelled() => return tip,
                () = tokio::time::sleep(pause) => {}
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// The subject's last block, from the leader.
    pub(crate) async fn newest(&self, line: &Line) -> Result<Option<Block>, LogError> {
        let stored = self.link.message(&line.stream, Which::Last(&line.address)).await?;
        stored.map(|stored| self.decode(line, &stored)).transpose()
    }
}
