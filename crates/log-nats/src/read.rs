//! Reading records: from any replica, checked against the leader where that could hide something.
//!
//! A read asks for the next blocks of its subject from a sequence on, several in one request. A replica may be behind, so an empty answer is believed only from
//! the leader; a replica may have lost a message, so a hole is too. Positions say what belongs between two blocks: nothing can be missing without being seen.
//!
//! Where a position is in the stream is known from the read before. For a reader that starts anew it is found by halving the stream: twenty questions for a
//! million messages, once.

use std::sync::Arc;

use barid_log::{Batch, Damage, Entry, LogError, Position, ReadLimit, Subject};

use crate::ahead::Found as Ahead;
use crate::block::{Block, LAST_HEADER, Piece};
use crate::line::Line;
use crate::link::{Stored, Which};
use crate::object;
use crate::shared::Shared;

/// Most blocks of one request.
const MOST_BLOCKS: usize = 256;
/// Most bytes of one request: what a connection brings in some ten milliseconds.
const MOST_BYTES: usize = 8 << 20;
/// A position this close above a mark is read up to, not searched for.
const NEAR: u64 = 64;
/// How often a large payload is looked for on a replica that may not have it yet.
const OBJECT_LOOKS: usize = 20;
/// Pause between these.
const OBJECT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
/// How much of the newest read the estimate of records a block takes over.
const DENSITY_WEIGHT: f64 = 0.5;

/// What is being put together.
struct Reading<'a> {
    line: &'a Line,
    limit: ReadLimit,
    bytes: usize,
    batch: Batch,
    full: bool,
}

/// A message, as far as it can be read.
enum Found {
    Block(Arc<Block>),
    /// Not readable, with the last position it holds, if that can be told.
    Broken(u64, Option<u64>),
}

impl Shared {
    /// A batch of records.
    pub(crate) async fn read(&self, subject: &Subject, from: Position, limit: ReadLimit) -> Result<Batch, LogError> {
        let line = self.line(subject);
        let floor = line.state.lock().floor;
        let from = from.max(Position(1));
        let batch = Batch {
            next: from.max(Position(floor)),
            trimmed_to: (from.0 < floor).then_some(Position(floor)),
            ..Batch::default()
        };
        let mut reading = Reading { line: &line, limit, bytes: 0, batch, full: false };
        // Blocks before the position, and trims of others, may bring a read on without a record.
        while reading.batch.entries.is_empty() && reading.batch.damaged.is_empty() {
            let next = reading.batch.next.0;
            let mut found = self.known(subject, next, limit);
            if found.is_empty() {
                found = self.fetch(&line, next, limit).await?;
            }
            if found.is_empty() {
                break;
            }
            let mut after = 0;
            for found in found {
                if !reading.full {
                    after = self.take(&mut reading, found, after).await?;
                } else if let Found::Block(block) = found {
                    // What was fetched for nothing is what the next read wants.
                    self.cache.lock().put(subject, block);
                }
            }
        }
        if let Some(entry) = reading.batch.entries.last() {
            line.reached(entry.position.0);
        }
        Ok(reading.batch)
    }

    /// The blocks from the one with `position` on, as far as they are here.
    fn known(&self, subject: &Subject, position: u64, limit: ReadLimit) -> Vec<Found> {
        let heard = self.heard.lock().from(subject, position, limit);
        if !heard.is_empty() {
            return heard.into_iter().map(Found::Block).collect();
        }
        self.cache.lock().find(subject, position).into_iter().map(Found::Block).collect()
    }

    /// The blocks from the one with `position` on; none at the end.
    async fn fetch(&self, line: &Line, position: u64, limit: ReadLimit) -> Result<Vec<Found>, LogError> {
        let from = self.sequence_of(line, position).await?;
        if limit.records == 1 {
            // A look at one place, such as a search makes: what is behind it is not wanted, and counting it costs the most.
            let stored = self.next_shown(line, from, position).await?;
            return match stored {
                Some(stored) => Ok(vec![self.found(line, stored).await?]),
                None => Ok(Vec::new()),
            };
        }
        let density = line.state.lock().density.max(1.0);
        let count = ((limit.records as f64 / density).ceil() as usize).clamp(2, MOST_BLOCKS);
        let bytes = limit.bytes.clamp(1, MOST_BYTES);
        let mut stored = match self.ahead(line, position, from, count).await? {
            Ahead::Blocks(stored) => stored,
            Ahead::From(from) => self.ask(|| self.link.batch(&line.stream, &line.address, from, count, bytes)).await?,
        };
        if stored.is_empty() {
            stored.extend(self.next_shown(line, from, position).await?);
        }
        let mut found = Vec::with_capacity(stored.len());
        for stored in stored {
            found.push(self.found(line, stored).await?);
        }
        let records: usize =
            found.iter().map(|found| if let Found::Block(b) = found { b.pieces.len() } else { 0 }).sum();
        if !found.is_empty() {
            let mut state = line.state.lock();
            let seen = records as f64 / found.len() as f64;
            state.density = state.density * (1.0 - DENSITY_WEIGHT) + seen * DENSITY_WEIGHT;
        }
        Ok(found)
    }

    async fn leader_next(&self, line: &Line, from: u64) -> Result<Option<Stored>, LogError> {
        self.ask(|| self.link.message(&line.stream, Which::Next(&line.address, from))).await
    }

    /// Decodes a message; one that a replica gave damaged is asked for at the leader.
    async fn found(&self, line: &Line, stored: Stored) -> Result<Found, LogError> {
        let sequence = stored.sequence;
        match self.decode(line, &stored) {
            Ok(block) => Ok(Found::Block(Arc::new(block))),
            Err(LogError::Damaged(_)) => {
                let again = self.ask(|| self.link.message(&line.stream, Which::At(sequence))).await?;
                let last = |stored: &Stored| stored.headers.get(LAST_HEADER)?.as_str().parse().ok();
                Ok(match again {
                    Some(again) => match self.decode(line, &again) {
                        Ok(block) => Found::Block(Arc::new(block)),
                        Err(_) => Found::Broken(sequence, last(&again)),
                    },
                    None => Found::Broken(sequence, last(&stored)),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Adds a block to the batch. Returns the sequence after it.
    async fn take(&self, reading: &mut Reading<'_>, found: Found, after: u64) -> Result<u64, LogError> {
        let line = reading.line;
        match found {
            Found::Broken(sequence, last) => {
                if let Some(last) = last.filter(|last| *last >= reading.batch.next.0) {
                    reading.lost(last, format!("stream {} sequence {sequence}", line.stream));
                }
                // What it held shows in the block after it, if not here.
                line.state.lock().marks.note(reading.batch.next.0, sequence + 1);
                Ok(sequence + 1)
            }
            Found::Block(block) => {
                if block.header.first > reading.batch.next.0 {
                    Box::pin(self.bridge(reading, &block, after)).await?;
                }
                if block.header.last() >= reading.batch.next.0 {
                    self.entries(reading, &block).await?;
                }
                let mut state = line.state.lock();
                if reading.full && reading.batch.next.0 <= block.header.last() {
                    state.marks.note(block.header.first, block.sequence);
                    drop(state);
                    self.cache.lock().put(&line.subject, Arc::clone(&block));
                } else {
                    state.marks.note(block.header.last() + 1, block.sequence + 1);
                }
                Ok(block.sequence + 1)
            }
        }
    }

    /// What is missing before a block: trimmed, not on this replica, or lost.
    async fn bridge(&self, reading: &mut Reading<'_>, block: &Block, after: u64) -> Result<(), LogError> {
        let line = reading.line;
        let begins = reading.batch.entries.is_empty() && reading.batch.damaged.is_empty();
        if begins {
            let first = self.leader_next(line, 1).await?;
            if first.is_none_or(|first| first.sequence >= block.sequence) {
                reading.batch.trimmed_to = Some(Position(block.header.first));
                reading.batch.next = Position(block.header.first);
                return Ok(());
            }
        }
        let mut from = if begins { self.sequence_of(line, reading.batch.next.0).await? } else { after };
        while let Some(stored) = self.leader_next(line, from).await? {
            if stored.sequence >= block.sequence || reading.full {
                break;
            }
            let found = self.found(line, stored).await?;
            // What the leader has is whole, or it is lost: it is not asked a third time.
            if let Found::Block(missed) = &found
                && missed.header.first > reading.batch.next.0
            {
                reading.lost(
                    missed.header.first - 1,
                    format!("stream {} before sequence {}", line.stream, missed.sequence),
                );
            }
            from = Box::pin(self.take(reading, found, from)).await?;
        }
        if !reading.full && reading.batch.next.0 < block.header.first {
            reading.lost(block.header.first - 1, format!("stream {} before sequence {}", line.stream, block.sequence));
        }
        Ok(())
    }

    /// Adds the records of a block from the next position on, up to the limit.
    async fn entries(&self, reading: &mut Reading<'_>, block: &Block) -> Result<(), LogError> {
        let skip = usize::try_from(reading.batch.next.0 - block.header.first).unwrap_or(usize::MAX);
        for piece in block.pieces.iter().skip(skip) {
            if !reading.has_room(piece.size()) {
                reading.full = true;
                return Ok(());
            }
            match self.record(reading.line, piece).await? {
                Some(record) => {
                    reading.bytes = reading.bytes.saturating_add(record.len());
                    let position = reading.batch.next;
                    reading.batch.next = position.next();
                    reading.batch.entries.push(Entry { position, record });
                }
                None => {
                    if self.is_trimmed(reading, block).await? {
                        return Ok(());
                    }
                    let place =
                        format!("stream {} and a large record of sequence {}", self.names.objects(), block.sequence);
                    reading.lost(reading.batch.next.0, place);
                }
            }
        }
        Ok(())
    }

    /// Whether another process has trimmed a block that is still known here; if so the batch goes on after it.
    async fn is_trimmed(&self, reading: &mut Reading<'_>, block: &Block) -> Result<bool, LogError> {
        let Some(first) = self.leader_next(reading.line, 1).await? else { return Ok(false) };
        if first.sequence <= block.sequence {
            return Ok(false);
        }
        let first = Position(self.decode(reading.line, &first)?.header.first);
        self.cache.lock().forget(&reading.line.subject);
        reading.batch.trimmed_to = Some(first);
        reading.batch.next = first;
        Ok(true)
    }

    /// The bytes of a record; none if they are lost.
    pub(crate) async fn record(&self, line: &Line, piece: &Piece) -> Result<Option<bytes::Bytes>, LogError> {
        let reference = match piece {
            Piece::Inline(bytes) => return Ok(Some(bytes.clone())),
            Piece::Object(reference) => reference,
        };
        for look in 0..OBJECT_LOOKS {
            if look > 0 {
                tokio::time::sleep(OBJECT_PAUSE).await;
            }
            let load = || object::load(&self.link, &self.names, &line.subject, reference);
            if let Some(record) = self.ask(load).await? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// A sequence with no block of `position` before it, and not far from it.
    pub(crate) async fn sequence_of(&self, line: &Line, position: u64) -> Result<u64, LogError> {
        let (mut low, high) = {
            let state = line.state.lock();
            (state.marks.below(position).unwrap_or((1, 1)), state.marks.above(position))
        };
        if position - low.0.min(position) <= NEAR {
            return Ok(low.1);
        }
        let mut high = match high {
            Some((_, sequence)) => sequence,
            None => match self.refresh(line).await? {
                Some(last) if last.header.first <= position => return Ok(last.sequence),
                Some(last) => last.sequence,
                None => return Ok(low.1),
            },
        };
        // A reader that was away for long is where the trims are, and that the leader knows without a search.
        if low.1 <= 1
            && let Some(first) = self.leader_next(line, 1).await?
            && let Ok(block) = self.decode(line, &first)
        {
            if position <= block.header.last() {
                return Ok(block.sequence);
            }
            low = (block.header.last() + 1, block.sequence + 1);
        }
        while low.1 < high && position - low.0 > NEAR {
            let middle = low.1 + (high - low.1) / 2;
            let next = self.leader_next(line, middle).await?.filter(|next| next.sequence < high);
            let Some(next) = next else {
                high = middle;
                continue;
            };
            // A block that cannot be read says nothing about the place of others; what follows is a longer read.
            let Ok(block) = self.decode(line, &next) else { break };
            if block.header.first > position {
                high = middle;
            } else if position <= block.header.last() {
                return Ok(block.sequence);
            } else {
                low = (block.header.last() + 1, block.sequence + 1);
            }
        }
        line.state.lock().marks.note(low.0, low.1);
        Ok(low.1)
    }
}

impl Reading<'_> {
    fn has_room(&self, size: u64) -> bool {
        let batch = &self.batch;
        let bytes = (self.bytes as u64).saturating_add(size);
        batch.entries.is_empty() || (batch.entries.len() < self.limit.records && bytes <= self.limit.bytes as u64)
    }

    /// Notes a loss up to `to`, and goes on after it.
    fn lost(&mut self, to: u64, place: String) {
        let from = self.batch.next;
        tracing::error!(subject = %self.line.subject, %from, to, place, "records cannot be read");
        self.batch.next = Position(to).next();
        match self.batch.damaged.last_mut() {
            Some(damage) if damage.to.next() == from => damage.to = Position(to),
            _ => self.batch.damaged.push(Damage { from, to: Position(to), place }),
        }
    }
}
