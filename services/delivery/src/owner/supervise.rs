//! Keeps a destination's owner running: a run that ended for a passing reason is begun again from its commit.

use std::time::Duration;

use barid_log::LogError;
use tokio::sync::{mpsc, watch};

use super::command::Command;
use super::{Options, Owner, OwnerError};

/// Wait before an owner is started again.
const RESTART_AFTER: Duration = Duration::from_millis(250);

/// Runs the owner of a destination until `stop`.
///
/// # Errors
/// [`OwnerError`] where starting again cannot help: the log has failed, another process owns the destination, or its
/// state cannot be read.
pub async fn supervise(
    options: Options,
    mut commands: mpsc::Receiver<Command>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), OwnerError> {
    loop {
        let error = match Owner::open(options.clone()).await {
            Ok(owner) => match owner.run(&mut commands, stop.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
            Err(error) => error,
        };
        let passing = matches!(
            error,
            OwnerError::Log(LogError::NoSpace(_) | LogError::Unknown(_) | LogError::Unsettled(_) | LogError::Busy(_))
        );
        if !passing {
            return Err(error);
        }
        tracing::warn!(destination = %options.destination, %error, "delivery starts again from its commit");
        tokio::select! {
            () = tokio::time::sleep(RESTART_AFTER) => {}
            _ = stop.changed() => return Ok(()),
        }
    }
}
