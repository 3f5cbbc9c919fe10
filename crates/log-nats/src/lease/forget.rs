//! Claims on what is no longer there: removed, so that their keys do not stay for ever.

use std::sync::Arc;

use barid_log::{Key, Log, LogError};

use super::Written;

/// Removes the claims of a role on items that are `gone`, but for those of a process that has a lease: it may still run them. How many.
///
/// # Errors
/// As the log.
pub async fn forget_claims(log: &Arc<dyn Log>, role: &str, gone: impl Fn(&str) -> bool) -> Result<usize, LogError> {
    let prefix = format!("claim.{role}.");
    let mut forgotten = 0;
    for key in log.keys(&prefix).await? {
        if !key.as_str().strip_prefix(&prefix).is_some_and(&gone) {
            continue;
        }
        let Some((revision, value)) = log.get(&key).await? else { continue };
        let Ok(written) = serde_json::from_slice::<Written>(&value) else { continue };
        let lease = Key::new(format!("lease.{role}.{}", written.member));
        let lives = match lease {
            Ok(lease) => log.get(&lease).await?.is_some(),
            // Given back: nobody's name.
            Err(_) => false,
        };
        if lives {
            continue;
        }
        match log.delete(&key, revision).await {
            Ok(()) => forgotten += 1,
            // Claimed meanwhile.
            Err(LogError::WrongRevision { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(forgotten)
}
