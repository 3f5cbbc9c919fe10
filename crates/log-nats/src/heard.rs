//! Blocks as they were heard of: what a reader at the end of a subject reads next, so that it need not ask for it.
//!
//! A consumer gives what a replica has stored, as a read from any replica does, and it is checked in the same way: a reader takes from here only the block with
//! its next position, and positions show what is missing. What is gone from here, or was never here, is asked for.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use barid_log::{ReadLimit, Subject};

use crate::block::Block;

/// Bytes of blocks kept for all subjects together: about a second of full load. Whoever reads later asks the servers.
const MOST_BYTES: usize = 8 << 20;
/// What a block takes besides its records.
const BLOCK_OVERHEAD: usize = 256;

/// The newest blocks of watched subjects.
#[derive(Default)]
pub(crate) struct Heard {
    of: HashMap<Subject, VecDeque<Arc<Block>>>,
    /// All of them, oldest first, with the bytes they take.
    order: VecDeque<(Subject, usize)>,
    bytes: usize,
}

impl Heard {
    /// Keeps a block; they come in the order of their stream.
    pub(crate) fn keep(&mut self, subject: &Subject, block: Block) {
        let blocks = self.of.entry(subject.clone()).or_default();
        // A consumer that was made again may begin with what is known.
        if block.header.count == 0 || blocks.back().is_some_and(|last| last.sequence >= block.sequence) {
            return;
        }
        let bytes = BLOCK_OVERHEAD + block.pieces.iter().map(crate::block::Piece::stored).sum::<usize>();
        blocks.push_back(Arc::new(block));
        self.order.push_back((subject.clone(), bytes));
        self.bytes += bytes;
        while self.bytes > MOST_BYTES && self.drop_oldest() {}
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((subject, bytes)) = self.order.pop_front() else { return false };
        self.bytes -= bytes;
        if let Some(blocks) = self.of.get_mut(&subject) {
            blocks.pop_front();
            if blocks.is_empty() {
                self.of.remove(&subject);
            }
        }
        true
    }

    /// The block with this position and those that follow it without a gap, as many as a read takes.
    pub(crate) fn from(&self, subject: &Subject, position: u64, limit: ReadLimit) -> Vec<Arc<Block>> {
        let Some(blocks) = self.of.get(subject) else { return Vec::new() };
        let begin = blocks.partition_point(|block| block.header.last() < position);
        let (mut found, mut next, mut records, mut bytes) = (Vec::new(), position, 0, 0);
        for block in blocks.iter().skip(begin) {
            let follows = if found.is_empty() { block.header.first <= next } else { block.header.first == next };
            if !follows || records >= limit.records || bytes >= limit.bytes {
                break;
            }
            records += block.pieces.len();
            bytes += block.pieces.iter().map(crate::block::Piece::stored).sum::<usize>();
            next = block.header.last() + 1;
            found.push(Arc::clone(block));
        }
        found
    }
}

#[cfg(test)]
mod tests;
