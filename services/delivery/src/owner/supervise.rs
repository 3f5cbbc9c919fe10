//! Keeps a destination's owner running: a run that ended for a passing reason is begun again from its commit.

use std::time::Duration;

use barid_log::{Log, LogError, Purpose};
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
        if matches!(error, OwnerError::Log(LogError::NoSpace(_))) {
            wait_for_space(&*options.log, &mut stop).await;
        }
        tokio::select! {
            () = tokio::time::sleep(RESTART_AFTER) => {}
            _ = stop.changed() => return Ok(()),
        }
        if *stop.borrow() {
            return Ok(());
        }
    }
}

/// Waits until outcomes can be written again, or until `stop`: nothing may be sent before.
async fn wait_for_space(log: &dyn Log, stop: &mut watch::Receiver<bool>) {
    let mut space = log.space();
    while !*stop.borrow() && !space.borrow_and_update().allows(Purpose::Delivery) {
        tokio::select! {
            changed = space.changed() => if changed.is_err() { return },
            _ = stop.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use barid_log::SpaceLevel;
    use barid_log::memory::MemoryLog;

    use super::*;

    #[tokio::test]
    async fn without_any_space_delivery_waits_for_some_or_for_the_end() {
        let log = Arc::new(MemoryLog::new(16));
        let (stop, mut stopped) = watch::channel(false);
        log.set_space(SpaceLevel::Exhausted);
        let (moment, patience) = (Duration::from_millis(50), Duration::from_secs(30));
        assert!(tokio::time::timeout(moment, wait_for_space(&*log, &mut stopped)).await.is_err());
        log.set_space(SpaceLevel::NoRouting);
        assert!(tokio::time::timeout(patience, wait_for_space(&*log, &mut stopped)).await.is_ok());
        log.set_space(SpaceLevel::Exhausted);
        stop.send_replace(true);
        assert!(tokio::time::timeout(patience, wait_for_space(&*log, &mut stopped)).await.is_ok());
    }
}
