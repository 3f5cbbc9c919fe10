//! The table of connections that `barid status` shows: who is connected, since when, and what happened last. A peer is in
//! it from its first byte, so that a balancer's probes never are; it is bounded by the listeners' connection limits.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use barid_hl7::ack::AckCode;
use barid_model::{Name, Timestamp};
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;

/// One connection, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// Where it came in.
    pub listener: Name,
    /// Its address and port.
    pub peer: Arc<str>,
    /// The facility last recognised on it.
    pub facility: Option<Arc<str>>,
    /// When it sent its first byte.
    pub since: Timestamp,
    /// Messages received on it.
    pub messages: u64,
    /// Those of them that were refused.
    pub refused: u64,
    /// When the last message was read.
    pub last_message: Option<Timestamp>,
    /// The code of the last acknowledgement, such as `AA`.
    pub last_code: Option<&'static str>,
}

/// All connections of a process.
#[derive(Default)]
pub(crate) struct Connections {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Entry>>>,
}

/// One connection's counters.
pub(crate) struct Entry {
    listener: Name,
    peer: Arc<str>,
    since: Timestamp,
    facility: Mutex<Option<Arc<str>>>,
    messages: AtomicU64,
    refused: AtomicU64,
    /// Microseconds; 0: none.
    last_message: AtomicI64,
    /// One more than the place in [`CODES`]; 0: none.
    last_code: AtomicUsize,
}

const CODES: [AckCode; 6] = [AckCode::AA, AckCode::AE, AckCode::AR, AckCode::CA, AckCode::CE, AckCode::CR];

/// Keeps a connection in the table as long as it lives.
pub(crate) struct Present {
    all: Arc<Connections>,
    id: u64,
    gauge: Gauge,
    entry: Arc<Entry>,
}

impl Connections {
    /// Enters a connection that has sent its first byte.
    pub(crate) fn enter(self: &Arc<Self>, listener: Name, peer: Arc<str>, since: Timestamp, gauge: &Gauge) -> Present {
        let entry = Arc::new(Entry {
            listener,
            peer,
            since,
            facility: Mutex::new(None),
            messages: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            last_message: AtomicI64::new(0),
            last_code: AtomicUsize::new(0),
        });
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.lock().insert(id, Arc::clone(&entry));
        gauge.inc();
        Present { all: Arc::clone(self), id, gauge: gauge.clone(), entry }
    }

    /// All of them, the oldest first.
    pub(crate) fn list(&self) -> Vec<ConnectionStatus> {
        let mut entries: Vec<(u64, Arc<Entry>)> =
            self.open.lock().iter().map(|(id, entry)| (*id, Arc::clone(entry))).collect();
        entries.sort_unstable_by_key(|(id, _)| *id);
        entries.into_iter().map(|(_, entry)| entry.status()).collect()
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.all.open.lock().remove(&self.id);
        self.gauge.dec();
    }
}

impl std::ops::Deref for Present {
    type Target = Entry;
    fn deref(&self) -> &Entry {
        &self.entry
    }
}

impl Entry {
    /// Messages were read.
    pub(crate) fn received(&self, messages: usize, at: Timestamp) {
        self.messages.fetch_add(messages as u64, Ordering::Relaxed);
        self.last_message.store(at.micros(), Ordering::Relaxed);
    }

    /// A message was refused.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A message was recognised as a facility's; gives whether it was not known to be before.
    pub(crate) fn facility(&self, facility: &Arc<str>) -> bool {
        let mut known = self.facility.lock();
        let is_new = !known.as_ref().is_some_and(|known| Arc::ptr_eq(known, facility));
        if is_new {
            *known = Some(Arc::clone(facility));
        }
        is_new
    }

    /// An acknowledgement was given.
    pub(crate) fn answered(&self, code: Option<AckCode>) {
        if let Some(at) = CODES.iter().position(|known| Some(*known) == code) {
            self.last_code.store(at + 1, Ordering::Relaxed);
        }
    }

    fn status(&self) -> ConnectionStatus {
        let last_message = self.last_message.load(Ordering::Relaxed);
        let last_code = self.last_code.load(Ordering::Relaxed).checked_sub(1);
        ConnectionStatus {
            listener: self.listener.clone(),
            peer: Arc::clone(&self.peer),
            facility: self.facility.lock().clone(),
            since: self.since,
            messages: self.messages.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            last_message: (last_message != 0).then(|| Timestamp::from_micros(last_message)),
            last_code: last_code.and_then(|at| CODES.get(at)).map(|code| code.as_str()),
        }
    }
}
