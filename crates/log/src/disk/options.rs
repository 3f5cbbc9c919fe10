//! How a disk log is opened: sizes, floors, and what must match what the log was made with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Damage, Subject};

/// Smallest segment that a small volume leads to, in bytes: below, headers and names become most of it.
const SEGMENT_LEAST: u64 = 1 << 20;

/// Options of a disk log.
#[derive(Debug, Clone)]
pub struct Options {
    /// Number of partitions of IN. Fixed when the log is made.
    pub partitions: u32,
    /// Name of the hash that maps facilities to partitions. Fixed when the log is made.
    pub hash: String,
    /// Bytes of a segment file. 64 MiB: some seconds of full load, so that a start scans little and compaction moves little at a time.
    pub segment_bytes: u64,
    /// Below this many free bytes intake is refused, or below a quarter of the volume where that is less. 1 GiB: what is accepted must still be routed (its outputs are as large), recorded and parked.
    pub intake_floor: u64,
    /// Below this many free bytes routing is refused too, or below an eighth of the volume. 512 MiB: outcomes, parked messages, commits and rewriting of segments go on from it.
    pub routing_floor: u64,
    /// Bytes kept in a file of their own and given up when the volume is full: room for outcomes and commits until someone makes space. 64 MiB: 300,000 outcomes; at most
    /// a thirty-second part of the volume.
    pub reserve_bytes: u64,
    /// After this long without work a group without records confirms the last one. 1 s: below, it would cost a second sync for many single messages.
    pub confirm_after: Duration,
    /// How often free space is looked at and one segment may be rewritten: bounds compaction to a segment a second.
    pub keep_every: Duration,
    /// Is told of every group, for metrics; called by the writer, so it must be quick.
    pub observer: Option<Observer>,
    /// Where the tasks run that wait for the log. A task woken from another thread costs a system call or two, so the writer has one task there wake all others. None:
    /// the writer wakes each.
    pub waiters: Option<tokio::runtime::Handle>,
}

/// What one group commit did.
#[derive(Debug, Clone, Copy)]
pub struct GroupStats {
    /// Appends and puts in it.
    pub appends: usize,
    /// Bytes written.
    pub bytes: usize,
    /// From the beginning of the write to the end of the sync.
    pub took: Duration,
}

/// Who is told of group commits.
#[derive(Clone)]
pub struct Observer(pub Arc<dyn Fn(GroupStats) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

impl Options {
    /// The same on a volume of this size: on one below 4 GiB the floors are parts of it, or the log would never take anything, and segments and reserve are
    /// small enough that space comes and goes in steps that fit.
    pub(super) fn fitted(mut self, total: u64) -> Self {
        self.intake_floor = self.intake_floor.min(total / 4);
        self.routing_floor = self.routing_floor.min(total / 8);
        self.reserve_bytes = self.reserve_bytes.min(total / 32);
        self.segment_bytes = self.segment_bytes.min((total / 32).max(SEGMENT_LEAST));
        self
    }

    /// The defaults for this many partitions.
    #[must_use]
    pub fn new(partitions: u32, hash: &str) -> Self {
        Self {
            partitions,
            hash: hash.to_owned(),
            segment_bytes: 64 << 20,
            intake_floor: 1 << 30,
            routing_floor: 512 << 20,
            reserve_bytes: 64 << 20,
            confirm_after: Duration::from_secs(1),
            keep_every: Duration::from_secs(1),
            observer: None,
            waiters: None,
        }
    }
}

/// What a start found; an operator wants to see it, and `damaged` must be reported.
#[derive(Debug, Clone, Default)]
pub struct Recovery {
    /// Segments there are.
    pub segments: usize,
    /// Bytes of an unfinished write at the end that were cut off. They were acknowledged to nobody.
    pub torn_bytes: u64,
    /// Stretches of segments that were durable and do not verify, as `file:offset+bytes`.
    pub damaged_places: Vec<String>,
    /// Records known to be lost by them.
    pub lost: Vec<(Subject, Damage)>,
}

/// Why a disk log does not open. The process must not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    #[error("log {0} is in use by another process")]
    Locked(String),
    /// Made with other partitions: messages would change their order.
    #[error(
        "log {place} was made with {stored} partitions by {stored_hash}, not {asked} by {asked_hash}; set them back, or start a new log"
    )]
    Partitions {
        /// The log.
        place: String,
        /// Its count.
        stored: u32,
        /// Its hash.
        stored_hash: String,
        /// The count asked for.
        asked: u32,
        /// The hash asked for.
        asked_hash: String,
    },
    /// Segments without the identity they were sealed with.
    #[error("log {0} has segments but no readable identity file; restore `identity` or `identity.copy`")]
    NoIdentity(String),
    /// Written by a newer version.
    #[error("log {place} has format {found}, this version reads up to {known}")]
    Version {
        /// The log.
        place: String,
        /// Its format.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// Storage failed.
    #[error("log {place}: {what}")]
    Storage {
        /// The log.
        place: String,
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}
