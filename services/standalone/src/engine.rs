//! The engine's place: what the command line asks of it, before its parts are wired.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use barid_runtime::control::{CommandError, CommandResult, Commands};
use barid_runtime::{Exit, Failure};

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
    Err(Failure::new(Exit::Failure, format!("cannot run {} yet", options.directory.display())))
}

/// Opens a data directory on which no engine runs, for commands that only read.
///
/// # Errors
/// Where there is no data directory or it cannot be read.
pub async fn open_offline(data: &Path) -> CommandResult<Arc<dyn Commands>> {
    Err(CommandError::unavailable(format!("no engine runs on {}: start it with `barid run`", data.display())))
}
