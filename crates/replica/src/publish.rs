//! The process that publishes a directory of documents (`barid serve-config`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barid_rpc::config::Publisher;
use barid_rpc::{Services, Tls, listen, serve};
use barid_runtime::{Exit, Failure, Kind, Process, SystemClock};

use crate::documents::Documents;

/// What is published, and where.
#[derive(Debug, Clone)]
pub struct PublishOptions {
    /// The documents.
    pub directory: PathBuf,
    /// Where what was published last is kept: its number is never given again.
    pub data: PathBuf,
    /// Where replicas ask.
    pub listen: SocketAddr,
    /// Mutual TLS.
    pub tls: Option<Arc<Tls>>,
    /// How long a drain may take.
    pub grace: Duration,
}

/// Publishes until it is told to stop.
///
/// # Errors
/// [`Failure`] where it cannot start.
pub async fn publish(options: PublishOptions) -> Result<Exit, Failure> {
    let process = Process::new(options.grace);
    let publisher = Publisher::new();
    let (directory, data, offered) = (options.directory, options.data, publisher.clone());
    let published =
        tokio::task::spawn_blocking(move || Documents::publish(&directory, data, offered, Arc::new(SystemClock)));
    let documents = published.await.map_err(|error| Failure::new(Exit::Failure, error.to_string()))??;
    let listener = listen(options.listen, options.tls).await;
    let listener = listener.map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
    let address = listener.address().unwrap_or(options.listen);
    let services = Services::new().config(&publisher);
    services.health().serving().await;
    let mut drain = process.drain();
    let calls = serve(listener, services, async move {
        drain.started().await;
    });
    // A stream that a replica holds open ends with the process, not with the drain: the replica runs on without it.
    process.tasks.spawn(Kind::Background, "configuration stream", calls);
    process.tasks.spawn(Kind::Background, "documents", documents.follow());
    tracing::info!(%address, "publishing");
    Ok(process.run().await)
}
