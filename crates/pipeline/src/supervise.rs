//! Keeps a partition's router running: a run that ended for a passing reason is begun again from its commit.

use std::sync::Arc;
use std::time::Duration;

use barid_log::{LogError, Purpose};
use tokio::sync::watch;

use crate::outputs::OutputError;
use crate::router::{Handle, Options, Router, RouterError};

/// Wait before a router is started again; short, since its messages wait meanwhile.
const RESTART_AFTER: Duration = Duration::from_millis(250);

/// Runs the router of a partition until `stop`.
///
/// # Errors
/// [`RouterError`] where starting again cannot help: the log has failed, or another process owns the partition.
pub async fn supervise(
    options: Options,
    handle: Arc<Handle>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), RouterError> {
    loop {
        let error = match Router::open(options.clone(), Arc::clone(&handle)).await {
            Ok(router) => match router.run(stop.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
            Err(error) => error,
        };
        let partition = options.partition;
        match cause(&error) {
            Some(LogError::NoSpace(_)) => {
                tracing::warn!(%partition, "routing waits for disk space");
                wait_for_space(&options, &mut stop).await;
            }
            Some(LogError::Unknown(_) | LogError::Unsettled(_) | LogError::Busy(_)) => {
                tracing::warn!(%partition, %error, "router starts again from its commit");
                tokio::select! {
                    () = tokio::time::sleep(RESTART_AFTER) => {}
                    _ = stop.changed() => {}
                }
            }
            _ => return Err(error),
        }
        if *stop.borrow() {
            return Ok(());
        }
    }
}

const fn cause(error: &RouterError) -> Option<&LogError> {
    match error {
        RouterError::Log(error) | RouterError::Output(OutputError::Log(error)) => Some(error),
        RouterError::Output(OutputError::Last { .. }) => None,
    }
}

async fn wait_for_space(options: &Options, stop: &mut watch::Receiver<bool>) {
    let mut space = options.log.space();
    while !space.borrow_and_update().allows(Purpose::Routing) {
        tokio::select! {
            changed = space.changed() => if changed.is_err() { return },
            _ = stop.changed() => return,
        }
    }
    // A group that failed before the level moved: not again at once.
    tokio::time::sleep(RESTART_AFTER).await;
}
