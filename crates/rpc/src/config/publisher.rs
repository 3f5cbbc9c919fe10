//! The publisher's end of the stream.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use barid_model::Revision;
use futures_util::Stream;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming};

use super::Published;
use super::published::to_wire;
use super::rollout::{PATIENCE, ReplicaState, Stage, may_have};
use crate::convert::{needed, revision};
use crate::limits;
use crate::proto::config::v1 as wire;
use crate::proto::config::v1::config_server::{Config, ConfigServer};
use wire::watch_request::Message;

/// Snapshots that can still be fetched by their hash: as many changes as can be made while a message is under way.
const KEPT_MAX: usize = 16;
/// Replicas that watch at once; a mesh has some dozens.
const REPLICAS_MAX: usize = 1_024;
/// Longest name of a replica and longest reason for a refusal that is kept, in bytes.
const NAME_BYTES_MAX: usize = 253;
const TEXT_BYTES_MAX: usize = 1_024;
/// Most parts that a replica names as held.
const PARTS_MAX: usize = 65_536;

/// A snapshot whose number is not above the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("snapshot {given} is not newer than {newest}")]
pub struct Outdated {
    /// Its number.
    pub given: u64,
    /// The newest one's.
    pub newest: u64,
}

/// Offers snapshots to those that watch. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    next: AtomicU64,
}

#[derive(Default)]
struct State {
    /// The newest last, with when it was published.
    kept: VecDeque<(Arc<Published>, Instant)>,
    replicas: BTreeMap<u64, ReplicaState>,
}

impl Default for Publisher {
    fn default() -> Self {
        Self::new()
    }
}

impl Publisher {
    /// With nothing to offer yet.
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared { state: Mutex::default(), changed: watch::Sender::new(0), next: AtomicU64::new(1) };
        Self { shared: Arc::new(shared) }
    }

    /// Offers a snapshot from now on.
    ///
    /// # Errors
    /// [`Outdated`].
    pub fn publish(&self, snapshot: Arc<Published>) -> Result<(), Outdated> {
        {
            let mut state = self.shared.state.lock();
            let newest = state.kept.back().map_or(0, |(newest, _)| newest.number);
            if snapshot.number <= newest {
                return Err(Outdated { given: snapshot.number, newest });
            }
            state.kept.push_back((snapshot, Instant::now()));
            while state.kept.len() > KEPT_MAX {
                state.kept.pop_front();
            }
        }
        self.shared.changed();
        Ok(())
    }

    /// Who watches, and what they run.
    #[must_use]
    pub fn replicas(&self) -> Vec<ReplicaState> {
        self.shared.state.lock().replicas.values().cloned().collect()
    }

    pub(crate) fn service(&self) -> ConfigServer<impl Config + use<>> {
        ConfigServer::new(self.clone())
            .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
            .max_encoding_message_size(limits::MESSAGE_BYTES_MAX)
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.lock();
        write!(f, "Publisher({} snapshots, {} replicas)", state.kept.len(), state.replicas.len())
    }
}

impl Shared {
    fn changed(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// The newest snapshot that this replica may have and has neither got nor refused.
    fn offer(&self, id: u64) -> Option<Arc<Published>> {
        let state = self.state.lock();
        let replica = state.replicas.get(&id)?;
        let newest = state
            .kept
            .iter()
            .rev()
            .find(|(snapshot, since)| may_have(replica.stage, snapshot.number, *since, &state.replicas));
        let (newest, _) = newest?;
        let refused = replica.refused.as_ref().map_or(0, |(number, _)| *number);
        (newest.number > replica.runs && newest.number != refused).then(|| Arc::clone(newest))
    }

    fn update(&self, id: u64, change: impl FnOnce(&mut ReplicaState)) {
        if let Some(replica) = self.state.lock().replicas.get_mut(&id) {
            change(replica);
        }
        self.changed();
    }
}

/// A replica's place among those that watch, for as long as it does.
struct Place {
    shared: Arc<Shared>,
    id: u64,
}

impl Place {
    fn take(shared: &Arc<Shared>, replica: ReplicaState) -> Result<Self, Status> {
        let id = shared.next.fetch_add(1, Ordering::Relaxed);
        {
            let mut state = shared.state.lock();
            if state.replicas.len() >= REPLICAS_MAX {
                return Err(Status::resource_exhausted(format!("{REPLICAS_MAX} replicas watch already")));
            }
            state.replicas.insert(id, replica);
        }
        shared.changed();
        Ok(Self { shared: Arc::clone(shared), id })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.state.lock().replicas.remove(&self.id);
        self.shared.changed();
    }
}

#[tonic::async_trait]
impl Config for Publisher {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<wire::WatchResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<Streaming<wire::WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let mut said = request.into_inner();
        let Some(Message::Hello(hello)) = said.message().await?.and_then(|request| request.message) else {
            return Err(Status::invalid_argument("the first message has to be a hello"));
        };
        let wrong = |error: crate::Invalid| Status::invalid_argument(error.to_string());
        let stage = Stage::read(hello.stage).map_err(wrong)?;
        if hello.replica.len() > NAME_BYTES_MAX || hello.parts.len() > PARTS_MAX {
            return Err(Status::invalid_argument("the hello is too long"));
        }
        let held =
            hello.parts.iter().map(|hash| revision(hash, "hello.parts")).collect::<Result<_, _>>().map_err(wrong)?;
        let state = ReplicaState { stage, replica: hello.replica, runs: hello.number, refused: None };
        let place = Place::take(&self.shared, state)?;
        // One offer is open at a time.
        let (offers, open) = mpsc::channel(1);
        tokio::spawn(async move {
            if let Err(status) = attend(&place, said, &offers, held).await {
                drop(offers.send(Err(status)).await);
            }
        });
        let stream = futures_util::stream::unfold(open, async |mut open| open.recv().await.map(|item| (item, open)));
        Ok(Response::new(Box::pin(stream)))
    }

    async fn fetch(&self, request: Request<wire::FetchRequest>) -> Result<Response<wire::FetchResponse>, Status> {
        let request = request.into_inner();
        let wrong = |error: crate::Invalid| Status::invalid_argument(error.to_string());
        let id = revision(&request.id, "id").map_err(wrong)?;
        let held: HashSet<&[u8]> = request.parts.iter().map(|hash| &**hash).collect();
        let state = self.shared.state.lock();
        let found = state.kept.iter().rev().find(|(snapshot, _)| snapshot.id == id).map(|(snapshot, _)| snapshot);
        let snapshot = found.map(|snapshot| to_wire(snapshot, |hash| held.contains(&hash.as_bytes()[..])));
        Ok(Response::new(wire::FetchResponse { snapshot }))
    }
}

type Offers = mpsc::Sender<Result<wire::WatchResponse, Status>>;

/// Offers what a replica may have, one after the other, until it leaves.
async fn attend(
    place: &Place,
    mut said: Streaming<wire::WatchRequest>,
    offers: &Offers,
    mut held: HashSet<Revision>,
) -> Result<(), Status> {
    let shared = &place.shared;
    let mut changed = shared.changed.subscribe();
    let mut open: Option<Arc<Published>> = None;
    loop {
        changed.mark_unchanged();
        if open.is_none()
            && let Some(snapshot) = shared.offer(place.id)
        {
            let snapshot_wire = to_wire(&snapshot, |hash| held.contains(hash));
            let response = wire::WatchResponse { snapshot: Some(snapshot_wire) };
            if offers.send(Ok(response)).await.is_err() {
                return Ok(());
            }
            open = Some(snapshot);
        }
        tokio::select! {
            message = said.message() => {
                let Some(message) = message? else { return Ok(()) };
                let message = needed(message.message, "message").map_err(|error| Status::invalid_argument(error.to_string()))?;
                answered(place, message, &mut open, &mut held)?;
            }
            changed = changed.changed() => if changed.is_err() { return Ok(()) },
            // Patience with others may have ended.
            () = tokio::time::sleep(PATIENCE / 4) => {}
            () = offers.closed() => return Ok(()),
        }
    }
}

/// Takes note of an answer to the open offer.
fn answered(
    place: &Place,
    message: Message,
    open: &mut Option<Arc<Published>>,
    held: &mut HashSet<Revision>,
) -> Result<(), Status> {
    let number = match &message {
        Message::Ack(ack) => ack.number,
        Message::Nack(nack) => nack.number,
        Message::Hello(_) => return Err(Status::invalid_argument("a hello comes once")),
    };
    let Some(snapshot) = open.take().filter(|open| open.number == number) else {
        return Err(Status::invalid_argument("an answer to what was not offered"));
    };
    match message {
        Message::Nack(nack) => {
            let text: String = nack.text.chars().take(TEXT_BYTES_MAX / 4).collect();
            place.shared.update(place.id, |replica| {
                tracing::warn!(stage = ?replica.stage, replica = %replica.replica, number, why = %text, "snapshot refused");
                replica.refused = Some((number, text));
            });
        }
        Message::Ack(_) | Message::Hello(_) => {
            *held = snapshot.hashes().collect();
            place.shared.update(place.id, |replica| {
                tracing::info!(stage = ?replica.stage, replica = %replica.replica, number, "snapshot applied");
                replica.runs = number;
                replica.refused = None;
            });
        }
    }
    Ok(())
}
