//! The load client behind `barid send`: messages from files, to a listener, at a rate, over some connections, and what came back.
//!
//! It is a sender as the exchange's users have it, not a privileged one: it waits for acknowledgements, matches each to its message by MSA-2, and says of every
//! message whether it was accepted, refused or left without an answer. With a rate, latency counts from the time a message was due, not from when there was
//! room to send it, so that a stalled receiver shows (no coordinated omission). It decides nothing about resending: it reports.

mod http;
mod mllp;
mod pace;
mod report;
mod source;
mod target;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;
use std::time::Duration;

pub use pace::Progress;
pub use report::{ANSWERS_MAX, QUANTILES, Report};
pub use source::{Messages, SourceError, load};
pub use target::{Target, TargetError};

use pace::Pace;

pub use crate::tls::{TlsError, TlsFiles};

/// Most connections: what one client machine has ports and memory for.
pub const CONNECTIONS_MAX: usize = 10_000;
/// Most messages without an answer on one connection: four times what a listener takes.
pub const PIPELINE_MAX: usize = 256;

/// How messages are sent.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to.
    pub target: Target,
    /// How many connections at once.
    pub connections: usize,
    /// Messages without an answer on one connection, at most; 1 waits for each answer. MLLP only.
    pub pipeline: usize,
    /// Messages a second over all connections; as fast as answers come where absent.
    pub rate: Option<f64>,
    /// How many messages in all; each of the source once where absent.
    pub count: Option<u64>,
    /// Stops after this long.
    pub duration: Option<Duration>,
    /// How long an answer, a connection or a TLS handshake may take.
    pub timeout: Duration,
    /// Whether each message gets a control id (MSH-10) of its own; needed where a message is sent more than once and is not meant as a resend.
    pub unique: bool,
    /// Certificates and keys for TLS.
    pub tls: TlsFiles,
    /// The name to check in the server's certificate; the target's host where absent.
    pub server_name: Option<String>,
    /// Bearer token for HTTP.
    pub token: Option<String>,
    /// Whether the report keeps the answers, up to [`ANSWERS_MAX`].
    pub keep_answers: bool,
}

/// It cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A number of the options.
    #[error("{0}")]
    Option(String),
}

/// Sends, and reports. `progress` sees the count while it goes on.
///
/// # Errors
/// [`SendError`] where it cannot begin; what goes wrong with a message is in the report.
pub async fn run(options: Options, messages: Messages, progress: Arc<Progress>) -> Result<Report, SendError> {
    check(&options)?;
    let tls = if options.target.is_tls() {
        Some(tls::client(&options.tls, options.server_name.as_deref(), options.target.host())?)
    } else {
        None
    };
    let count = options.count.or(options.duration.is_none().then_some(messages.len() as u64));
    let pace = Arc::new(Pace::new(count, options.rate, options.duration, progress));
    let job = Arc::new(Job { options, messages, pace, tls });
    let started = std::time::Instant::now();
    let workers: Vec<_> = (0..job.options.connections).map(|_| tokio::spawn(worker(Arc::clone(&job)))).collect();
    let mut report = Report::default();
    for worker in workers {
        match worker.await {
            Ok(part) => report.add(part),
            Err(error) => report.trouble(format!("a connection's task ended: {error}")),
        }
    }
    report.elapsed = started.elapsed();
    report.count_unsent(job.pace.unsent());
    Ok(report)
}

/// What every connection's task needs.
struct Job {
    options: Options,
    messages: Messages,
    pace: Arc<Pace>,
    tls: Option<tls::Client>,
}

async fn worker(job: Arc<Job>) -> Report {
    match job.options.target {
        Target::Mllp { .. } => Box::pin(mllp::worker(&job)).await,
        Target::Http { .. } => Box::pin(http::worker(&job)).await,
    }
}

fn check(options: &Options) -> Result<(), SendError> {
    let wrong = |text: String| Err(SendError::Option(text));
    if !(1..=CONNECTIONS_MAX).contains(&options.connections) {
        return wrong(format!("connections must be 1 to {CONNECTIONS_MAX}"));
    }
    if !(1..=PIPELINE_MAX).contains(&options.pipeline) {
        return wrong(format!("pipeline must be 1 to {PIPELINE_MAX}"));
    }
    if options.rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
        return wrong("rate must be a number above 0".to_owned());
    }
    Ok(())
}
