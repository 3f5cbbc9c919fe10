//! What a router can be asked beside the log (`barid.route.v1`): a dry run, and the answer that a sender waits for.
//!
//! Both change nothing, so another router is asked where one is gone. Nothing good is told without an answer: who waits in
//! vain until its deadline gets none, and says so to its sender.

mod convert;

use std::sync::Arc;
use std::time::Duration;

use barid_model::record::AnswerRecord;
use barid_model::{Digest, DryRun, DryRunResult, Timestamp};
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};

use crate::convert::{copy, digest};
use crate::limits;
use crate::proto::route::v1 as wire;
use crate::proto::route::v1::route_client::RouteClient;
use crate::proto::route::v1::route_server::{Route, RouteServer};
use crate::remote::{Replicas, Target};
use crate::serve::{Computer, timeout_of};
use crate::tls::Tls;

/// The service, as the health protocol names it.
pub(crate) const SERVICE: &str = "barid.route.v1.Route";
/// How long one call waits for an answer; who waits longer asks again. Short enough that a router can drain.
const WAIT_A_CALL: Duration = Duration::from_secs(10);
/// How long who tries a message waits for a router, and for its stage, besides what its bytes add: a person does.
const DRY_RUN: Duration = Duration::from_secs(10);
/// How often a dry run is asked of another router where one is gone.
const DRY_RUN_TRIES: usize = 3;

/// Which answer a sender waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// The key of its message: the same for a resend.
    pub key: Digest,
    /// Its facility.
    pub facility: String,
    /// When its message was received: a rejection from before was of an earlier sending.
    pub since: Timestamp,
}

/// Why a router does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// There is no such channel, revision, listener or facility.
    #[error("{0}")]
    NotFound(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
}

/// What a router does for others.
pub trait Routing: Send + Sync + 'static {
    /// What would become of a message.
    fn dry_run(&self, request: DryRun) -> BoxFuture<'_, Result<DryRunResult, RouteError>>;
    /// The answer under a key, as soon as it is there; none at the deadline.
    fn wait(&self, awaited: Awaited, deadline: Instant) -> BoxFuture<'_, Result<Option<AnswerRecord>, RouteError>>;
}

pub(crate) struct Served<R>(Arc<R>, Computer);

impl<R: Routing> Served<R> {
    pub(crate) fn service(routing: Arc<R>, computer: Computer) -> RouteServer<Self> {
        RouteServer::new(Self(routing, computer))
            .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
            .max_encoding_message_size(limits::MESSAGE_BYTES_MAX)
    }
}

fn refused(error: RouteError) -> Status {
    match error {
        RouteError::NotFound(text) => Status::not_found(text),
        RouteError::Unavailable(text) => Status::unavailable(text),
    }
}

fn wrong(error: crate::Invalid) -> Status {
    Status::invalid_argument(error.to_string())
}

#[tonic::async_trait]
impl<R: Routing> Route for Served<R> {
    async fn dry_run(&self, request: Request<wire::DryRunRequest>) -> Result<Response<wire::DryRunResponse>, Status> {
        // In hand until it is done: a drain waits for it.
        let held = self.1.hold()?;
        let run = convert::dry_run(request.into_inner()).map_err(wrong)?;
        let result = self.0.dry_run(run).await.map_err(refused)?;
        drop(held);
        Ok(Response::new(convert::result_wire(&result)))
    }

    async fn wait(&self, request: Request<wire::WaitRequest>) -> Result<Response<wire::WaitResponse>, Status> {
        let most = timeout_of(&request).map_or(WAIT_A_CALL, |timeout| timeout.saturating_sub(limits::ANSWER_MARGIN));
        let deadline = Instant::now() + most.min(WAIT_A_CALL);
        let request = request.into_inner();
        let awaited = Awaited {
            key: digest(&request.key, "key").map_err(wrong)?,
            facility: request.facility,
            since: request.since_micros.map_or_else(Timestamp::default, Timestamp::from_micros),
        };
        let answer = self.0.wait(awaited, deadline).await.map_err(refused)?;
        Ok(Response::new(wire::WaitResponse { answer: answer.as_ref().map(convert::answer_wire) }))
    }
}

/// Routers, asked from elsewhere.
pub struct RemoteRouting {
    replicas: Arc<Replicas>,
}

impl RemoteRouting {
    /// Begins to look for routers. Needs a tokio runtime.
    #[must_use]
    pub fn new(targets: Vec<Target>, tls: Option<Arc<Tls>>) -> Self {
        Self { replicas: Replicas::resolving(SERVICE, targets, tls) }
    }

    /// Over pipes in this process.
    #[cfg(test)]
    pub(crate) fn in_process(dials: Vec<tokio::sync::mpsc::Sender<tokio::io::DuplexStream>>) -> Self {
        Self { replicas: Replicas::pipes(SERVICE, dials) }
    }

    /// Ends when a router serves.
    pub async fn ready(&self) {
        self.replicas.ready().await;
    }

    /// One that serves, before `patience` ends, and its number; another than `avoid` where there is one.
    async fn client(
        &self,
        avoid: Option<u64>,
        patience: Instant,
    ) -> Result<(RouteClient<crate::transport::dial::Requests>, u64), RouteError> {
        let none = || RouteError::Unavailable("no router serves".to_owned());
        let replica = self.replicas.choose(avoid, patience).await.ok_or_else(none)?;
        let client = RouteClient::new(replica.requests().ok_or_else(none)?)
            .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
            .max_encoding_message_size(limits::MESSAGE_BYTES_MAX);
        Ok((client, replica.number()))
    }
}

fn error(status: &Status) -> RouteError {
    match status.code() {
        Code::NotFound | Code::InvalidArgument => RouteError::NotFound(status.message().to_owned()),
        Code::Unavailable if !status.message().is_empty() => RouteError::Unavailable(status.message().to_owned()),
        code => RouteError::Unavailable(format!("{}: {}", code.description(), status.message())),
    }
}

fn unreadable(error: crate::Invalid) -> RouteError {
    RouteError::Unavailable(error.to_string())
}

impl Routing for RemoteRouting {
    /// Asks another router where one is gone.
    fn dry_run(&self, run: DryRun) -> BoxFuture<'_, Result<DryRunResult, RouteError>> {
        Box::pin(async move {
            let deadline = Instant::now() + DRY_RUN + limits::per_byte(run.raw.len());
            let mut last = (RouteError::Unavailable("no router serves".to_owned()), None);
            for _ in 0..DRY_RUN_TRIES {
                let (mut client, number) = match self.client(last.1, deadline).await {
                    Ok(found) => found,
                    Err(_) => break,
                };
                let mut request = Request::new(convert::dry_run_wire(&run));
                request.set_timeout(deadline.saturating_duration_since(Instant::now()));
                let why = match tokio::time::timeout_at(deadline, client.dry_run(request)).await {
                    Ok(Ok(response)) => return convert::result(response.into_inner()).map_err(unreadable),
                    Ok(Err(status)) => error(&status),
                    Err(_) => RouteError::Unavailable("a router has not answered in time".to_owned()),
                };
                if matches!(why, RouteError::NotFound(_)) || Instant::now() >= deadline {
                    return Err(why);
                }
                last = (why, Some(number));
            }
            Err(last.0)
        })
    }

    /// Asks until there is an answer or the deadline has come, each time another router where the last one is gone.
    fn wait(&self, awaited: Awaited, deadline: Instant) -> BoxFuture<'_, Result<Option<AnswerRecord>, RouteError>> {
        Box::pin(async move {
            let mut avoid = None;
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(None);
                }
                let asked = async {
                    let (mut client, number) = self.client(avoid, deadline).await?;
                    avoid = Some(number);
                    let mut request = Request::new(wire::WaitRequest {
                        key: copy(awaited.key.as_bytes()),
                        facility: awaited.facility.clone(),
                        since_micros: Some(awaited.since.micros()),
                    });
                    let left = deadline.saturating_duration_since(Instant::now());
                    request.set_timeout(left.min(WAIT_A_CALL + limits::ANSWER_MARGIN));
                    client.wait(request).await.map_err(|status| error(&status))
                };
                match tokio::time::timeout_at(deadline, asked).await {
                    Err(_) => return Ok(None),
                    Ok(Ok(response)) => {
                        if let Some(wire) = response.into_inner().answer {
                            return convert::answer(wire).map(Some).map_err(unreadable);
                        }
                        avoid = None;
                    }
                    Ok(Err(error @ RouteError::NotFound(_))) => return Err(error),
                    // It may be gone: the answer is in the log, so any other can say it.
                    Ok(Err(RouteError::Unavailable(_))) => tokio::time::sleep(limits::RECONNECT.0).await,
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
