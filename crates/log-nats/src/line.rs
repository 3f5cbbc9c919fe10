//! A subject as this process sees it: where it ends, what waits to be sent, where its blocks are.
//!
//! Nothing here is the truth; that is what the stream's leader answers. A line is idle until something is appended through it; only while it is busy does it
//! hold what cannot be found elsewhere, the appends that wait.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;

use barid_log::{LogError, Position, Subject};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot, watch};

use crate::block::{Header, Piece};
use crate::marks::Marks;
use crate::name::{Family, Names};

/// Records of a block, in bytes: where more of them no longer make a sync cheaper, and a connection is not held up by one.
pub(crate) const BLOCK_BYTES: usize = 256 << 10;
/// Most records of a block: keeps its table small.
const BLOCK_RECORDS: usize = 8192;

/// Where a subject ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tip {
    /// Stream sequence of its last block; 0 if it has none.
    pub(crate) sequence: u64,
    /// Its last position.
    pub(crate) end: u64,
    /// Stream sequence of its last block with records; 0 if it has none.
    pub(crate) records_at: u64,
    /// Bytes of all its records, ever.
    pub(crate) bytes: u64,
    /// Highest sequence of large payloads it refers to.
    pub(crate) objects: u64,
}

impl Tip {
    /// The tip that this block makes.
    pub(crate) fn of(sequence: u64, header: &Header) -> Self {
        Self {
            sequence,
            end: header.last(),
            records_at: if header.count > 0 { sequence } else { header.before },
            bytes: header.bytes_after,
            objects: header.objects_after,
        }
    }

    /// The header of a block that follows, but for what its records add.
    pub(crate) fn next_header(&self, id: [u8; 16]) -> Header {
        Header {
            id,
            count: 0,
            first: self.end + 1,
            before: self.records_at,
            bytes_before: self.bytes,
            bytes_after: self.bytes,
            objects_before: self.objects,
            objects_after: self.objects,
        }
    }
}

/// Room in the queue, given back when the append has been decided.
pub(crate) type Room = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// An append that waits.
pub(crate) struct Pending {
    pub(crate) first: u64,
    pub(crate) pieces: VecDeque<Piece>,
    /// Whether a block with some of its records is stored.
    pub(crate) begun: bool,
    pub(crate) done: oneshot::Sender<Result<(), LogError>>,
    pub(crate) room: Room,
}

/// What goes into one block.
pub(crate) struct Load {
    pub(crate) pieces: Vec<Piece>,
    /// Appends that are complete with it.
    pub(crate) complete: Vec<Pending>,
}

/// What changes.
#[derive(Default)]
pub(crate) struct State {
    /// Where the subject ends; none until it was read once.
    pub(crate) tip: Option<Tip>,
    /// Its end with all that waits.
    pub(crate) queued: u64,
    pub(crate) queue: VecDeque<Pending>,
    /// Somebody sends what waits, or finds out what became of it.
    pub(crate) busy: bool,
    /// The result of a block is unknown: nothing is taken until it is known.
    pub(crate) doubt: bool,
    /// Positions below are trimmed, on the servers soon.
    pub(crate) floor: u64,
    /// Last position of the block where the last purge ended.
    pub(crate) kept: u64,
    /// Sequence up to which large payloads have been removed.
    pub(crate) removed: u64,
    /// Records of a block, of those read last.
    pub(crate) density: f64,
    /// Reads of this subject alone that are still to come before the whole stream is read ahead again.
    pub(crate) alone: u32,
    pub(crate) marks: Marks,
}

impl State {
    /// Takes what a read of the last block found, unless this process knows better.
    pub(crate) fn adopt(&mut self, tip: Tip) {
        if !self.busy && self.tip.is_none_or(|known| known.sequence <= tip.sequence) {
            self.tip = Some(tip);
            self.queued = tip.end;
        }
    }

    /// Takes from the queue what fits a block; nothing but who asks where the subject ends makes an empty one.
    pub(crate) fn take(&mut self) -> Option<Load> {
        let mut load = Load { pieces: Vec::new(), complete: Vec::new() };
        let mut bytes = 0;
        while let Some(pending) = self.queue.front_mut() {
            let Some(piece) = pending.pieces.front() else {
                load.complete.extend(self.queue.pop_front());
                continue;
            };
            bytes += piece.stored();
            if !load.pieces.is_empty() && (bytes > BLOCK_BYTES || load.pieces.len() >= BLOCK_RECORDS) {
                break;
            }
            load.pieces.extend(pending.pieces.pop_front());
        }
        (!load.pieces.is_empty() || !load.complete.is_empty()).then_some(load)
    }
}

/// A subject.
pub(crate) struct Line {
    pub(crate) subject: Subject,
    pub(crate) family: Family,
    pub(crate) stream: String,
    pub(crate) address: String,
    pub(crate) state: Mutex<State>,
    /// The highest position known to be durable.
    pub(crate) durable: watch::Sender<Position>,
    /// Wakes when the line is no longer busy.
    pub(crate) decided: watch::Sender<()>,
    /// Wakes a pump that lets a block fill.
    pub(crate) urgent: Notify,
    /// Whether somebody waits for records of others.
    pub(crate) watched: AtomicBool,
}

impl Line {
    pub(crate) fn new(names: &Names, subject: &Subject) -> Self {
        let family = Family::of(subject.as_str());
        Self {
            subject: subject.clone(),
            family,
            stream: names.stream(family),
            address: names.address(subject),
            state: Mutex::default(),
            durable: watch::Sender::new(Position::START),
            decided: watch::Sender::new(()),
            urgent: Notify::new(),
            watched: AtomicBool::new(false),
        }
    }

    /// Tells readers that the subject is durable up to here.
    pub(crate) fn reached(&self, end: u64) {
        self.durable.send_if_modified(|known| {
            let further = known.0 < end;
            if further {
                *known = Position(end);
            }
            further
        });
    }

    /// Takes what a read of the last block found.
    pub(crate) fn adopt(&self, tip: Tip) {
        self.state.lock().adopt(tip);
        self.reached(tip.end);
    }
}
