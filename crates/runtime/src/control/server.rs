//! The control socket's server: HTTP with JSON over a Unix socket, one path a command.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use super::commands::{CommandError, CommandResult, Commands, ErrorKind};
use super::protocol::Page;
use super::socket::{SocketError, prepare, restrict};
use crate::shutdown::Drain;

/// Commands carried out at once; more are told to come again, so that a script in a loop cannot starve the engine.
const COMMANDS_AT_ONCE: usize = 16;
/// Largest request in bytes: a resend of a 32 MiB message in base64.
pub(super) const REQUEST_BYTES_MAX: usize = 48 << 20;

/// The control socket cannot be opened or failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Its place.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// It cannot be bound.
    #[error("cannot listen on {}: {source}", path.display())]
    Bind {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The server failed.
    #[error("the control socket failed: {0}")]
    Serve(std::io::Error),
}

/// An open control socket, not yet answering. Dropped, its file goes.
#[derive(Debug)]
pub struct Control {
    listener: Option<UnixListener>,
    path: PathBuf,
}

/// Opens the control socket of a data directory.
///
/// # Errors
/// [`ControlError`]; [`SocketError::Running`] where an engine answers there.
pub fn bind(data: &Path) -> Result<Control, ControlError> {
    let path = prepare(data)?;
    let bound = UnixListener::bind(&path).and_then(|listener| restrict(&path).map(|()| listener));
    match bound {
        Ok(listener) => Ok(Control { listener: Some(listener), path }),
        Err(source) => Err(ControlError::Bind { path, source }),
    }
}

impl Control {
    /// Where the socket is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Answers until the drain's deadline, since a drain is when people ask: a task of kind `Background`.
    ///
    /// # Errors
    /// [`ControlError::Serve`].
    pub async fn serve(mut self, commands: Arc<dyn Commands>, mut drain: Drain) -> Result<(), ControlError> {
        let Some(listener) = self.listener.take() else { return Ok(()) };
        let over = async move {
            let deadline = drain.started().await;
            tokio::time::sleep_until(deadline).await;
        };
        axum::serve(listener, router(commands)).with_graceful_shutdown(over).await.map_err(ControlError::Serve)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "control socket was gone");
        }
    }
}

#[derive(Clone)]
struct Shared {
    commands: Arc<dyn Commands>,
    slots: Arc<Semaphore>,
}

/// A command as a function of its request: what every path has in common is around it.
type Act<Q, A> = for<'a> fn(&'a dyn Commands, Q) -> BoxFuture<'a, CommandResult<A>>;

fn router(commands: Arc<dyn Commands>) -> Router {
    let shared = Shared { commands, slots: Arc::new(Semaphore::new(COMMANDS_AT_ONCE)) };
    let router = Router::new()
        .route(
            "/v1/status",
            get(async |State(shared): State<Shared>| without(&shared, |commands| commands.status()).await),
        )
        .route(
            "/v1/snapshot",
            get(async |State(shared): State<Shared>| without(&shared, |commands| commands.snapshot()).await),
        )
        .route(
            "/v1/messages",
            post(async |State(shared): State<Shared>, request: Request| {
                page(&shared, request, |c, q| c.messages(q)).await
            }),
        )
        .route(
            "/v1/refused",
            post(async |State(shared): State<Shared>, request: Request| {
                page(&shared, request, |c, q| c.refused(q)).await
            }),
        )
        .route(
            "/v1/parked",
            post(async |State(shared): State<Shared>, request: Request| {
                page(&shared, request, |c, q| c.parked(q)).await
            }),
        )
        .route("/v1/payload", post(payload));
    let router = command(router, "/v1/show", |c, q| c.show(q));
    let router = command(router, "/v1/audit", |c, q| c.audit(q));
    let router = command(router, "/v1/explain", |c, q| c.explain(q));
    let router = command(router, "/v1/probe", |c, q| c.probe(q));
    let router = command(router, "/v1/dry-run", |c, q| c.dry_run(q));
    let router = command(router, "/v1/replay", |c, q| c.replay(q));
    let router = command(router, "/v1/resend", |c, q| c.resend(q));
    let router = command(router, "/v1/rerun", |c, q| c.rerun(q));
    let router = command(router, "/v1/discard", |c, q| c.discard(q));
    let router = command(router, "/v1/release", |c, q| c.release(q));
    let router = command(router, "/v1/pause", |c, q| c.pause(q));
    let router = command(router, "/v1/resume", |c, q| c.resume(q));
    let router = command(router, "/v1/reload", |c, q| c.reload(q));
    router.with_state(shared)
}

fn command<Q, A>(router: Router<Shared>, path: &str, act: Act<Q, A>) -> Router<Shared>
where
    Q: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
{
    router.route(
        path,
        post(async move |State(shared): State<Shared>, request: Request| {
            match carry_out(&shared, request, act).await {
                Ok(answer) => json(&answer),
                Err(error) => refusal(&error),
            }
        }),
    )
}

async fn carry_out<Q: DeserializeOwned, A>(shared: &Shared, request: Request, act: Act<Q, A>) -> CommandResult<A> {
    let _slot = shared.slots.try_acquire().map_err(|_| busy())?;
    let request = read(request).await?;
    act(&*shared.commands, request).await
}

async fn without<A: Serialize>(
    shared: &Shared,
    act: for<'a> fn(&'a dyn Commands) -> BoxFuture<'a, CommandResult<A>>,
) -> Response {
    let Ok(_slot) = shared.slots.try_acquire() else { return refusal(&busy()) };
    match act(&*shared.commands).await {
        Ok(answer) => json(&answer),
        Err(error) => refusal(&error),
    }
}

/// A page as one JSON object a line; where there is more, the last line holds nothing but `next`.
async fn page<Q: DeserializeOwned, R: Serialize>(shared: &Shared, request: Request, act: Act<Q, Page<R>>) -> Response {
    let page = match carry_out(shared, request, act).await {
        Ok(page) => page,
        Err(error) => return refusal(&error),
    };
    let mut lines = Vec::new();
    for row in &page.rows {
        if let Err(error) = serde_json::to_writer(&mut lines, row) {
            return refusal(&CommandError::failed(error));
        }
        lines.push(b'\n');
    }
    if let Some(next) = page.next {
        lines.extend_from_slice(format!("{}\n", serde_json::json!({ "next": next })).as_bytes());
    }
    ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
}

async fn payload(State(shared): State<Shared>, request: Request) -> Response {
    match carry_out(&shared, request, |commands, which| commands.payload(which)).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from(bytes)).into_response(),
        Err(error) => refusal(&error),
    }
}

async fn read<Q: DeserializeOwned>(request: Request) -> CommandResult<Q> {
    let bytes = to_bytes(request.into_body(), REQUEST_BYTES_MAX).await.map_err(|_| {
        CommandError::invalid(format!("the request is cut short or larger than {REQUEST_BYTES_MAX} bytes"))
    })?;
    serde_json::from_slice(&bytes).map_err(|error| CommandError::invalid(format!("cannot read the request: {error}")))
}

fn json<A: Serialize>(answer: &A) -> Response {
    match serde_json::to_vec(answer) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => refusal(&CommandError::failed(error)),
    }
}

fn busy() -> CommandError {
    CommandError::unavailable(format!("{COMMANDS_AT_ONCE} commands are being carried out: try again"))
}

fn refusal(error: &CommandError) -> Response {
    let status = match error.kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let text = serde_json::to_vec(error).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}
