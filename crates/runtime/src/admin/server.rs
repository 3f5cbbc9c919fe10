//! The admin endpoint's HTTP server.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::admin::readiness::Readiness;
use crate::shutdown::Drain;
use crate::{openmetrics, otlp};

/// Where it listens where nothing says otherwise: this machine only.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:9610";

/// The media type of the answer to `/metrics` with exemplars, for who asks for it.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The media type of the answer to `/metrics` for all others.
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The admin endpoint cannot be opened or failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address} for the admin endpoint: {source}; choose another with --admin")]
    Bind {
        /// As given.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The server failed.
    #[error("the admin endpoint failed: {0}")]
    Serve(#[from] std::io::Error),
}

#[derive(Clone)]
struct Shared {
    readiness: Readiness,
    registry: Arc<Registry>,
}

/// An open admin endpoint, not yet answering.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// Opens the endpoint, so that a taken port is known before anything else starts.
///
/// # Errors
/// [`AdminError::Bind`].
pub async fn bind(address: SocketAddr) -> Result<Bound, AdminError> {
    let listener = TcpListener::bind(address).await.map_err(|source| AdminError::Bind { address, source })?;
    let address = listener.local_addr()?;
    Ok(Bound { listener, address })
}

impl Bound {
    /// Where it listens; the port that was found where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the drain's deadline, since during a drain `/readyz` matters most: a task of kind `Background`, which nobody waits for.
    ///
    /// # Errors
    /// [`AdminError::Serve`].
    pub async fn serve(
        self,
        readiness: Readiness,
        registry: Arc<Registry>,
        mut drain: Drain,
    ) -> Result<(), AdminError> {
        otlp::observe(&registry);
        let router = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(Shared { readiness, registry });
        let over = async move {
            let deadline = drain.started().await;
            tokio::time::sleep_until(deadline).await;
        };
        axum::serve(self.listener, router).with_graceful_shutdown(over).await.map_err(AdminError::Serve)
    }
}

async fn ready(State(shared): State<Shared>) -> Response {
    let missing = shared.readiness.missing();
    if missing.is_empty() {
        return "ready\n".into_response();
    }
    let text: String = missing.iter().map(|part| format!("{}: {}\n", part.part, part.why)).collect();
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn metrics(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let is_open = accept.into_iter().any(|accept| accept.contains("application/openmetrics-text"));
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &shared.registry) {
        Ok(()) if is_open => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Ok(()) => ([(header::CONTENT_TYPE, PLAIN)], openmetrics::plain(&text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot write metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
