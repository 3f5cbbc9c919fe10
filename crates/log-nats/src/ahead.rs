//! Reading ahead: one pass over a stream for all subjects that catch up in it together.
//!
//! A server that is asked for the next blocks of one subject loads every file of the stream from there on to count them, so a subject among many is slow to
//! read from far behind, and many of them read the same files many times. Unfiltered reads cost neither. So who is behind reads the stream as it is, keeps what
//! the others who are behind will want next, and they find it. Nobody waits for anybody: what is not fetched in time is dropped, oldest first, and its reader
//! reads for itself. A pass of which too little was wanted is not repeated for a while: then the subject alone is asked for.
//!
//! What is kept is what a replica gave. It is checked by its reader like any other read: positions show what is missing.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use barid_log::LogError;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::line::Line;
use crate::link::{Stored, batch_subject};
use crate::name::Family;
use crate::shared::Shared;

/// A subject whose end is this many blocks away is behind; nearer it is read alone, from what the servers have in memory.
const BEHIND_BLOCKS: f64 = 16.0;
/// Most blocks of one pass.
const PASS_BLOCKS: usize = 2048;
/// Most bytes of one pass: a file of the servers.
const PASS_BYTES: usize = 8 << 20;
/// Below one byte of this many that somebody wants, reading the subject alone is cheaper (measured).
const WANTED_OF: usize = 24;
/// Reads of the subject alone before a pass is tried again.
const ALONE: u32 = 64;
/// Who has not read for this long is not kept for.
const ACTIVE: Duration = Duration::from_secs(5);

/// Passes over the streams, one at a time in each.
#[derive(Default)]
pub(crate) struct Ahead {
    families: [Pass; 4],
}

#[derive(Default)]
struct Pass {
    kept: Mutex<Kept>,
    /// Held by who reads.
    reading: tokio::sync::Mutex<()>,
}

/// What passes have left for others.
#[derive(Default)]
struct Kept {
    /// Oldest first.
    windows: VecDeque<Window>,
    bytes: usize,
    /// Who is behind, by address: from where, and when it last said so.
    behind: HashMap<String, (u64, Instant)>,
}

/// One pass: all messages of the stream between two sequences, of those who were behind then.
struct Window {
    from: u64,
    to: u64,
    bytes: usize,
    /// Blocks by address, and from which sequence on they are all.
    of: HashMap<String, (u64, Vec<Stored>)>,
}

/// What there is for a reader.
pub(crate) enum Found {
    /// Its next blocks.
    Blocks(Vec<Stored>),
    /// Nothing before this sequence: it reads for itself from there.
    From(u64),
}

impl Ahead {
    fn pass(&self, family: Family) -> Option<&Pass> {
        self.families.get(family.index())
    }
}

impl Kept {
    fn wants(&mut self, address: &str, from: u64) {
        match self.behind.get_mut(address) {
            Some(wanted) => *wanted = (from, Instant::now()),
            None => {
                self.behind.insert(address.to_owned(), (from, Instant::now()));
            }
        }
    }

    /// The next blocks of a subject from a sequence on; where there are none, the sequence before which there are none.
    fn find(&self, address: &str, mut from: u64, count: usize) -> Found {
        let next = |from: u64| {
            let covers = |window: &&Window| window.from <= from && from < window.to;
            let of = |window: &'_ Window| window.of.get(address).is_some_and(|(since, _)| *since <= from);
            self.windows.iter().filter(covers).find(|window| of(window))
        };
        while let Some(window) = next(from) {
            let blocks = window.of.get(address).map_or(&[][..], |(_, blocks)| blocks);
            let begin = blocks.partition_point(|block| block.sequence < from);
            let blocks: Vec<Stored> = blocks.iter().skip(begin).take(count).cloned().collect();
            if !blocks.is_empty() {
                return Found::Blocks(blocks);
            }
            from = window.to;
        }
        Found::From(from)
    }

    /// Keeps of a pass what others want, within `budget`. Returns the bytes that somebody wanted.
    fn keep(&mut self, from: u64, stored: &[Stored], budget: usize) -> usize {
        let now = Instant::now();
        self.behind.retain(|_, (_, said)| now.duration_since(*said) < ACTIVE);
        let to = stored.last().map_or(from, |last| last.sequence + 1);
        let mut window = Window { from, to, bytes: 0, of: HashMap::new() };
        for (address, (wanted, _)) in self.behind.iter().filter(|(_, (wanted, _))| *wanted < to) {
            window.of.insert(address.clone(), (*wanted.max(&from), Vec::new()));
        }
        let mut wanted = 0;
        for message in stored {
            let Some(address) = batch_subject(message) else { continue };
            let Some((since, blocks)) = window.of.get_mut(address) else { continue };
            if message.sequence < *since {
                continue;
            }
            wanted += message.payload.len();
            window.bytes += message.payload.len();
            // A copy, because a slice holds the whole buffer of the connection.
            blocks.push(Stored { payload: Bytes::copy_from_slice(&message.payload), ..message.clone() });
        }
        self.bytes += window.bytes;
        self.windows.push_back(window);
        self.drop_used(now);
        while self.bytes > budget && self.windows.len() > 1 {
            self.drop_oldest();
        }
        wanted
    }

    /// Drops windows that all they were kept for have passed, or that nobody asks for any more.
    fn drop_used(&mut self, now: Instant) {
        let behind = &self.behind;
        let mut dropped = 0;
        self.windows.retain(|window| {
            let waits = |address: &String| {
                behind
                    .get(address)
                    .is_some_and(|(wanted, said)| *wanted < window.to && now.duration_since(*said) < ACTIVE)
            };
            let used = window.of.keys().any(waits);
            dropped += if used { 0 } else { window.bytes };
            used
        });
        self.bytes -= dropped;
    }

    fn drop_oldest(&mut self) {
        if let Some(window) = self.windows.pop_front() {
            self.bytes -= window.bytes;
        }
    }

    fn forget(&mut self, address: &str) {
        self.behind.remove(address);
        if self.behind.is_empty() {
            self.windows.clear();
            self.bytes = 0;
        }
    }
}

impl Shared {
    /// The next blocks of a subject that is behind, from a sequence on.
    pub(crate) async fn ahead(
        &self,
        line: &Line,
        position: u64,
        mut from: u64,
        count: usize,
    ) -> Result<Found, LogError> {
        let budget = self.options.read_ahead;
        let Some(pass) = self.ahead.pass(line.family).filter(|_| budget > 0) else { return Ok(Found::From(from)) };
        loop {
            if !line.is_behind(position) {
                pass.kept.lock().forget(&line.address);
                return Ok(Found::From(from));
            }
            let found = {
                let mut kept = pass.kept.lock();
                kept.wants(&line.address, from);
                kept.find(&line.address, from, count)
            };
            match found {
                Found::Blocks(blocks) => return Ok(Found::Blocks(blocks)),
                Found::From(after) => from = after,
            }
            if line.reads_alone() {
                return Ok(Found::From(from));
            }
            let _reading = pass.reading.lock().await;
            // Who read meanwhile may have found ours.
            match pass.kept.lock().find(&line.address, from, count) {
                Found::Blocks(blocks) => return Ok(Found::Blocks(blocks)),
                Found::From(after) => from = after,
            }
            let stored = self.ask(|| self.link.batch(&line.stream, ">", from, PASS_BLOCKS, PASS_BYTES)).await?;
            if stored.is_empty() {
                return Ok(Found::From(from));
            }
            let all: usize = stored.iter().map(|message| message.payload.len()).sum();
            let wanted = pass.kept.lock().keep(from, &stored, budget);
            if wanted * WANTED_OF < all {
                line.read_alone_for(ALONE);
            }
        }
    }
}

impl Line {
    /// Whether the end is so far that reading the whole stream may be cheaper.
    fn is_behind(&self, position: u64) -> bool {
        let end = self.durable.borrow().0;
        end.saturating_sub(position) as f64 / self.state.lock().density.max(1.0) >= BEHIND_BLOCKS
    }

    /// Counts a read of the subject alone, if those are better now.
    fn reads_alone(&self) -> bool {
        let mut state = self.state.lock();
        let alone = state.alone > 0;
        state.alone = state.alone.saturating_sub(1);
        alone
    }

    fn read_alone_for(&self, reads: u32) {
        self.state.lock().alone = reads;
    }
}

#[cfg(test)]
mod tests;
