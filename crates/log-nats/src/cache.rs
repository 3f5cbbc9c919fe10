//! Blocks that were read and not yet used up: what the next read of the same reader begins with.
//!
//! A read takes as many records as its caller wants, the servers give blocks; the rest of a block would have to be fetched again, at worst once a record.

use std::collections::VecDeque;
use std::sync::Arc;

use barid_log::Subject;

use crate::block::Block;

/// Blocks kept, at most 512 kB each.
const MOST: usize = 64;

/// The newest blocks, oldest first.
#[derive(Default)]
pub(crate) struct Cache(VecDeque<(Subject, Arc<Block>)>);

impl Cache {
    pub(crate) fn put(&mut self, subject: &Subject, block: Arc<Block>) {
        if self.find(subject, block.header.first).is_some() {
            return;
        }
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back((subject.clone(), block));
    }

    /// Drops what is kept of a subject.
    pub(crate) fn forget(&mut self, subject: &Subject) {
        self.0.retain(|(of, _)| of != subject);
    }

    /// The block with this position.
    pub(crate) fn find(&self, subject: &Subject, position: u64) -> Option<Arc<Block>> {
        let with = |(of, block): &&(Subject, Arc<Block>)| {
            of == subject && block.header.first <= position && position <= block.header.last()
        };
        self.0.iter().rev().find(with).map(|(_, block)| Arc::clone(block))
    }
}
