//! The replica's end of the stream: offers in their order, answered one by one, whatever becomes of the connection.

use std::collections::HashMap;
use std::sync::Arc;

use barid_model::Revision;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::unfold;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Status};

use super::Published;
use super::SERVICE;
use super::published::from_wire;
use super::rollout::Stage;
use crate::Closures;
use crate::convert::{copy, needed};
use crate::limits;
use crate::proto::config::v1 as wire;
use crate::proto::config::v1::config_client::ConfigClient;
use crate::remote::{Replicas, Target};
use crate::tls::Tls;
use crate::transport::dial::Requests;
use wire::watch_request::Message;

/// How long a publisher is looked for before that is said.
const NO_PUBLISHER: std::time::Duration = std::time::Duration::from_secs(5);

/// How to subscribe.
#[derive(Debug, Clone)]
pub struct Subscribe {
    /// Where publishers are.
    pub targets: Vec<Target>,
    /// Mutual TLS.
    pub tls: Option<Arc<Tls>>,
    /// What this replica is.
    pub stage: Stage,
    /// Its name.
    pub replica: String,
    /// What it runs, as kept on disk.
    pub runs: Option<Arc<Published>>,
}

/// A snapshot that was offered. Dropped without an answer, it counts as refused.
#[derive(Debug)]
pub struct Offer {
    /// The snapshot, whole, its parts checked against their hashes.
    pub snapshot: Arc<Published>,
    answer: oneshot::Sender<Result<(), String>>,
}

impl Offer {
    /// It is applied: this replica works under it.
    pub fn ack(self) {
        // The connection may be gone: the next hello says what runs.
        drop(self.answer.send(Ok(())));
    }

    /// It cannot be applied: what ran before runs on.
    pub fn nack(self, why: impl Into<String>) {
        drop(self.answer.send(Err(why.into())));
    }
}

/// A subscription; it ends when this is dropped.
pub struct Subscription {
    shared: Arc<Shared>,
    _task: AbortOnDropHandle<()>,
}

struct Shared {
    replicas: Arc<Replicas>,
    runs: Mutex<Option<Arc<Published>>>,
    /// What was said of what runs is not so: it is said anew.
    anew: Notify,
}

impl Subscription {
    /// Begins, and gives offers as they come. Needs a tokio runtime.
    #[must_use]
    pub fn begin(subscribe: Subscribe) -> (Self, mpsc::Receiver<Offer>) {
        let Subscribe { targets, tls, stage, replica, runs } = subscribe;
        let replicas = Replicas::resolving(SERVICE, targets, tls);
        let shared = Arc::new(Shared { replicas, runs: Mutex::new(runs), anew: Notify::new() });
        let (offers, offered) = mpsc::channel(1);
        let task = tokio::spawn(follow(Arc::clone(&shared), stage, replica, offers));
        (Self { shared, _task: AbortOnDropHandle::new(task) }, offered)
    }

    /// What was kept on disk cannot be applied after all: whatever the publisher has is asked for.
    pub fn runs_nothing(&self) {
        *self.shared.runs.lock() = None;
        self.shared.anew.notify_one();
    }

    /// A snapshot by its hash; none where no publisher keeps it.
    ///
    /// # Errors
    /// Where no publisher answers, or what it answers is wrong.
    pub async fn fetch(&self, id: Revision) -> Result<Option<Published>, String> {
        self.shared.fetch(id).await
    }
}

/// Snapshots as closures: [`Published::encode`] under the snapshot's hash.
impl Closures for Subscription {
    fn closure(&self, revision: Revision) -> BoxFuture<'_, Result<Option<Bytes>, String>> {
        async move { Ok(self.fetch(revision).await?.map(|snapshot| snapshot.encode())) }.boxed()
    }
}

impl Shared {
    fn held(&self) -> HashMap<Revision, Bytes> {
        let runs = self.runs.lock();
        runs.iter().flat_map(|snapshot| snapshot.hashes().zip(snapshot.parts.iter().cloned())).collect()
    }

    async fn client(&self) -> Option<ConfigClient<Requests>> {
        let replica = self.replicas.choose(None, Instant::now() + NO_PUBLISHER).await?;
        let client = ConfigClient::new(replica.requests()?);
        Some(
            client
                .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
                .max_encoding_message_size(limits::MESSAGE_BYTES_MAX),
        )
    }

    async fn fetch(&self, id: Revision) -> Result<Option<Published>, String> {
        let held = self.held();
        let parts = held.keys().map(|hash| copy(hash.as_bytes())).collect();
        let mut client = self.client().await.ok_or("no publisher of snapshots serves")?;
        let mut request = Request::new(wire::FetchRequest { id: copy(id.as_bytes()), parts });
        request.set_timeout(limits::DEADLINE);
        let answered = tokio::time::timeout(limits::DEADLINE, client.fetch(request)).await;
        let response = answered.map_err(|_| "the publisher did not answer in time")?;
        let response = response.map_err(|status| status.message().to_owned())?.into_inner();
        let Some(snapshot) = response.snapshot else { return Ok(None) };
        let snapshot = from_wire(snapshot, &held).map_err(|error| error.to_string())?;
        if snapshot.id == id { Ok(Some(snapshot)) } else { Err("the publisher gave another snapshot".to_owned()) }
    }
}

/// Watches, for ever: a stream that ends is opened again, at another publisher where there is one.
async fn follow(shared: Arc<Shared>, stage: Stage, replica: String, offers: mpsc::Sender<Offer>) {
    loop {
        match shared.client().await {
            Some(client) => {
                if let Err(status) = watch(&shared, client, stage, &replica, &offers).await {
                    tracing::warn!(code = ?status.code(), why = %status.message(), "the configuration stream ended");
                }
            }
            None => tracing::warn!("no publisher of snapshots serves: what runs goes on"),
        }
        if offers.is_closed() {
            return;
        }
        tokio::time::sleep(limits::RECONNECT.1).await;
    }
}

async fn watch(
    shared: &Shared,
    mut client: ConfigClient<Requests>,
    stage: Stage,
    replica: &str,
    offers: &mpsc::Sender<Offer>,
) -> Result<(), Status> {
    let (say, said) = mpsc::channel::<wire::WatchRequest>(2);
    let parts = shared.held().keys().map(|hash| copy(hash.as_bytes())).collect();
    let number = shared.runs.lock().as_ref().map_or(0, |runs| runs.number);
    let hello = wire::Hello { stage: stage.wire().into(), replica: replica.to_owned(), number, parts };
    let gone = |_| Status::cancelled("the stream ended");
    say.send(wire::WatchRequest { message: Some(Message::Hello(hello)) }).await.map_err(gone)?;
    let stream = unfold(said, async |mut said| said.recv().await.map(|message| (message, said)));
    let mut offered = client.watch(stream).await?.into_inner();
    loop {
        let response = tokio::select! {
            response = offered.message() => response?,
            () = shared.anew.notified() => None,
        };
        let Some(response) = response else { return Ok(()) };
        let broken = |error: crate::Invalid| Status::data_loss(error.to_string());
        let wire = needed(response.snapshot, "snapshot").map_err(broken)?;
        let number = wire.number;
        let message = match apply(shared, wire, offers).await {
            Ok(()) => Message::Ack(wire::Ack { number }),
            Err(text) => Message::Nack(wire::Nack { number, text }),
        };
        say.send(wire::WatchRequest { message: Some(message) }).await.map_err(gone)?;
    }
}

/// Passes an offer on and waits for its answer.
async fn apply(shared: &Shared, wire: wire::Snapshot, offers: &mpsc::Sender<Offer>) -> Result<(), String> {
    let snapshot = Arc::new(from_wire(wire, &shared.held()).map_err(|error| error.to_string())?);
    let runs = shared.runs.lock().as_ref().map_or(0, |runs| runs.number);
    if snapshot.number <= runs {
        return Err(format!("snapshot {runs} runs here already: a number is never replaced by an older one"));
    }
    let (answer, answered) = oneshot::channel();
    let offer = Offer { snapshot: Arc::clone(&snapshot), answer };
    offers.send(offer).await.map_err(|_| "the process ends".to_owned())?;
    answered.await.unwrap_or_else(|_| Err("it was not applied".to_owned()))?;
    *shared.runs.lock() = Some(snapshot);
    Ok(())
}
