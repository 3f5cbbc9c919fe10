//! What all connections share, and what those of one listener do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use barid_config::document::AckMode;
use barid_config::settings::ListenerSpec;
use barid_hl7::ack::Mode;
use barid_model::stage::Call;
use barid_model::{Clock, Name};
use barid_validate::{ParseInput, ParseTable, Verdict};
use barid_volatile::Pace;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::accept::Accept;
use crate::connections::Connections;
use crate::metrics::{Meters, Metrics};
use crate::rates::Rates;
use crate::room::Room;
use crate::secrets::Secrets;
use crate::shown::Shown;
use crate::tls::Tls;
use crate::tokens::Tokens;

/// What listeners are made of.
pub struct Parts {
    /// The parse stage.
    pub parse: Arc<dyn Call<ParseInput, Verdict>>,
    /// Who takes custody.
    pub accept: Arc<dyn Accept>,
    /// The wall clock: received times.
    pub clock: Arc<dyn Clock>,
    /// Where certificates, keys and tokens are read.
    pub secrets: Arc<dyn Secrets>,
    /// What is counted.
    pub metrics: Metrics,
    /// How long things may take, and how much may be held.
    pub bounds: Bounds,
}

/// Bounds that no document sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// From a message's last byte until it is durable; then its sender is told to try again.
    pub durable: Duration,
    /// How long the parse stage may be away before messages are refused.
    pub stage: Duration,
    /// How long the last byte of a frame (CR) may be missing until the frame counts as whole: some senders never send it.
    pub quiet: Duration,
    /// How long a peer may refuse to read its answers.
    pub write: Duration,
    /// How long a connection that we close is read on, so that the last answer arrives.
    pub linger: Duration,
    /// A TLS handshake.
    pub handshake: Duration,
    /// How long the connections of a removed or replaced listener may take to finish.
    pub retire: Duration,
    /// Bytes that all connections together may hold of frames and messages not yet answered.
    pub buffered: usize,
}

impl Default for Bounds {
    /// 5 s, as the design has it, for what a sender waits for; room for one message of the largest size that can be
    /// declared (256 MiB) and for ordinary traffic beside it; the rest by experience with slow links.
    fn default() -> Self {
        Self {
            durable: Duration::from_secs(5),
            stage: Duration::from_secs(5),
            quiet: Duration::from_secs(1),
            write: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            handshake: Duration::from_secs(10),
            retire: Duration::from_secs(30),
            buffered: 320 * 1024 * 1024,
        }
    }
}

/// Shared by all listeners.
pub(crate) struct Shared {
    pub(crate) parts: Parts,
    pub(crate) rules: ArcSwap<Rules>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) shown: Shown,
    pub(crate) room: Arc<Room>,
    pub(crate) pace: Arc<Pace>,
    /// The number in the next answer's MSH-10.
    answers: AtomicU64,
}

/// What a snapshot says, as connections see it from their next message on.
pub(crate) struct Rules {
    pub(crate) table: Arc<ParseTable>,
    /// Our own MSH-3.
    pub(crate) application: String,
    /// Our own MSH-4.
    pub(crate) facility: String,
    pub(crate) tokens: Tokens,
    pub(crate) rates: Rates,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        let empty = Rules {
            table: Arc::new(ParseTable::new(Vec::new(), Vec::new(), Vec::new())),
            application: String::new(),
            facility: String::new(),
            tokens: Tokens::default(),
            rates: Rates::default(),
        };
        // Microseconds as the first number: no answer of an earlier run had it, however fast that run answered.
        let first = u64::try_from(parts.clock.now().micros()).unwrap_or(0);
        Self {
            room: Arc::new(Room::new(parts.bounds.buffered)),
            pace: Arc::default(),
            parts,
            rules: ArcSwap::from_pointee(empty),
            connections: Arc::default(),
            shown: Shown::default(),
            answers: AtomicU64::new(first),
        }
    }

    pub(crate) fn next_answer(&self) -> u64 {
        self.answers.fetch_add(1, Ordering::Relaxed)
    }
}

/// What a listener's connections should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Serve.
    Open,
    /// Finish what has been read, answer it, close.
    Draining,
    /// Close at once.
    Closed,
}

/// One listener, as its connections see it.
pub(crate) struct Gate {
    pub(crate) name: Name,
    pub(crate) spec: ArcSwap<ListenerSpec>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) meters: Meters,
    pub(crate) tls: Tls,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) tasks: TaskTracker,
    pub(crate) open: AtomicUsize,
}

impl Gate {
    pub(crate) fn new(spec: Arc<ListenerSpec>, shared: Arc<Shared>) -> Self {
        let meters = Arc::new(shared.parts.metrics.of(&spec.name));
        Self {
            name: spec.name.clone(),
            spec: ArcSwap::new(spec),
            shared,
            meters,
            tls: Tls::default(),
            phase: watch::Sender::new(Phase::Open),
            tasks: TaskTracker::new(),
            open: AtomicUsize::new(0),
        }
    }

    /// Which acknowledgements are sent where no channel says it.
    pub(crate) fn ack_mode(&self) -> Mode {
        match self.spec.load().ack_mode {
            AckMode::Standard => Mode::Standard,
            AckMode::Always => Mode::Always,
            AckMode::Original => Mode::Original,
            AckMode::CommitOnly => Mode::CommitOnly,
        }
    }

    /// How long things may take.
    pub(crate) fn bounds(&self) -> &Bounds {
        &self.shared.parts.bounds
    }

    /// Moves the phase on, never back.
    pub(crate) fn go(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = phase > *now;
            *now = (*now).max(phase);
            later
        });
    }
}

/// Counts a connection as open while it lives.
pub(crate) struct Open(Arc<Gate>);

impl Open {
    /// Takes a place; none where the listener has no more.
    pub(crate) fn take(gate: &Arc<Gate>) -> Option<Self> {
        let most = gate.spec.load().limits.connections;
        let before = gate.open.fetch_add(1, Ordering::Relaxed);
        let open = Self(Arc::clone(gate));
        (before < most).then_some(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
