//! The tasks that send: a batch at a time, so that a collector that is slow or away costs memory of one queue and nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::registry::Registry;
use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::figures::{self, Times};
use super::options::Signal;
use super::post::Post;
use super::queue::counts;
use super::{now, wire};

/// Items of one request at most.
const BATCH_MAX: usize = 512;
/// How long the first of a batch waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// Waits before a request that may be taken later is sent again; then its items are dropped.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// What all tasks share.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) post: Post,
    pub(super) resource: wire::Resource,
    /// Turns true when all that waits is to be sent, and the task to end.
    pub(super) stop: watch::Receiver<bool>,
}

/// Sends what comes into a queue.
pub(super) async fn batches<T, W, R: Message>(
    mut way: Way,
    signal: Signal,
    mut queue: mpsc::Receiver<T>,
    encode: impl Fn(T) -> W + Send + Copy,
    request: impl Fn(&wire::Resource, Vec<W>) -> R + Send + Copy,
) where
    T: Send,
    W: Send,
{
    let mut state = State::default();
    let mut items = Vec::with_capacity(BATCH_MAX);
    loop {
        let stopping = *way.stop.borrow_and_update();
        if stopping {
            queue.close();
        }
        tokio::select! {
            read = queue.recv_many(&mut items, BATCH_MAX) => if read == 0 { return },
            _ = way.stop.changed(), if !stopping => continue,
        }
        let until = Instant::now() + LINGER;
        while items.len() < BATCH_MAX && !stopping {
            let room = BATCH_MAX - items.len();
            tokio::select! {
                _ = queue.recv_many(&mut items, room) => {}
                () = tokio::time::sleep_until(until) => break,
                _ = way.stop.changed() => {
                    way.stop.mark_changed();
                    break;
                }
            }
        }
        let batch: Vec<W> = items.drain(..).map(encode).collect();
        let count = batch.len() as u64;
        let body = request(&way.resource, batch).encode_to_vec();
        send(&mut way, signal, &mut state, body, count).await;
    }
}

/// Sends the registry's figures, now and then and at the end.
pub(super) async fn metrics(mut way: Way, every: Duration, registry: watch::Receiver<Option<Arc<Registry>>>) {
    let (mut state, start) = (State::default(), now());
    loop {
        let last = tokio::select! {
            () = tokio::time::sleep(every) => false,
            _ = way.stop.wait_for(|stop| *stop) => true,
        };
        let text = registry.borrow().as_ref().map(|registry| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, registry).map(|()| text)
        });
        if let Some(Ok(text)) = text {
            let metrics = figures::metrics(&text, Times { start, now: now() });
            let count = metrics.len() as u64;
            let body = wire::MetricsRequest::of(&way.resource, metrics).encode_to_vec();
            send(&mut way, Signal::Metrics, &mut state, body, count).await;
        }
        if last {
            return;
        }
    }
}

/// Whether the collector took what was sent last, so that a change is told once.
#[derive(Default)]
struct State {
    is_away: bool,
}

async fn send(way: &mut Way, signal: Signal, state: &mut State, body: Vec<u8>, count: u64) {
    let mut pauses = PAUSES.iter();
    loop {
        let refused = match way.post.send(signal, body.clone()).await {
            Ok(()) => {
                counts(signal).sent.fetch_add(count, Ordering::Relaxed);
                if std::mem::take(&mut state.is_away) {
                    tracing::info!(signal = signal.word(), "telemetry is taken again");
                }
                return;
            }
            Err(refused) => refused,
        };
        if !std::mem::replace(&mut state.is_away, true) {
            let why = &refused.why;
            tracing::warn!(signal = signal.word(), why, "telemetry cannot be sent: it is dropped while that lasts");
        }
        let stopping = *way.stop.borrow();
        match pauses.next().filter(|_| refused.later && !stopping) {
            Some(pause) => tokio::select! {
                () = tokio::time::sleep(*pause) => {}
                _ = way.stop.wait_for(|stop| *stop) => {}
            },
            None => {
                counts(signal).dropped.fetch_add(count, Ordering::Relaxed);
                return;
            }
        }
    }
}
