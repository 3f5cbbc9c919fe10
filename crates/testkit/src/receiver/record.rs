//! What a receiver received, in order, within a bound.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use barid_hl7::Header;
use barid_model::{Digest, Payload};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// One message as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its place in the order of arrival over all connections, from 0.
    pub order: u64,
    /// The connection it came on, from 0.
    pub connection: u64,
    /// Since the receiver was started.
    pub at: Duration,
    /// MSH-10, byte for byte.
    pub control_id: Bytes,
    /// MSH-4, byte for byte: control ids are unique within a facility only.
    pub facility: Bytes,
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// How many bytes.
    pub size: usize,
    /// Whether the sender marked it as a possible duplicate (HTTP only).
    pub is_possible_duplicate: bool,
    /// Its idempotency key (HTTP only).
    pub idempotency_key: Option<String>,
    /// Its bytes, where the receiver keeps them.
    pub payload: Option<Payload>,
}

/// Sees each message as it arrives, before it is answered; must not block.
pub type Watcher = Arc<dyn Fn(&Received) + Send + Sync>;

/// What travels beside a message.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) is_possible_duplicate: bool,
    pub(super) idempotency_key: Option<String>,
}

/// Keeps what was received.
pub struct Recorder {
    start: Instant,
    keep: usize,
    keep_payloads: bool,
    callback: Option<Watcher>,
    connections: AtomicU64,
    kept: Mutex<Kept>,
    arrived: Notify,
}

#[derive(Default)]
struct Kept {
    count: u64,
    newest: VecDeque<Received>,
}

impl Recorder {
    pub(super) fn new(keep: usize, keep_payloads: bool, callback: Option<Watcher>) -> Self {
        Self {
            start: Instant::now(),
            keep,
            keep_payloads,
            callback,
            connections: AtomicU64::new(0),
            kept: Mutex::default(),
            arrived: Notify::new(),
        }
    }

    pub(super) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// Records a message; gives its place in the order.
    pub(super) fn record(&self, connection: u64, payload: &Bytes, marks: Marks) -> u64 {
        let header = Header::read(payload);
        let mut received = Received {
            order: 0,
            connection,
            at: Duration::ZERO,
            control_id: Bytes::copy_from_slice(header.control_id()),
            facility: Bytes::copy_from_slice(header.raw_field(4)),
            digest: Digest::of(payload),
            size: payload.len(),
            is_possible_duplicate: marks.is_possible_duplicate,
            idempotency_key: marks.idempotency_key,
            payload: self.keep_payloads.then(|| Payload::new(payload.clone())),
        };
        let mut kept = self.kept.lock();
        received.order = kept.count;
        received.at = self.start.elapsed();
        kept.count += 1;
        // Under the lock, so that the callback sees the same order.
        if let Some(callback) = &self.callback {
            callback(&received);
        }
        let order = received.order;
        if self.keep > 0 {
            if kept.newest.len() >= self.keep {
                kept.newest.pop_front();
            }
            kept.newest.push_back(received);
        }
        drop(kept);
        self.arrived.notify_waiters();
        order
    }

    pub(super) fn all(&self) -> Vec<Received> {
        self.kept.lock().newest.iter().cloned().collect()
    }

    pub(super) fn count(&self) -> u64 {
        self.kept.lock().count
    }

    pub(super) async fn reaches(&self, count: u64) {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            // Listens before it looks, so that no arrival falls between.
            arrived.as_mut().enable();
            if self.count() >= count {
                return;
            }
            arrived.await;
        }
    }
}
