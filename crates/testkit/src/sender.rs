//! A client that sends: from files or made up, over any number of connections, at a rate or as fast as it is answered,
//! again until it is acknowledged.
//!
//! With a rate, a message's latency counts from the moment it was due, not from the moment a stalled connection let
//! it out; so a server that stops for a second does not look fast for having been asked less. On one connection the
//! order of sending holds through reconnects and refusals: what was not acknowledged is sent again in its order
//! before anything new.

mod dial;
mod flight;
mod http;
mod latency;
mod mllp;
mod report;
mod schedule;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::http::Uri;
use bytes::Bytes;
use tokio::task::JoinSet;

pub use latency::Latencies;
pub use report::Report;
pub use source::{Files, FilesError, Listed, Made, Outbound, Source};

use schedule::Schedule;

/// Most frames that are unanswered on one connection.
pub const PIPELINE_MAX: usize = 1024;
/// Pause before a connection is tried again, or a refused message sent again.
const PAUSE: Duration = Duration::from_millis(100);

/// Where messages go.
#[derive(Debug, Clone)]
pub enum Target {
    /// MLLP at `host:port`.
    Mllp(String),
    /// HTTP at a URL, with a bearer token where there is one.
    Http(Uri, Option<String>),
}

/// TLS towards the target.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Trust and own certificate.
    pub config: Arc<rustls::ClientConfig>,
    /// The name the target's certificate must have.
    pub server_name: String,
}

/// How to send.
#[derive(Clone)]
pub struct Load {
    /// Where.
    pub target: Target,
    /// TLS, where it is used.
    pub tls: Option<Tls>,
    /// Connections, each with messages of its own.
    pub connections: usize,
    /// Most unanswered messages on a connection, at most [`PIPELINE_MAX`]; HTTP: one.
    pub pipeline: usize,
    /// Messages a second in all; none: as fast as they are answered.
    pub rate: Option<f64>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Whether what is not acknowledged, or refused for the server's own reasons (207, 503), is sent again.
    pub resend: bool,
    /// With `resend`: give up when a connection got no answer at all for this long.
    pub give_up: Duration,
    /// Set it to draw no more messages; what is unanswered still ends.
    pub stop: Arc<AtomicBool>,
}

impl Load {
    /// One connection, one message at a time, without resending.
    #[must_use]
    pub fn to(target: Target) -> Self {
        Self {
            target,
            tls: None,
            connections: 1,
            pipeline: 1,
            rate: None,
            timeout: Duration::from_secs(30),
            resend: false,
            give_up: Duration::from_secs(60),
            stop: Arc::default(),
        }
    }
}

/// How one message ended.
#[derive(Debug, Clone)]
pub struct Done {
    /// The connection's number, from 0.
    pub connection: usize,
    /// Its place in the order of sending on that connection, from 0.
    pub sequence: u64,
    /// MSH-10.
    pub control_id: Bytes,
    /// When its first byte was first sent, since the start.
    pub sent: Duration,
    /// When its answer was read, since the start; none: there was none.
    pub answered: Option<Duration>,
    /// MSA-1, or the HTTP status; empty: there was none.
    pub code: String,
    /// Whether the receiver took custody.
    pub is_accepted: bool,
    /// How often it was sent.
    pub attempts: u32,
}

/// Called for each message that ended; must not block.
pub type Observer = Arc<dyn Fn(&Done) + Send + Sync>;

/// What all workers share.
struct Shared {
    load: Load,
    source: Arc<dyn Source>,
    observe: Option<Observer>,
    schedule: Schedule,
}

impl Shared {
    /// The next message of a connection, unless it is time to stop.
    fn draw(&self, connection: usize) -> Option<Outbound> {
        if self.load.stop.load(Ordering::Relaxed) { None } else { self.source.next(connection) }
    }
}

/// Sends until the source is empty.
pub async fn run(load: Load, source: Arc<dyn Source>, observe: Option<Observer>) -> Report {
    let schedule = Schedule::new(load.rate);
    let connections = load.connections.max(1);
    let shared = Arc::new(Shared { load, source, observe, schedule });
    let mut workers = JoinSet::new();
    for number in 0..connections {
        let shared = Arc::clone(&shared);
        workers.spawn(async move {
            match &shared.load.target {
                Target::Mllp(address) => mllp::work(number, address, &shared).await,
                Target::Http(url, token) => http::work(number, url, token.as_deref(), &shared).await,
            }
        });
    }
    let mut report = Report::default();
    while let Some(done) = workers.join_next().await {
        match done {
            Ok(part) => report.add(part),
            Err(error) => report.failed(&error.to_string()),
        }
    }
    report.elapsed = shared.schedule.elapsed();
    report
}
