//! The engine: every stage of Barid in one process, over the log in its data directory.
//!
//! The order of the start is the order of trust: the log is opened and recovered first, then the configuration, then
//! routers and destinations take over what is there, and only then do listeners open. It ends the other way round:
//! listeners finish and close, what is in flight ends, commits are written, and the log closes last. What is wired here
//! is decided elsewhere; each file is one seam.

mod commands;
mod configuration;
mod metrics;
mod offline;
mod parts;
mod senders;
mod storage;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use barid_runtime::control::{CommandResult, Commands};
use barid_runtime::{Exit, Failure, Kind, Process, admin, control};

use parts::Parts;

/// How the engine runs.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The directory of its documents.
    pub directory: PathBuf,
    /// Its data directory; made where it is missing.
    pub data: PathBuf,
    /// Where the admin endpoint listens.
    pub admin: SocketAddr,
    /// How long a drain may take.
    pub grace: Duration,
}

/// Runs the engine until it is told to stop.
///
/// # Errors
/// [`Failure`] where it cannot start.
pub async fn run(options: RunOptions) -> Result<Exit, Failure> {
    let process = Process::new(options.grace);
    // Before the endpoint answers: an engine that has not begun to start is not ready either.
    process.readiness.part("engine").not_ready("starting");
    let mut registry = admin::registry();
    let endpoint = admin::bind(options.admin).await.map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
    let parts = Parts::open(&options, &process, &mut registry).await?;
    let control = control::bind(&options.data).map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
    let address = endpoint.address();
    let serve = endpoint.serve(process.readiness.clone(), Arc::new(registry), process.drain());
    process.tasks.spawn(Kind::Background, "admin endpoint", serve);
    let commands: Arc<dyn Commands> = parts.commands(address);
    process.tasks.spawn(Kind::Background, "control socket", control.serve(commands, process.drain()));
    parts.start(&process).await?;
    tracing::info!(admin = %address, data = %options.data.display(), "running");
    Ok(process.run().await)
}

/// Opens a data directory on which no engine runs, for commands that only read. The ledger reads first what it had not
/// read when the engine ended. No engine can start on the directory while this is held.
///
/// # Errors
/// Where there is no data directory or it cannot be read.
pub async fn open_offline(data: &Path) -> CommandResult<Arc<dyn Commands>> {
    offline::open(data).await
}
