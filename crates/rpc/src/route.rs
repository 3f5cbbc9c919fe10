//! What a router can be asked beside the log (`barid.route.v1`): a dry run, and the answer that a sender waits for.

use std::sync::Arc;
use std::time::Duration;

use barid_model::record::{Answer, AnswerRecord};
use barid_model::{Digest, Finding, Name, Payload, Revision, Timestamp};
use barid_transform::Applied;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};

use crate::convert::{
    Strict, applied, applied_wire, copy, digest, findings, findings_wire, name, needed, outcome, outcome_wire, revision,
};
use crate::limits;
use crate::proto::route::v1 as wire;
use crate::proto::route::v1::route_client::RouteClient;
use crate::proto::route::v1::route_server::{Route, RouteServer};
use crate::remote::{Replicas, Target};
use crate::serve::timeout_of;
use crate::tls::Tls;

/// The service, as the health protocol names it.
pub(crate) const SERVICE: &str = "barid.route.v1.Route";
/// How long one call waits for an answer; who waits longer asks again. Short enough that a router can drain.
const WAIT_A_CALL: Duration = Duration::from_secs(10);

/// A message that is tried without being accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRun {
    /// The channel.
    pub channel: Name,
    /// Where it is said to have come in.
    pub listener: Name,
    /// Its bytes.
    pub raw: Payload,
    /// The clock that mappings see.
    pub received: Timestamp,
    /// Under which revision; none: the present one.
    pub revision: Option<Revision>,
}

/// What a dry run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRunResult {
    /// Under which revision.
    pub revision: Revision,
    /// What was found in the message.
    pub findings: Vec<Finding>,
    /// What the channel makes of it; none where it would be refused.
    pub applied: Option<Applied>,
}

/// Why a router does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// There is no such channel or revision.
    #[error("{0}")]
    NotFound(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
}

/// What a router does for others.
pub trait Routing: Send + Sync + 'static {
    /// What a channel would make of a message.
    fn dry_run(&self, request: DryRun) -> BoxFuture<'_, Result<DryRunResult, RouteError>>;
    /// The answer under a key, as soon as it is there; none at the deadline.
    fn wait(
        &self,
        key: Digest,
        facility: String,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Option<AnswerRecord>, RouteError>>;
}

pub(crate) struct Served<R>(pub(crate) Arc<R>);

impl<R: Routing> Served<R> {
    pub(crate) fn service(routing: Arc<R>) -> RouteServer<Self> {
        RouteServer::new(Self(routing))
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
        let run = dry_run(request.into_inner()).map_err(wrong)?;
        let raw = run.raw.bytes();
        let result = self.0.dry_run(run).await.map_err(refused)?;
        Ok(Response::new(wire::DryRunResponse {
            revision: copy(result.revision.as_bytes()),
            findings: findings_wire(&result.findings),
            applied: result
                .applied
                .map(|applied| crate::proto::transform::v1::ApplyResult { result: Some(applied_wire(&raw, &applied)) }),
        }))
    }

    async fn wait(&self, request: Request<wire::WaitRequest>) -> Result<Response<wire::WaitResponse>, Status> {
        let most = timeout_of(&request).map_or(WAIT_A_CALL, |timeout| timeout.saturating_sub(limits::ANSWER_MARGIN));
        let deadline = Instant::now() + most.min(WAIT_A_CALL);
        let request = request.into_inner();
        let key = digest(&request.key, "key").map_err(wrong)?;
        let answer = self.0.wait(key, request.facility, deadline).await.map_err(refused)?;
        Ok(Response::new(wire::WaitResponse { answer: answer.as_ref().map(answer_wire) }))
    }
}

fn dry_run(wire: wire::DryRunRequest) -> Strict<DryRun> {
    Ok(DryRun {
        channel: name(&wire.channel, "channel")?,
        listener: name(&wire.listener, "listener")?,
        raw: Payload::new(wire.raw),
        received: Timestamp::from_micros(wire.received_micros),
        revision: wire.revision.map(|bytes| revision(&bytes, "revision")).transpose()?,
    })
}

fn answer_wire(answer: &AnswerRecord) -> wire::Answer {
    wire::Answer {
        outcome: outcome_wire(answer.outcome).into(),
        at_micros: answer.at.micros(),
        code: answer.answer.code.clone(),
        bytes: answer.answer.bytes.bytes(),
        findings: findings_wire(&answer.findings),
    }
}

fn answer(wire: wire::Answer) -> Strict<AnswerRecord> {
    Ok(AnswerRecord {
        outcome: outcome(wire.outcome)?,
        at: Timestamp::from_micros(wire.at_micros),
        answer: Answer { code: wire.code, bytes: Payload::new(wire.bytes) },
        findings: findings(wire.findings)?,
    })
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

    async fn client(&self) -> Result<RouteClient<crate::transport::dial::Requests>, RouteError> {
        let none = || RouteError::Unavailable("no router serves".to_owned());
        let replica = self.replicas.choose(None, Instant::now() + limits::NO_REPLICA).await.ok_or_else(none)?;
        Ok(RouteClient::new(replica.requests().ok_or_else(none)?)
            .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
            .max_encoding_message_size(limits::MESSAGE_BYTES_MAX))
    }
}

fn error(status: &Status) -> RouteError {
    match status.code() {
        Code::NotFound | Code::InvalidArgument => RouteError::NotFound(status.message().to_owned()),
        code => RouteError::Unavailable(format!("{}: {}", code.description(), status.message())),
    }
}

fn unreadable(error: crate::Invalid) -> RouteError {
    RouteError::Unavailable(error.to_string())
}

impl Routing for RemoteRouting {
    fn dry_run(&self, run: DryRun) -> BoxFuture<'_, Result<DryRunResult, RouteError>> {
        Box::pin(async move {
            let mut request = Request::new(wire::DryRunRequest {
                channel: run.channel.to_string(),
                listener: run.listener.to_string(),
                raw: run.raw.bytes(),
                received_micros: run.received.micros(),
                revision: run.revision.map(|revision| copy(revision.as_bytes())),
            });
            request.set_timeout(limits::DEADLINE + limits::per_byte(run.raw.len()));
            let response = self.client().await?.dry_run(request).await.map_err(|status| error(&status))?.into_inner();
            let read = || {
                let result = |wire: crate::proto::transform::v1::ApplyResult| {
                    applied(needed(wire.result, "applied.result")?, &run.raw)
                };
                Ok(DryRunResult {
                    revision: revision(&response.revision, "revision")?,
                    findings: findings(response.findings)?,
                    applied: response.applied.map(result).transpose()?,
                })
            };
            read().map_err(unreadable)
        })
    }

    /// Asks until there is an answer or the deadline has come, each time another router where the last one is gone.
    fn wait(
        &self,
        key: Digest,
        facility: String,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Option<AnswerRecord>, RouteError>> {
        Box::pin(async move {
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(None);
                }
                let mut request =
                    Request::new(wire::WaitRequest { key: copy(key.as_bytes()), facility: facility.clone() });
                request.set_timeout(left.min(WAIT_A_CALL + limits::ANSWER_MARGIN));
                let asked = async { self.client().await?.wait(request).await.map_err(|status| error(&status)) };
                match tokio::time::timeout_at(deadline, asked).await {
                    Err(_) => return Ok(None),
                    Ok(Ok(response)) => {
                        if let Some(wire) = response.into_inner().answer {
                            return answer(wire).map(Some).map_err(unreadable);
                        }
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
