//! Requests with several answers: one subscription for all of them, so that a read costs no change of the servers' interest tables.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::{Client, Message};
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

type Waiting = Arc<Mutex<HashMap<u64, mpsc::Sender<Message>>>>;

/// Gives answers to who waits for them.
pub(super) struct Mux {
    prefix: String,
    waiting: Waiting,
    next: AtomicU64,
    _task: AbortOnDropHandle<()>,
}

/// The answers to one request. Dropped, it takes no more.
pub(super) struct Answers {
    address: String,
    number: u64,
    waiting: Waiting,
    receiver: mpsc::Receiver<Message>,
}

impl Mux {
    pub(super) async fn start(client: &Client) -> Result<Self, String> {
        let prefix = client.new_inbox();
        let mut subscriber = client.subscribe(format!("{prefix}.*")).await.map_err(|error| error.to_string())?;
        let waiting = Waiting::default();
        let map = Arc::clone(&waiting);
        let task = tokio::spawn(async move {
            while let Some(message) = subscriber.next().await {
                let number = message.subject.rsplit('.').next().and_then(|token| token.parse::<u64>().ok());
                let sender = number.and_then(|number| map.lock().get(&number).cloned());
                if let Some(sender) = sender {
                    // Who asked made room for all answers; one too many is nobody's.
                    drop(sender.try_send(message));
                }
            }
        });
        Ok(Self { prefix, waiting, next: AtomicU64::new(0), _task: AbortOnDropHandle::new(task) })
    }

    /// Prepares for up to `capacity` answers.
    pub(super) fn register(&self, capacity: usize) -> Answers {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::channel(capacity);
        self.waiting.lock().insert(number, sender);
        Answers { address: format!("{}.{number}", self.prefix), number, waiting: Arc::clone(&self.waiting), receiver }
    }
}

impl Answers {
    /// Where answers go.
    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    pub(super) async fn next(&mut self) -> Option<Message> {
        self.receiver.recv().await
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.number);
    }
}
