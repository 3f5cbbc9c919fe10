//! The bytes that all connections together may hold: frames on their way in and messages not yet answered. Each
//! connection is bounded by its listener, but a thousand of them at their bounds would be more than a machine has; where
//! there is no room, a connection is not read until there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What each connection may hold without asking: the traffic of ordinary messages.
const FREE: usize = 64 * 1024;
/// Room is taken and given back in pieces of this size, so that small steps cost nothing.
const PIECE: usize = 64 * 1024;

/// The room that is left, in bytes.
pub(crate) struct Room(AtomicUsize);

/// What one connection holds of it.
pub(crate) struct Held {
    room: Arc<Room>,
    bytes: usize,
}

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    /// A connection's share, nothing yet.
    pub(crate) fn share(self: &Arc<Self>) -> Held {
        Held { room: Arc::clone(self), bytes: 0 }
    }

    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Held {
    /// Holds what a connection needs now, in all; gives whether there was room. What it no longer needs is given back.
    pub(crate) fn fit(&mut self, needed: usize) -> bool {
        let pieces = needed.saturating_sub(FREE).next_multiple_of(PIECE);
        if pieces > self.bytes {
            if !self.room.take(pieces - self.bytes) {
                return false;
            }
        } else if pieces < self.bytes {
            self.room.give_back(self.bytes - pieces);
        }
        self.bytes = pieces;
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.give_back(self.bytes);
    }
}
