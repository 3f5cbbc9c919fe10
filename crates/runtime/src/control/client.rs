//! The client of a control socket: [`Commands`] over the wire, so that a tool need not know whether it speaks to an engine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use barid_model::MessageUid;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use super::commands::{CommandError, CommandResult, Commands};
use super::protocol::{
    Audit, AuditRequest, DiscardRequest, Done, DryRunRequest, DryRunView, ExplainRequest, Explanation, MessageDetail,
    MessageQuery, MessageRow, Page, ParkedQuery, ParkedRow, PauseRequest, PayloadRequest, ProbeRequest, Probed,
    RefusedQuery, RefusedRow, ReleaseRequest, ReloadRequest, Reloaded, ReplayRequest, Replayed, RerunRequest,
    ResendRequest, Resent, ResumeRequest, SnapshotView, Status,
};
use super::socket::locate;

/// How long a command may take: a deep audit or a replay of very many messages reads much of a disk.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(600);
/// Largest answer in bytes: a payload of 32 MiB, or a page of a thousand rows with many findings.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Speaks to a running engine. Each command is a connection of its own.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// The client of the engine that runs on this data directory; none where none runs.
    ///
    /// # Errors
    /// Where there is a socket that cannot be used, such as another user's.
    pub async fn connect(data: &Path) -> CommandResult<Option<Self>> {
        let Some(socket) = locate(data).map_err(CommandError::failed)? else { return Ok(None) };
        match UnixStream::connect(&socket).await {
            Ok(_) => Ok(Some(Self { socket })),
            // What an engine leaves that was killed: nobody listens.
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::NotFound) =>
            {
                Ok(None)
            }
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(CommandError::unavailable(
                format!("{} belongs to another user: run this command as the engine's user", socket.display()),
            )),
            Err(error) => {
                Err(CommandError::unavailable(format!("cannot reach the engine at {}: {error}", socket.display())))
            }
        }
    }

    async fn ask<Q: Serialize + Sync, A: DeserializeOwned>(&self, path: &str, request: Option<&Q>) -> CommandResult<A> {
        let body = self.call(path, request).await?;
        serde_json::from_slice(&body).map_err(|error| unreadable(&error))
    }

    async fn page<Q: Serialize + Sync, R: DeserializeOwned>(&self, path: &str, query: &Q) -> CommandResult<Page<R>> {
        let body = self.call(path, Some(query)).await?;
        let mut page = Page::default();
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice::<End>(line) {
                Ok(end) => page.next = Some(end.next),
                Err(_) => page.rows.push(serde_json::from_slice(line).map_err(|error| unreadable(&error))?),
            }
        }
        Ok(page)
    }

    async fn call<Q: Serialize + Sync>(&self, path: &str, request: Option<&Q>) -> CommandResult<Bytes> {
        let body = match request {
            Some(request) => serde_json::to_vec(request).map_err(CommandError::failed)?,
            None => Vec::new(),
        };
        let method = if request.is_some() { "POST" } else { "GET" };
        match tokio::time::timeout(COMMAND_TIMEOUT, self.exchange(method, path, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(CommandError::unavailable(format!(
                "the engine did not answer within {} s",
                COMMAND_TIMEOUT.as_secs()
            ))),
        }
    }

    async fn exchange(&self, method: &str, path: &str, body: Vec<u8>) -> CommandResult<Bytes> {
        let gone = |error: &dyn std::fmt::Display| {
            CommandError::unavailable(format!("lost the engine at {}: {error}", self.socket.display()))
        };
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| gone(&error))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| gone(&error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "barid")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(CommandError::failed)?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| gone(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
                .collect()
                .await
                .map_err(|error| gone(&error))?
                .to_bytes();
            if status.is_success() { Ok(body) } else { Err(refusal(status.as_u16(), &body)) }
        };
        // The connection has to be driven for as long as the answer is awaited, and no longer.
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            _ = connection => answer.await,
        }
    }
}

/// The last line of a page where there is more.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    next: String,
}

fn unreadable(error: &serde_json::Error) -> CommandError {
    CommandError::failed(format!("cannot read the engine's answer: {error}; engine and tool are of different versions"))
}

fn refusal(status: u16, body: &[u8]) -> CommandError {
    match serde_json::from_slice(body) {
        Ok(error) => error,
        Err(_) if status == 404 => {
            CommandError::unavailable("the engine does not know this command: it is of an older version")
        }
        Err(_) => CommandError::failed(format!("the engine answered with status {status}")),
    }
}

/// One line a command: its path, and its request.
macro_rules! remote {
    ($($name:ident($request:ty) -> $answer:ty = $path:literal by $how:ident;)*) => {
        $(fn $name(&self, request: $request) -> BoxFuture<'_, CommandResult<$answer>> {
            Box::pin(async move { remote!(@$how self, $path, request) })
        })*
    };
    (@ask $self:ident, $path:literal, $request:ident) => { $self.ask($path, Some(&$request)).await };
    (@page $self:ident, $path:literal, $request:ident) => { $self.page($path, &$request).await };
    (@call $self:ident, $path:literal, $request:ident) => { $self.call($path, Some(&$request)).await };
}

impl Commands for Client {
    fn status(&self) -> BoxFuture<'_, CommandResult<Status>> {
        Box::pin(self.ask::<(), _>("/v1/status", None))
    }

    fn snapshot(&self) -> BoxFuture<'_, CommandResult<SnapshotView>> {
        Box::pin(self.ask::<(), _>("/v1/snapshot", None))
    }

    remote! {
        messages(MessageQuery) -> Page<MessageRow> = "/v1/messages" by page;
        refused(RefusedQuery) -> Page<RefusedRow> = "/v1/refused" by page;
        parked(ParkedQuery) -> Page<ParkedRow> = "/v1/parked" by page;
        show(MessageUid) -> MessageDetail = "/v1/show" by ask;
        payload(PayloadRequest) -> Bytes = "/v1/payload" by call;
        audit(AuditRequest) -> Audit = "/v1/audit" by ask;
        explain(ExplainRequest) -> Explanation = "/v1/explain" by ask;
        probe(ProbeRequest) -> Probed = "/v1/probe" by ask;
        dry_run(DryRunRequest) -> DryRunView = "/v1/dry-run" by ask;
        replay(ReplayRequest) -> Replayed = "/v1/replay" by ask;
        resend(ResendRequest) -> Resent = "/v1/resend" by ask;
        rerun(RerunRequest) -> Done = "/v1/rerun" by ask;
        discard(DiscardRequest) -> Done = "/v1/discard" by ask;
        release(ReleaseRequest) -> Done = "/v1/release" by ask;
        pause(PauseRequest) -> Done = "/v1/pause" by ask;
        resume(ResumeRequest) -> Done = "/v1/resume" by ask;
        reload(ReloadRequest) -> Reloaded = "/v1/reload" by ask;
    }
}
