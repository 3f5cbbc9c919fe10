//! NATS servers as they were measured (`docs/decisions/0003-jetstream.md`), without a network or a disk: what is sent to them is
//! on its way for a while, may be lost, and may land long after its sender has given up, has been frozen or has died.
//!
//! * Of all that follows the same sequence of a subject, the first to land is stored; the others are refused.
//! * An answer may be lost: then nobody knows, but whoever asks.
//! * While leaders change, one that was deposed answers reads with what it had; it can store nothing.
//! * A process that is cut off reaches nobody; some of what it sent lands when the way is there again.
//!
//! Time is moved by the world, [`STEP_MS`] at a time. What a process makes of it all is `client.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use barid_log::{Key, Subject};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::client::Client;
use super::random::Random;

/// What passes between two steps of the world.
pub(super) const STEP_MS: u64 = 5;
/// An answer or a publication on an ordinary way.
const WAY_MS: u64 = 8;
/// The longest that something is on its way without being lost: longer than its sender waits.
const LATE_MS: u64 = 3_000;

/// Some records of a subject, stored together.
#[derive(Clone)]
pub(super) struct Block {
    pub(super) id: u64,
    pub(super) sequence: u64,
    pub(super) first: u64,
    pub(super) records: Vec<Bytes>,
    at: u64,
}

impl Block {
    pub(super) fn end(&self) -> u64 {
        self.first + self.records.len() as u64 - 1
    }
}

/// A value of a key, or that it has none.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) id: u64,
    pub(super) sequence: u64,
    pub(super) value: Option<Bytes>,
    at: u64,
}

pub(super) enum What {
    Block { subject: Subject, after: u64, id: u64, first: u64, records: Vec<Bytes> },
    Version { key: Key, after: u64, id: u64, value: Option<Bytes> },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Stored(u64),
    Stale,
}

struct Publication {
    due: u64,
    node: usize,
    what: What,
    /// It has met a way that was closed, and was not lost.
    survived: bool,
    answer: oneshot::Sender<Answer>,
}

struct Answering {
    due: u64,
    node: usize,
    answer: Answer,
    to: oneshot::Sender<Answer>,
}

pub(super) struct State {
    pub(super) now: u64,
    sequence: u64,
    ids: u64,
    streams: BTreeMap<Subject, Vec<Block>>,
    keys: BTreeMap<Key, Vec<Version>>,
    sent: Vec<Publication>,
    answering: Vec<Answering>,
    clients: Vec<Weak<Client>>,
    cut: BTreeSet<usize>,
    down: bool,
    /// Since when a leader that was deposed does not know.
    deposed: Option<u64>,
    pub(super) calm: bool,
    /// Something landed, or a way was opened, since clients were told.
    news: bool,
    random: Random,
}

/// The servers.
pub(super) struct Cluster(Mutex<State>);

impl Cluster {
    pub(super) fn new(random: Random) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            now: 0,
            sequence: 0,
            ids: 0,
            streams: BTreeMap::new(),
            keys: BTreeMap::new(),
            sent: Vec::new(),
            answering: Vec::new(),
            clients: Vec::new(),
            cut: BTreeSet::new(),
            down: false,
            deposed: None,
            calm: false,
            news: false,
            random,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Lets a step of time pass: what is due lands, is answered, and is told to who listens.
    pub(super) fn step(&self) {
        let told = {
            let mut state = self.lock();
            state.now += STEP_MS;
            state.land();
            state.answer();
            std::mem::take(&mut state.news).then(|| state.clients.clone())
        };
        for client in told.into_iter().flatten().filter_map(|client| client.upgrade()) {
            client.hear();
        }
    }

    pub(super) fn send(&self, node: usize, what: What) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        let mut state = self.lock();
        let way = match state.random.below(100) {
            0..3 if !state.calm => state.random.below(LATE_MS),
            3..5 if !state.calm => return receiver,
            _ => 1 + state.random.below(WAY_MS),
        };
        let due = state.now + way;
        state.sent.push(Publication { due, node, what, survived: false, answer });
        receiver
    }
}

impl State {
    pub(super) fn reaches(&self, node: usize) -> bool {
        !self.down && !self.cut.contains(&node)
    }

    pub(super) fn cut(&mut self, node: usize, cut: bool) {
        if cut {
            self.cut.insert(node)
        } else {
            self.cut.remove(&node)
        };
        self.news = true;
    }

    pub(super) fn without_quorum(&mut self, down: bool) {
        self.down = down;
        self.news = true;
    }

    pub(super) fn leaders_change(&mut self, begins: bool) {
        self.deposed = begins.then_some(self.now);
    }

    pub(super) fn knows(&mut self, client: Weak<Client>) {
        self.clients.retain(|client| client.strong_count() > 0);
        self.clients.push(client);
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// Up to when an answer shows what is stored.
    pub(super) fn view(&self) -> u64 {
        match self.deposed {
            Some(since) if self.random.percent(40) => since,
            _ => u64::MAX,
        }
    }

    pub(super) fn blocks(&self, subject: &Subject) -> &[Block] {
        self.streams.get(subject).map_or(&[], Vec::as_slice)
    }

    /// The newest block that is shown.
    pub(super) fn newest(&self, subject: &Subject, view: u64) -> Option<&Block> {
        self.blocks(subject).iter().rev().find(|block| block.at <= view)
    }

    pub(super) fn version(&self, key: &Key, view: u64) -> Option<&Version> {
        self.keys.get(key)?.iter().rev().find(|version| version.at <= view)
    }

    pub(super) fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.streams.iter().filter(|(_, blocks)| blocks.iter().any(|block| !block.records.is_empty())).map(|(s, _)| s)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (&Key, &Version)> {
        self.keys.iter().filter_map(|(key, versions)| Some((key, versions.last()?)))
    }

    /// Every record of a subject with its position.
    pub(super) fn records(&self, subject: &Subject) -> Vec<(u64, Bytes)> {
        let blocks = self.blocks(subject).iter();
        blocks.flat_map(|block| (block.first..).zip(block.records.iter().cloned())).collect()
    }

    fn land(&mut self) {
        let now = self.now;
        let (due, left): (Vec<_>, Vec<_>) = self.sent.drain(..).partition(|sent| sent.due <= now);
        self.sent = left;
        for mut sent in due {
            if !self.reaches(sent.node) {
                // Of what met a closed way some is sent again by the system when it is open, some is lost.
                if sent.survived || self.random.percent(60) {
                    (sent.survived, sent.due) = (true, now + 1 + self.random.below(40));
                    self.sent.push(sent);
                }
                continue;
            }
            let answer = self.store(sent.what);
            if self.calm || !self.random.percent(3) {
                let due = now + 1 + self.random.below(WAY_MS);
                self.answering.push(Answering { due, node: sent.node, answer, to: sent.answer });
            }
        }
    }

    fn store(&mut self, what: What) -> Answer {
        let (sequence, at) = (self.sequence + 1, self.now);
        match what {
            What::Block { subject, after, id, first, records } => {
                let blocks = self.streams.entry(subject).or_default();
                if blocks.last().map_or(0, |last| last.sequence) != after {
                    return Answer::Stale;
                }
                blocks.push(Block { id, sequence, first, records, at });
            }
            What::Version { key, after, id, value } => {
                let versions = self.keys.entry(key).or_default();
                if versions.last().map_or(0, |last| last.sequence) != after {
                    return Answer::Stale;
                }
                versions.push(Version { id, sequence, value, at });
            }
        }
        self.sequence = sequence;
        self.news = true;
        Answer::Stored(sequence)
    }

    fn answer(&mut self) {
        let now = self.now;
        let (due, left): (Vec<_>, Vec<_>) = self.answering.drain(..).partition(|answering| answering.due <= now);
        self.answering = left;
        for answering in due.into_iter().filter(|answering| !self.cut.contains(&answering.node)) {
            // Who asked may have gone.
            drop(answering.to.send(answering.answer));
        }
    }
}
