//! Calls that wait for one another: who may go out now, and what goes out together next.

use std::collections::VecDeque;
use std::sync::Arc;

use barid_model::stage::StageError;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use super::{Inner, weight};
use crate::contract::Contract;
use crate::limits;

type Outputs<C> = Vec<Result<<C as crate::contract::Exchange>::Output, StageError>>;

/// Calls on the way, and those that wait for one to return.
pub(super) struct Queue<C: Contract> {
    state: Mutex<State<C>>,
    /// Room for items that wait.
    room: Arc<Semaphore>,
    runtime: Handle,
}

struct State<C: Contract> {
    on_the_way: usize,
    /// One is about to go out, with whatever waits by then.
    about_to: bool,
    waiting: VecDeque<Job<C>>,
}

struct Job<C: Contract> {
    inputs: Vec<C::Input>,
    bytes: usize,
    outputs: oneshot::Sender<Outputs<C>>,
}

/// The right to have one call on the way. Given back, it takes what waits out with it.
pub(super) struct Slot<C: Contract>(Option<Arc<Inner<C>>>);

impl<C: Contract> Queue<C> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State { on_the_way: 0, about_to: false, waiting: VecDeque::new() }),
            room: Arc::new(Semaphore::new(limits::QUEUE_ITEMS_MAX)),
            runtime: Handle::current(),
        }
    }
}

/// Calls on the way at once, to all replicas.
fn most<C: Contract>(inner: &Inner<C>) -> usize {
    limits::CALLS_A_REPLICA * inner.replicas.serving().max(1)
}

impl<C: Contract> Inner<C> {
    /// The outputs of inputs that wait, once others took them along.
    pub(super) async fn wait(self: &Arc<Self>, inputs: Vec<C::Input>) -> Outputs<C> {
        let items = inputs.len();
        let permits = u32::try_from(items).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.queue.room).acquire_many_owned(permits).await else {
            return gone(items);
        };
        let (outputs, answer) = oneshot::channel();
        let bytes = weight::<C>(&inputs);
        {
            let mut state = self.queue.state.lock();
            state.waiting.push_back(Job { inputs, bytes, outputs });
            if !state.about_to && state.on_the_way < most(self) {
                state.on_the_way += 1;
                state.about_to = true;
                self.queue.runtime.spawn(Arc::clone(self).begin());
            }
        }
        let outputs = answer.await.unwrap_or_else(|_| gone(items));
        drop(room);
        outputs
    }

    /// What goes out together next, and to whom its outputs belong; the slot is free where nothing waits.
    fn next(&self) -> Option<Vec<Job<C>>> {
        let mut state = self.queue.state.lock();
        let (mut jobs, mut items, mut bytes) = (Vec::new(), 0, 0);
        while let Some(job) = state.waiting.front() {
            let fits =
                items + job.inputs.len() <= limits::BATCH_ITEMS_MAX && bytes + job.bytes <= limits::BATCH_BYTES_MAX;
            if !jobs.is_empty() && !fits {
                break;
            }
            let Some(job) = state.waiting.pop_front() else { break };
            // Whoever asked may be gone.
            if !job.outputs.is_closed() {
                (items, bytes) = (items + job.inputs.len(), bytes + job.bytes);
                jobs.push(job);
            }
        }
        if jobs.is_empty() {
            state.on_the_way = state.on_the_way.saturating_sub(1);
            return None;
        }
        Some(jobs)
    }

    /// A call with what was asked for by whoever the same event woke.
    async fn begin(self: Arc<Self>) {
        tokio::task::yield_now().await;
        self.queue.state.lock().about_to = false;
        drop(Slot(Some(Arc::clone(&self))));
        while self.takes_another() {
            drop(Slot(Some(Arc::clone(&self))));
        }
    }

    /// Whether there is more than one call carries, and room for another.
    fn takes_another(&self) -> bool {
        let mut state = self.queue.state.lock();
        let more = !state.waiting.is_empty() && state.on_the_way < most(self);
        state.on_the_way += usize::from(more);
        more
    }

    async fn take_out(self: Arc<Self>, mut jobs: Vec<Job<C>>) {
        let slot = Slot(Some(Arc::clone(&self)));
        let mut inputs = Vec::with_capacity(jobs.iter().map(|job| job.inputs.len()).sum());
        let counts: Vec<usize> = jobs.iter().map(|job| job.inputs.len()).collect();
        for job in &mut jobs {
            inputs.append(&mut job.inputs);
        }
        let mut outputs = self.send(&inputs).await.into_iter();
        drop(slot);
        for (job, count) in jobs.into_iter().zip(counts) {
            // Whoever asked may be gone by now.
            drop(job.outputs.send(outputs.by_ref().take(count).collect()));
        }
    }
}

impl<C: Contract> Drop for Slot<C> {
    fn drop(&mut self) {
        let Some(inner) = self.0.take() else { return };
        if let Some(jobs) = inner.next() {
            let runtime = inner.queue.runtime.clone();
            runtime.spawn(inner.take_out(jobs));
        }
    }
}

fn gone<O>(items: usize) -> Vec<Result<O, StageError>> {
    let error = || StageError::Unavailable("the call was given up: the process ends".to_owned());
    (0..items).map(|_| Err(error())).collect()
}
