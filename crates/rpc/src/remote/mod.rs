//! A stage that runs elsewhere, called as if it ran here.
//!
//! Where a replica has room, what was asked for by whoever the same event woke goes out together, at once. Calls that find no
//! room are queued, and what waits when a call returns goes out together: under load calls become batches, alone they do not
//! wait. The number of calls on the way is bounded a replica, so nothing but the queue grows, and that is bounded as well.

mod attempt;
mod queue;
mod replica;
mod replicas;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use barid_model::stage::{Call, StageError};
use futures_util::future::{BoxFuture, join_all};

use crate::contract::Contract;
use crate::limits;
use crate::transport::tls::Tls;
use attempt::Tries;
use queue::Queue;
pub(crate) use replicas::Replicas;

/// Where replicas are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `host:port`; each address that the name has is a replica, looked up again every [`limits::RESOLVE_EVERY`].
    Name(String),
}

/// How a remote stage is called.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a call may take with all its tries, besides what its bytes add ([`limits::per_byte`]).
    pub deadline: Duration,
    /// How long one try may take, likewise.
    pub attempt: Duration,
    /// How long a call waits while no replica is there.
    pub no_replica: Duration,
    /// Mutual TLS; none on a network that is otherwise closed.
    pub tls: Option<Arc<Tls>>,
}

impl Default for Options {
    /// [`limits::DEADLINE`], [`limits::ATTEMPT`], [`limits::NO_REPLICA`], no TLS.
    fn default() -> Self {
        Self { deadline: limits::DEADLINE, attempt: limits::ATTEMPT, no_replica: limits::NO_REPLICA, tls: None }
    }
}

/// A stage behind `C`. Cheap to clone; its connections end with the last clone.
pub struct Remote<C: Contract> {
    inner: Arc<Inner<C>>,
}

/// What has been called since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Calls that went out, not counting tries again.
    pub calls: u64,
    /// Inputs that they carried.
    pub items: u64,
}

struct Inner<C: Contract> {
    calls: AtomicU64,
    items: AtomicU64,
    replicas: Arc<Replicas>,
    tries: Tries,
    queue: Queue<C>,
}

impl<C: Contract> Clone for Remote<C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<C: Contract> Remote<C> {
    /// Begins to look for replicas; calls may be made at once. Needs a tokio runtime.
    #[must_use]
    pub fn new(targets: Vec<Target>, options: &Options) -> Self {
        Self::over(Replicas::resolving(C::SERVICE, targets, options.tls.clone()), options)
    }

    fn over(replicas: Arc<Replicas>, options: &Options) -> Self {
        let tries = Tries { deadline: options.deadline, attempt: options.attempt, no_replica: options.no_replica };
        Self {
            inner: Arc::new(Inner {
                calls: AtomicU64::new(0),
                items: AtomicU64::new(0),
                replicas,
                tries,
                queue: Queue::new(),
            }),
        }
    }

    /// Over pipes in this process.
    #[cfg(test)]
    pub(crate) fn in_process(
        dials: Vec<tokio::sync::mpsc::Sender<tokio::io::DuplexStream>>,
        options: &Options,
    ) -> Self {
        Self::over(Replicas::pipes(C::SERVICE, dials), options)
    }

    /// Replicas that say they serve this stage.
    #[must_use]
    pub fn serving(&self) -> usize {
        self.inner.replicas.serving()
    }

    /// What has been called since the start.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let inner = &self.inner;
        Figures { calls: inner.calls.load(Ordering::Relaxed), items: inner.items.load(Ordering::Relaxed) }
    }

    /// Ends when a replica serves this stage.
    pub async fn ready(&self) {
        self.inner.replicas.ready().await;
    }
}

impl<C: Contract> Inner<C> {
    async fn send(&self, inputs: &[C::Input]) -> Vec<Result<C::Output, StageError>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.items.fetch_add(inputs.len() as u64, Ordering::Relaxed);
        self.tries.batch::<C>(&self.replicas, inputs).await
    }
}

impl<C: Contract> Call<C::Input, C::Output> for Remote<C> {
    fn call(&self, batch: Vec<C::Input>) -> BoxFuture<'_, Vec<Result<C::Output, StageError>>> {
        Box::pin(async move {
            let inner = &self.inner;
            if batch.len() <= 1
                || (batch.len() <= limits::BATCH_ITEMS_MAX && weight::<C>(&batch) <= limits::BATCH_BYTES_MAX)
            {
                return inner.wait(batch).await;
            }
            let calls = join_all(parts::<C>(batch).into_iter().map(|part| inner.wait(part))).await;
            calls.into_iter().flatten().collect()
        })
    }
}

/// A batch in pieces within the bounds of a call.
fn parts<C: Contract>(batch: Vec<C::Input>) -> Vec<Vec<C::Input>> {
    let mut parts: Vec<Vec<C::Input>> = Vec::new();
    let mut bytes = 0;
    for input in batch {
        let weight = C::weight(&input);
        match parts.last_mut() {
            Some(part) if part.len() < limits::BATCH_ITEMS_MAX && bytes + weight <= limits::BATCH_BYTES_MAX => {
                bytes += weight;
                part.push(input);
            }
            _ => {
                bytes = weight;
                parts.push(vec![input]);
            }
        }
    }
    parts
}

/// Bytes of a batch.
fn weight<C: Contract>(batch: &[C::Input]) -> usize {
    batch.iter().map(C::weight).sum()
}
