//! The log over those servers as a process sees it: blocks by compare-and-set, one of a subject on its way, sent again until it
//! is known what became of it; after a while its appends are told that nobody knows, and an empty block takes its place.
//!
//! What `barid-log-nats` does (`pump.rs`, `keys.rs`), in few words and over servers that do as the world pleases. It keeps the
//! log's contract, which is tested below.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use barid_log::{
    Batch, Bounds, BoxFuture, Entry, Identity, Key, Log, LogError, MAX_APPEND_BYTES, MAX_RECORD_BYTES, MAX_VALUE_BYTES,
    Position, ReadLimit, Revision, SpaceLevel, Subject, Ticket,
};
use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::cluster::{Answer, Block, Cluster, State as Servers, What};
use super::random::Random;

/// How long one attempt waits for its answer.
const ATTEMPT: Duration = Duration::from_millis(250);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(40);
/// When an append is told that nobody knows, and a question that there is no answer. Below a lease, as the real one is above it:
/// both have to hold.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_200);
/// Appends of one block.
const BLOCK_APPENDS: usize = 8;

#[derive(Clone, Copy, Default)]
struct Tip {
    sequence: u64,
    end: u64,
}

impl Tip {
    fn of(block: Option<&Block>) -> Self {
        block.map_or(Self::default(), |block| Self { sequence: block.sequence, end: block.end() })
    }
}

struct Pending {
    first: u64,
    records: Vec<Bytes>,
    done: oneshot::Sender<Result<(), LogError>>,
}

#[derive(Default)]
struct LineState {
    tip: Option<Tip>,
    queued: u64,
    queue: VecDeque<Pending>,
    busy: bool,
    doubt: bool,
    floor: u64,
}

struct Line {
    subject: Subject,
    state: Mutex<LineState>,
    durable: watch::Sender<Position>,
    decided: watch::Sender<()>,
}

impl Line {
    fn reached(&self, end: u64) {
        self.durable.send_if_modified(|known| {
            let further = known.0 < end;
            known.0 = known.0.max(end);
            further
        });
    }

    fn adopt(&self, tip: Tip) {
        let mut state = self.state.lock().unwrap();
        if !state.busy && state.tip.is_none_or(|known| known.sequence <= tip.sequence) {
            (state.tip, state.queued) = (Some(tip), tip.end);
        }
        drop(state);
        self.reached(tip.end);
    }
}

enum Fate {
    Stored(Tip),
    Overtaken(Tip),
    Busy,
    Unknown,
}

enum Seen {
    Ours(Tip),
    Other(Tip),
    NotYet,
}

/// The log, as one process sees it.
pub(super) struct Client {
    me: Weak<Self>,
    cluster: Arc<Cluster>,
    node: usize,
    random: Random,
    lines: Mutex<HashMap<Subject, Arc<Line>>>,
    watched: Mutex<Vec<(String, bool, watch::Sender<Revision>)>>,
    space: watch::Sender<SpaceLevel>,
    identity: Identity,
}

fn nobody_answers() -> LogError {
    LogError::Busy("nobody answers".into())
}

impl Client {
    pub(super) fn new(cluster: &Arc<Cluster>, node: usize, random: Random, partitions: u32) -> Arc<Self> {
        let identity = Identity { incarnation: [1; 16], lane_key: [2; 16], partitions, hash: "sha256".into() };
        let client = Arc::new_cyclic(|me: &Weak<Self>| Self {
            me: me.clone(),
            cluster: Arc::clone(cluster),
            node,
            random,
            lines: Mutex::default(),
            watched: Mutex::default(),
            space: watch::Sender::new(SpaceLevel::Free),
            identity,
        });
        cluster.lock().knows(Arc::downgrade(&client));
        client
    }

    /// What the servers tell those who listen.
    pub(super) fn hear(&self) {
        let servers = self.cluster.lock();
        if !servers.reaches(self.node) {
            return;
        }
        for line in self.lines.lock().unwrap().values() {
            line.reached(servers.newest(&line.subject, u64::MAX).map_or(0, Block::end));
        }
        for (name, is_prefix, sender) in &*self.watched.lock().unwrap() {
            let watched = |key: &&Key| if *is_prefix { key.as_str().starts_with(name) } else { key.as_str() == name };
            let newest = servers.keys().filter(|(key, _)| watched(key)).map(|(_, version)| version.sequence).max();
            let newest = Revision(newest.unwrap_or(0));
            sender.send_if_modified(|known| {
                let newer = *known < newest;
                *known = newest.max(*known);
                newer
            });
        }
    }

    fn line(&self, subject: &Subject) -> Arc<Line> {
        let mut lines = self.lines.lock().unwrap();
        let new = || {
            Arc::new(Line {
                subject: subject.clone(),
                state: Mutex::default(),
                durable: watch::Sender::new(Position::START),
                decided: watch::Sender::new(()),
            })
        };
        Arc::clone(lines.entry(subject.clone()).or_insert_with(new))
    }

    /// One question, which a deposed leader may answer.
    async fn ask_once<T>(&self, question: impl FnOnce(&Servers, u64) -> T) -> Result<T, LogError> {
        tokio::time::sleep(Duration::from_millis(1 + self.random.below(6))).await;
        let servers = self.cluster.lock();
        if servers.reaches(self.node) { Ok(question(&servers, servers.view())) } else { Err(nobody_answers()) }
    }

    async fn ask<T>(&self, question: impl Fn(&Servers, u64) -> Result<T, LogError>) -> Result<T, LogError> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        loop {
            match self.ask_once(&question).await.flatten() {
                Err(LogError::Busy(_)) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                other => return other,
            }
        }
    }

    async fn publish(&self, what: What) -> Option<Answer> {
        tokio::time::timeout(ATTEMPT, self.cluster.send(self.node, what)).await.ok()?.ok()
    }

    /// The subject's newest block. What this process knows to be stored is not taken for gone.
    async fn refresh(&self, line: &Line) -> Result<Option<Block>, LogError> {
        let newest = self
            .ask(|servers, view| {
                let newest = servers.newest(&line.subject, view);
                let known = line.state.lock().unwrap().tip.map_or(0, |tip| tip.sequence);
                if newest.map_or(0, |block| block.sequence) < known {
                    Err(nobody_answers())
                } else {
                    Ok(newest.cloned())
                }
            })
            .await?;
        line.adopt(Tip::of(newest.as_ref()));
        Ok(newest)
    }

    async fn pump(self: Arc<Self>, line: Arc<Line>) {
        loop {
            let (tip, load) = {
                let mut state = line.state.lock().unwrap();
                let tip = state.tip.unwrap_or_default();
                let count = state.queue.len().min(BLOCK_APPENDS);
                let load: Vec<Pending> = state.queue.drain(..count).collect();
                if load.is_empty() {
                    (state.busy, state.queued) = (false, tip.end);
                    break;
                }
                (tip, load)
            };
            let records: Vec<Bytes> = load.iter().flat_map(|pending| pending.records.clone()).collect();
            let id = self.cluster.lock().next_id();
            match self.send(&line, tip, id, &records).await {
                Fate::Stored(tip) => {
                    line.state.lock().unwrap().tip = Some(tip);
                    line.reached(tip.end);
                    for pending in load {
                        drop(pending.done.send(Ok(())));
                    }
                }
                Fate::Overtaken(found) => Self::failed(&line, found, load, |pending| LogError::WrongLast {
                    subject: line.subject.clone(),
                    known: Position(pending.first - 1),
                    actual: Position(found.end),
                }),
                Fate::Busy => Self::failed(&line, tip, load, |_| nobody_answers()),
                Fate::Unknown => {
                    line.state.lock().unwrap().doubt = true;
                    let end = tip.end + records.len() as u64;
                    Self::failed(&line, tip, load, |pending| match pending.first <= end {
                        true => LogError::Unknown("simulated".into()),
                        false => LogError::Busy("an append before it is in doubt".into()),
                    });
                    let tip = self.resolve(&line, tip, id).await;
                    let mut state = line.state.lock().unwrap();
                    (state.doubt, state.tip, state.queued) = (false, Some(tip), tip.end);
                    drop(state);
                    line.reached(tip.end);
                }
            }
        }
        line.decided.send_replace(());
    }

    fn failed(line: &Line, tip: Tip, load: Vec<Pending>, error: impl Fn(&Pending) -> LogError) {
        let waiting = {
            let mut state = line.state.lock().unwrap();
            (state.tip, state.queued) = (Some(tip), tip.end);
            std::mem::take(&mut state.queue)
        };
        line.reached(tip.end);
        for pending in load.into_iter().chain(waiting) {
            let error = error(&pending);
            drop(pending.done.send(Err(error)));
        }
    }

    async fn send(&self, line: &Line, tip: Tip, id: u64, records: &[Bytes]) -> Fate {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let mut sent = false;
        loop {
            if self.cluster.lock().reaches(self.node) {
                sent = true;
                if let Some(Answer::Stored(sequence)) = self.publish(block(line, tip, id, records.to_vec())).await {
                    return Fate::Stored(Tip { sequence, end: tip.end + records.len() as u64 });
                }
                match self.look(line, tip, id, true).await {
                    Ok(Seen::Ours(tip)) => return Fate::Stored(tip),
                    Ok(Seen::Other(tip)) => return Fate::Overtaken(tip),
                    Ok(Seen::NotYet) | Err(_) => {}
                }
            }
            if Instant::now() >= deadline {
                return if sent { Fate::Unknown } else { Fate::Busy };
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What stands where a block was to stand. `behind`: what is stored counts, though others may stand behind it.
    async fn look(&self, line: &Line, tip: Tip, id: u64, behind: bool) -> Result<Seen, LogError> {
        self.ask_once(|servers, view| {
            let Some(newest) = servers.newest(&line.subject, view) else { return Seen::NotYet };
            if newest.id == id {
                return Seen::Ours(Tip::of(Some(newest)));
            }
            if newest.sequence <= tip.sequence {
                return Seen::NotYet;
            }
            let next = servers.blocks(&line.subject).iter().find(|block| block.sequence > tip.sequence);
            match next.filter(|next| behind && next.id == id) {
                Some(ours) => Seen::Ours(Tip::of(Some(ours))),
                None => Seen::Other(Tip::of(Some(newest))),
            }
        })
        .await
    }

    async fn resolve(&self, line: &Line, tip: Tip, id: u64) -> Tip {
        let empty = self.cluster.lock().next_id();
        loop {
            match self.look(line, tip, id, false).await {
                Ok(Seen::Ours(tip) | Seen::Other(tip)) => return tip,
                Ok(Seen::NotYet) => {
                    if let Some(Answer::Stored(sequence)) = self.publish(block(line, tip, empty, Vec::new())).await {
                        return Tip { sequence, end: tip.end };
                    }
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn decided(&self, line: &Line) -> Result<(), LogError> {
        let mut decided = line.decided.subscribe();
        let wait = async {
            while line.state.lock().unwrap().busy {
                drop(decided.changed().await);
            }
        };
        let waited = tokio::time::timeout(2 * ANSWER_WITHIN, wait).await;
        waited.map_err(|_| LogError::Busy("an append is still in doubt".into()))
    }

    async fn change(&self, key: &Key, expect: Revision, value: Option<Bytes>) -> Result<Revision, LogError> {
        let wrong = |actual| LogError::WrongRevision { key: key.clone(), expected: expect, actual };
        if value.as_ref().is_some_and(|value| value.len() > MAX_VALUE_BYTES) {
            return Err(LogError::TooLarge { bytes: value.map_or(0, |value| value.len()), limit: MAX_VALUE_BYTES });
        }
        let id = self.cluster.lock().next_id();
        let (deadline, mut after, mut sent) = (Instant::now() + ANSWER_WITHIN, expect.0, false);
        loop {
            if self.cluster.lock().reaches(self.node) {
                sent = true;
                let what = What::Version { key: key.clone(), after, id, value: value.clone() };
                if let Some(Answer::Stored(sequence)) = self.publish(what).await {
                    return Ok(Revision(sequence));
                }
                let found = self.ask_once(|servers, view| servers.version(key, view).cloned()).await;
                if let Ok(found) = found {
                    match found {
                        Some(found) if found.id == id => return Ok(Revision(found.sequence)),
                        Some(found) if found.value.is_none() && expect == Revision::NONE => after = found.sequence,
                        Some(found) if found.value.is_none() => return Err(wrong(Revision::NONE)),
                        Some(found) if found.sequence > after => return Err(wrong(Revision(found.sequence))),
                        Some(_) => {}
                        None if expect == Revision::NONE => after = 0,
                        None => return Err(wrong(Revision::NONE)),
                    }
                }
            }
            if Instant::now() >= deadline {
                return Err(if sent { LogError::Unknown("simulated".into()) } else { nobody_answers() });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn watch(&self, name: &str, is_prefix: bool) -> watch::Receiver<Revision> {
        // The servers first, as where they tell of what is new.
        let found =
            |(key, version): (&Key, &super::cluster::Version)| (key.as_str() == name).then_some(version.sequence);
        let there = self.cluster.lock().keys().find_map(found).filter(|_| !is_prefix);
        let mut watched = self.watched.lock().unwrap();
        watched.retain(|(_, _, sender)| sender.receiver_count() > 0);
        if let Some((_, _, sender)) = watched.iter().find(|(known, prefix, _)| known == name && *prefix == is_prefix) {
            return sender.subscribe();
        }
        let sender = watch::Sender::new(Revision(there.unwrap_or(0)));
        let receiver = sender.subscribe();
        watched.push((name.to_owned(), is_prefix, sender));
        receiver
    }

    async fn append_now(&self, subject: &Subject, last: Position, records: Vec<Bytes>) -> Result<Ticket, LogError> {
        check(&records)?;
        let line = self.line(subject);
        if line.state.lock().unwrap().tip.is_none() {
            self.refresh(&line).await?;
        }
        self.queue(&line, Some(last), records)
    }

    /// Gives an append its place: after a position, or after whatever is last.
    fn queue(&self, line: &Arc<Line>, after: Option<Position>, records: Vec<Bytes>) -> Result<Ticket, LogError> {
        let (done, answer) = oneshot::channel();
        let (last, end, start) = {
            let mut state = line.state.lock().unwrap();
            if state.doubt {
                return Err(LogError::Busy("an append before it is in doubt".into()));
            }
            let last = after.unwrap_or(Position(state.queued));
            if state.queued != last.0 {
                let actual = Position(state.queued);
                return Err(LogError::WrongLast { subject: line.subject.clone(), known: last, actual });
            }
            let end = last.plus(records.len() as u64);
            state.queued = end.0;
            state.queue.push_back(Pending { first: last.next().0, records, done });
            (last, end, !std::mem::replace(&mut state.busy, true))
        };
        if start && let Some(me) = self.me.upgrade() {
            tokio::spawn(me.pump(Arc::clone(line)));
        }
        Ok(Ticket::new(last.next(), end, answer))
    }

    /// Stores an empty block behind the last one that is known, or learns of another.
    async fn follow_last(&self, line: &Arc<Line>) -> Result<Position, LogError> {
        if line.state.lock().unwrap().tip.is_none() {
            self.refresh(line).await?;
        }
        self.queue(line, None, Vec::new())?.await
    }
}

fn block(line: &Line, tip: Tip, id: u64, records: Vec<Bytes>) -> What {
    What::Block { subject: line.subject.clone(), after: tip.sequence, id, first: tip.end + 1, records }
}

fn check(records: &[Bytes]) -> Result<(), LogError> {
    let total: usize = records.iter().map(Bytes::len).sum();
    match records.iter().map(Bytes::len).max() {
        None => Err(LogError::Storage("an append has at least one record".into())),
        Some(bytes) if bytes > MAX_RECORD_BYTES => Err(LogError::TooLarge { bytes, limit: MAX_RECORD_BYTES }),
        Some(_) if total > MAX_APPEND_BYTES => Err(LogError::TooLarge { bytes: total, limit: MAX_APPEND_BYTES }),
        Some(_) => Ok(()),
    }
}

impl Log for Client {
    fn append<'a>(
        &'a self,
        subject: &'a Subject,
        last: Position,
        records: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<Ticket, LogError>> {
        Box::pin(self.append_now(subject, last, records))
    }

    fn last<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Option<Entry>, LogError>> {
        Box::pin(async move {
            let line = self.line(subject);
            self.decided(&line).await?;
            let Some(newest) = self.refresh(&line).await? else { return Ok(None) };
            let servers = self.cluster.lock();
            let full = |block: &&Block| block.sequence <= newest.sequence && !block.records.is_empty();
            let last = servers.blocks(subject).iter().rev().find(full);
            Ok(last.and_then(|block| {
                Some(Entry { position: Position(block.end()), record: block.records.last()?.clone() })
            }))
        })
    }

    fn proven_end<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Position, LogError>> {
        Box::pin(async move {
            let (line, deadline) = (self.line(subject), Instant::now() + ANSWER_WITHIN);
            loop {
                match self.follow_last(&line).await {
                    Err(LogError::WrongLast { .. } | LogError::Busy(_)) if Instant::now() < deadline => {
                        tokio::time::sleep(PAUSE).await;
                    }
                    end => return end,
                }
            }
        })
    }

    fn read<'a>(
        &'a self,
        subject: &'a Subject,
        from: Position,
        limit: ReadLimit,
    ) -> BoxFuture<'a, Result<Batch, LogError>> {
        Box::pin(async move {
            let line = self.line(subject);
            let (floor, known) = {
                let state = line.state.lock().unwrap();
                (state.floor.max(1), state.tip.map_or(0, |tip| tip.end))
            };
            self.ask(|servers, view| {
                let start = from.0.max(floor);
                let trimmed_to = (from.0.max(1) < floor).then_some(Position(floor));
                let mut batch = Batch { next: Position(start), trimmed_to, ..Batch::default() };
                // Any replica answers; where it shows an end, the leader is asked, and shows what this process knows of.
                let shown = servers.newest(subject, view).map_or(0, Block::end).max(known);
                let mut bytes = 0;
                for (position, record) in servers.records(subject) {
                    let counts = position >= start && position <= shown;
                    if !counts || batch.entries.len() >= limit.records.max(1) {
                        continue;
                    }
                    bytes += record.len();
                    if bytes > limit.bytes && !batch.entries.is_empty() {
                        break;
                    }
                    batch.entries.push(Entry { position: Position(position), record });
                    batch.next = Position(position + 1);
                }
                Ok(batch)
            })
            .await
        })
    }

    fn changed(&self, subject: &Subject) -> watch::Receiver<Position> {
        let line = self.line(subject);
        let receiver = line.durable.subscribe();
        let servers = self.cluster.lock();
        if servers.reaches(self.node) {
            line.reached(servers.newest(subject, u64::MAX).map_or(0, Block::end));
        }
        receiver
    }

    fn trim<'a>(&'a self, subject: &'a Subject, before: Position) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move {
            let line = self.line(subject);
            let last = self.refresh(&line).await?.map_or(1, |block| block.end());
            let mut state = line.state.lock().unwrap();
            state.floor = state.floor.max(before.0.min(last));
            Ok(())
        })
    }

    fn bounds<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Bounds, LogError>> {
        Box::pin(async move {
            let line = self.line(subject);
            let last = self.refresh(&line).await?.map_or(0, |newest| newest.end());
            let first = line.state.lock().unwrap().floor.max(1);
            let records = self.cluster.lock().records(subject);
            let kept = records.iter().filter(|(position, _)| (first..=last).contains(position));
            let bytes = kept.map(|(_, record)| record.len() as u64).sum();
            Ok(Bounds { first: Position(first), last: Position(last), bytes })
        })
    }

    fn subjects<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Subject>, LogError>> {
        Box::pin(self.ask(move |servers, _| {
            Ok(servers.subjects().filter(|subject| subject.as_str().starts_with(prefix)).cloned().collect())
        }))
    }

    fn put<'a>(&'a self, key: &'a Key, expect: Revision, value: Bytes) -> BoxFuture<'a, Result<Revision, LogError>> {
        Box::pin(self.change(key, expect, Some(value)))
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<(Revision, Bytes)>, LogError>> {
        Box::pin(self.ask(move |servers, view| {
            let version = servers.version(key, view);
            Ok(version.and_then(|version| Some((Revision(version.sequence), version.value.clone()?))))
        }))
    }

    fn delete<'a>(&'a self, key: &'a Key, expect: Revision) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move { self.change(key, expect, None).await.map(drop) })
    }

    fn keys<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Key>, LogError>> {
        Box::pin(self.ask(move |servers, _| {
            let there =
                servers.keys().filter(|(key, version)| key.as_str().starts_with(prefix) && version.value.is_some());
            Ok(there.map(|(key, _)| key.clone()).collect())
        }))
    }

    fn watch_key(&self, key: &Key) -> watch::Receiver<Revision> {
        self.watch(key.as_str(), false)
    }

    fn watch_keys(&self, prefix: &str) -> watch::Receiver<Revision> {
        self.watch(prefix, true)
    }

    fn space(&self) -> watch::Receiver<SpaceLevel> {
        self.space.subscribe()
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }
}
