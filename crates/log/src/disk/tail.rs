//! The newest records in memory: what was just written is read by the next stage within milliseconds.
//!
//! A message is read three times right after it was written (router, delivery, history). Without this each costs a system call, a copy and a checksum of bytes
//! that are still at hand. It holds what is durable and nothing else, forgets the oldest of all subjects first, and may be empty at any time: the files have
//! everything.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use crate::{Batch, Entry, Position, ReadLimit};

/// Bytes of records kept: a quarter of a second of full load, within which the stages behind have read them.
const TAIL_BYTES: usize = 8 << 20;
/// What a record costs besides its bytes.
const RECORD_COST: usize = 64;

/// The newest records of a subject, without a gap.
#[derive(Default)]
struct Recent {
    /// Position of the first.
    first: u64,
    records: VecDeque<Bytes>,
}

/// The newest records of all subjects.
#[derive(Default)]
pub(super) struct Tail {
    subjects: HashMap<u32, Recent>,
    /// The subject of each record, in the order of writing.
    order: VecDeque<u32>,
    bytes: usize,
}

impl Tail {
    /// Adds consecutive records of a subject, which follow those it had.
    pub(super) fn add(&mut self, id: u32, first: u64, records: Vec<Bytes>) {
        let recent = self.subjects.entry(id).or_default();
        if recent.records.is_empty() {
            recent.first = first;
        }
        for record in records {
            self.bytes += record.len() + RECORD_COST;
            self.order.push_back(id);
            recent.records.push_back(record);
        }
        while self.bytes > TAIL_BYTES {
            let Some(oldest) = self.order.pop_front() else { return };
            let Some(recent) = self.subjects.get_mut(&oldest) else { return };
            let Some(record) = recent.records.pop_front() else { return };
            recent.first += 1;
            self.bytes -= record.len() + RECORD_COST;
        }
    }

    /// The records from `from` on, if they are here.
    pub(super) fn read(&self, id: u32, from: u64, limit: ReadLimit) -> Option<Batch> {
        let recent = self.subjects.get(&id)?;
        let skip = usize::try_from(from.checked_sub(recent.first)?).ok()?;
        if skip >= recent.records.len() {
            return None;
        }
        let mut batch = Batch { next: Position(from), ..Batch::default() };
        let mut bytes = 0;
        for record in recent.records.range(skip..).take(limit.records.max(1)) {
            bytes += record.len();
            if bytes > limit.bytes && !batch.entries.is_empty() {
                break;
            }
            batch.entries.push(Entry { position: batch.next, record: record.clone() });
            batch.next = batch.next.next();
        }
        Some(batch)
    }
}
