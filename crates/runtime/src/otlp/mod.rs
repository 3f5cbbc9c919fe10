//! Traces, metrics and logs to an OpenTelemetry collector (OTLP over HTTP).
//!
//! Nothing of it runs without an endpoint. With one, spans of the stages (`barid-trace`), log lines and the figures of the registry go into bounded queues and
//! from there to the collector. Whoever puts something into a queue never waits: a collector that is slow or away loses telemetry, which is counted, and never
//! delays a message.

mod export;
mod figures;
mod lines;
mod options;
mod post;
mod queue;
mod spans;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use barid_trace::{Ratio, SpanId};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::environment;

pub(crate) use lines::Lines;
pub use options::{Options, Signal};
pub use post::EndpointError;
pub(crate) use queue::Sendings;

use export::Way;
use post::Post;
use queue::Queue;
use spans::Spans;

/// How long the end of a process may be delayed by what is still to be sent.
const FLUSH: Duration = Duration::from_secs(3);

struct Running {
    tasks: Mutex<Vec<JoinHandle<()>>>,
    stop: watch::Sender<bool>,
    registry: watch::Sender<Option<Arc<Registry>>>,
}

static RUNNING: OnceLock<Running> = OnceLock::new();

/// Begins to send, if an endpoint is given; gives the layer for log lines where they are sent. To be called once, within the runtime.
///
/// # Errors
/// [`EndpointError`].
pub(crate) fn begin(options: &Options, service: &str, instance: Option<&str>) -> Result<Option<Lines>, EndpointError> {
    let Some(endpoint) = options.otlp_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()) else {
        return Ok(None);
    };
    let post = Post::new(endpoint, options)?;
    let (stop, stopped) = watch::channel(false);
    let registry = watch::Sender::new(None);
    let given = environment::variable(environment::RESOURCE_ATTRIBUTES).unwrap_or_default();
    let service = environment::variable(environment::SERVICE_NAME).unwrap_or_else(|| service.to_owned());
    let way = Way { post, resource: resource(&service, instance, &given), stop: stopped };
    let wants = |signal| options.otlp_signals.contains(&signal);
    let mut tasks = Vec::new();
    let mut lines = None;
    if wants(Signal::Traces) {
        let (queue, waiting) = Queue::new(Signal::Traces);
        if barid_trace::install(Box::new(Spans(queue)), Ratio::new(options.trace_ratio)) {
            let sending = export::batches(way.clone(), Signal::Traces, waiting, spans::span, wire::TracesRequest::of);
            tasks.push(tokio::spawn(sending));
        }
    }
    if wants(Signal::Logs) {
        let (queue, waiting) = Queue::new(Signal::Logs);
        lines = Some(Lines::new(queue));
        let sending =
            export::batches(way.clone(), Signal::Logs, waiting, std::convert::identity, wire::LogsRequest::of);
        tasks.push(tokio::spawn(sending));
    }
    if wants(Signal::Metrics) {
        tasks.push(tokio::spawn(export::metrics(way, options.otlp_interval, registry.subscribe())));
    }
    let running = Running { tasks: Mutex::new(tasks), stop, registry };
    // A second one, in a process of several, sends nothing: its tasks end with their queues.
    drop(RUNNING.set(running));
    Ok(lines)
}

/// The figures to send.
pub(crate) fn observe(registry: &Arc<Registry>) {
    if let Some(running) = RUNNING.get() {
        running.registry.send_replace(Some(Arc::clone(registry)));
    }
}

/// Sends what waits, for a moment, and ends.
pub(crate) async fn flush() {
    let Some(running) = RUNNING.get() else { return };
    running.stop.send_replace(true);
    let tasks = std::mem::take(&mut *running.tasks.lock());
    let ended = futures_util::future::join_all(tasks);
    if tokio::time::timeout(FLUSH, ended).await.is_err() {
        tracing::debug!("some telemetry was not sent before the end");
    }
}

/// What the process is; `given` are more attributes, `name=value,…`, which do not replace its own.
fn resource(service: &str, instance: Option<&str>, given: &str) -> wire::Resource {
    let random = || format!("{}{}", SpanId::random(), SpanId::random());
    let mut attributes = vec![
        wire::KeyValue::text("service.name", service),
        wire::KeyValue::text("service.version", env!("CARGO_PKG_VERSION")),
        wire::KeyValue::text("service.instance.id", instance.map_or_else(random, str::to_owned)),
    ];
    for (name, value) in given.split(',').filter_map(|pair| pair.split_once('=')) {
        if attributes.iter().all(|own| own.key != name.trim()) {
            attributes.push(wire::KeyValue::text(name.trim(), value.trim()));
        }
    }
    wire::Resource { attributes }
}

/// Nanoseconds since the epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
