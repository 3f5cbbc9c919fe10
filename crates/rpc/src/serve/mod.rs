//! Stages and other services, served on one listener.
//!
//! A call is decoded on the threads that do I/O, then its items are computed on one of the threads for blocking work, as
//! many calls at once as there are processors. What exceeds [`crate::limits`] is refused at once, so that the caller can
//! ask another replica instead of waiting here.

mod stage;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use barid_model::Envelope;
use barid_model::Payload;
use barid_model::stage::Stage;
use barid_transform::{Applied, ApplyInput};
use barid_validate::{ParseInput, ParseTable, Verdict};
use bytes::Bytes;
use tokio::sync::Notify;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::config::Publisher;
use crate::contract::{ApplyContract, Exchange as _, ParseContract};
use crate::control::Commanded;
use crate::limits;
use crate::proto::parse::v1::parse_server::ParseServer;
use crate::proto::transform::v1::transform_server::TransformServer;
use crate::revisions::Revisions;
use crate::route::Routing;
use crate::transport::Listener;
use crate::transport::dial::FRAME_BYTES;
use stage::{Applying, Parsing};
pub(crate) use stage::{Computer, timeout_of};

/// HTTP/2 windows in bytes, a stream's and a connection's: a batch fits without a round trip.
const WINDOWS: (u32, u32) = (8 << 20, 32 << 20);
/// Streams of one connection: calls, health and configuration.
const STREAMS_MAX: u32 = 256;

/// How long nothing may be in hand before a drain is over: callers have heard of it, and answers have left.
const LULL: Duration = Duration::from_millis(100);

/// Serving failed.
#[derive(Debug, thiserror::Error)]
#[error("calls cannot be served any more: {0}")]
pub struct ServeError(#[from] tonic::transport::Error);

/// What a revision is to the apply stage: gives a message's input.
pub trait Applies: Send + Sync + 'static {
    /// The input of a message accepted under this revision.
    fn input(&self, envelope: Arc<Envelope>, raw: Payload, context: Bytes) -> ApplyInput;
}

/// The services of one listener.
pub struct Services {
    routes: RoutesBuilder,
    names: Vec<&'static str>,
    health: HealthReporter,
    computer: Computer,
}

impl Default for Services {
    fn default() -> Self {
        Self::new()
    }
}

impl Services {
    /// None yet, but for the health protocol.
    #[must_use]
    pub fn new() -> Self {
        let health = HealthReporter::new();
        let mut routes = Routes::builder();
        let service = tonic_health::server::HealthService::from_health_reporter(health.clone());
        routes.add_service(tonic_health::pb::health_server::HealthServer::new(service));
        Self { routes, names: Vec::new(), health, computer: Computer::new() }
    }

    /// Adds the parse stage, with the rule tables it is called under.
    #[must_use]
    pub fn parse<S>(mut self, stage: Arc<S>, tables: Arc<Revisions<ParseTable>>) -> Self
    where
        S: Stage<Input = ParseInput, Output = Verdict>,
    {
        let service = ParseServer::new(Parsing::new(stage, tables, self.computer.clone()))
            .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
            .max_encoding_message_size(limits::MESSAGE_BYTES_MAX);
        self.routes.add_service(service);
        self.names.push(ParseContract::SERVICE);
        self
    }

    /// Adds the apply stage, with the channels it is called for.
    #[must_use]
    pub fn apply<S, P>(mut self, stage: Arc<S>, programs: Arc<Revisions<P>>) -> Self
    where
        S: Stage<Input = ApplyInput, Output = Applied>,
        P: Applies,
    {
        let service = TransformServer::new(Applying::new(stage, programs, self.computer.clone()))
            .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
            .max_encoding_message_size(limits::MESSAGE_BYTES_MAX);
        self.routes.add_service(service);
        self.names.push(ApplyContract::SERVICE);
        self
    }

    /// Adds the configuration stream.
    #[must_use]
    pub fn config(mut self, publisher: &Publisher) -> Self {
        self.routes.add_service(publisher.service());
        self.names.push(crate::config::SERVICE);
        self
    }

    /// Adds what a router does for others.
    #[must_use]
    pub fn routing<R: Routing>(mut self, routing: Arc<R>) -> Self {
        self.routes.add_service(crate::route::Served::service(routing, self.computer.clone()));
        self.names.push(crate::route::SERVICE);
        self
    }

    /// Adds commands.
    #[must_use]
    pub fn control<C: Commanded>(mut self, commanded: Arc<C>) -> Self {
        self.routes.add_service(crate::control::Served::service(commanded, self.computer.clone()));
        self.names.push(crate::control::SERVICE);
        self
    }

    /// What tells callers whether these services take calls.
    #[must_use]
    pub fn health(&self) -> Health {
        Health { reporter: self.health.clone(), names: self.names.clone() }
    }
}

/// Whether a listener's services take calls, as the gRPC health protocol tells it.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    names: Vec<&'static str>,
}

impl Health {
    /// They do.
    pub async fn serving(&self) {
        self.all(ServingStatus::Serving).await;
    }

    /// They do not, or no longer: callers ask other replicas.
    pub async fn not_serving(&self) {
        self.all(ServingStatus::NotServing).await;
    }

    async fn all(&self, status: ServingStatus) {
        for name in self.names.iter().copied().chain([""]) {
            self.reporter.set_service_status(name, status).await;
        }
    }
}

/// Serves until `drain` ends, and then until the calls that were begun have been answered. Nothing is said to be serving
/// before [`Health::serving`]; when the drain begins, everything is said not to be. Streams that callers hold open (health,
/// snapshots) are no reason to stay.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(
    listener: Listener,
    services: Services,
    drain: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let (health, computer) = (services.health(), services.computer.clone());
    let drained = Arc::new(Notify::new());
    let began = Arc::clone(&drained);
    let draining = async move {
        drain.await;
        health.not_serving().await;
        began.notify_one();
    };
    let idle = async move {
        drained.notified().await;
        // Callers learn it, and answers leave, within a moment.
        tokio::time::sleep(LULL).await;
        while !computer.is_idle() {
            tokio::time::sleep(LULL).await;
        }
        tokio::time::sleep(LULL).await;
    };
    let serving = Server::builder()
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_frame_size(FRAME_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .concurrency_limit_per_connection(limits::CALLS_A_CONNECTION)
        .http2_keepalive_interval(Some(limits::KEEPALIVE.0))
        .http2_keepalive_timeout(Some(limits::KEEPALIVE.1))
        .add_routes(services.routes.routes())
        .serve_with_incoming_shutdown(listener.incoming(), draining);
    tokio::select! {
        ended = serving => ended?,
        () = idle => {}
    }
    Ok(())
}
