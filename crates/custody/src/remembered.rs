//! The settings of every destination that messages may lead to, remembered in the log beside the revisions: a destination
//! that is no longer declared goes on with what it has until that is delivered or given up, also after a restart.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use barid_config::{Channel, DestinationSpec, Snapshot};
use barid_log::{Key, Log, LogError, Revision};
use barid_model::{Name, Timestamp};
use barid_pipeline::subject;
use barid_transform::RouteTarget;
use bytes::Bytes;

use crate::retired::{remove, retire};

/// The settings of all remembered destinations stand under keys that begin so.
const PREFIX: &str = "destination.";
/// How long after nothing needs one any more it is forgotten: far longer than a change of documents takes to arrive everywhere.
const MARGIN: Duration = Duration::from_secs(3_600);

/// Which keys a snapshot needs: of its revisions and destinations.
pub fn needed(snapshot: &Snapshot) -> impl Fn(&Key) -> bool {
    let revisions = snapshot.channels.values().filter_map(|channel| subject::revision(channel.revision).ok());
    let destinations = snapshot.destinations.keys().filter_map(|name| subject::destination(name).ok());
    let keys: HashSet<Key> = revisions.chain(destinations).collect();
    move |key| keys.contains(key)
}

/// Remembers the destinations of a snapshot as they are now; durable when this ends.
///
/// # Errors
/// As the log.
pub async fn remember(log: &Arc<dyn Log>, snapshot: &Snapshot) -> Result<(), LogError> {
    for name in snapshot.destinations.keys() {
        // Where its document is not there, a channel's last good version leads to what is remembered already.
        let Some(settings) = snapshot.alone(name) else { continue };
        let key = subject::destination(name)?;
        let (revision, known) = log.get(&key).await?.unwrap_or((Revision::NONE, Bytes::new()));
        if known != settings {
            match log.put(&key, revision, settings).await {
                // Another process runs the same snapshot, or one near it, and all come to the newest.
                Ok(_) | Err(LogError::WrongRevision { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// The destinations that are remembered and not declared.
///
/// # Errors
/// As the log.
pub async fn undeclared(
    log: &Arc<dyn Log>,
    snapshot: &Snapshot,
) -> Result<BTreeMap<Name, Arc<DestinationSpec>>, LogError> {
    let mut all = BTreeMap::new();
    for key in log.keys(PREFIX).await? {
        let Some(name) = name_of(&key).filter(|name| !snapshot.destinations.contains_key(name)) else { continue };
        let Some((_, settings)) = log.get(&key).await? else { continue };
        match Snapshot::restore(&settings).map(|kept| kept.destinations.get(&name).cloned()) {
            Ok(Some(spec)) => drop(all.insert(name, spec)),
            Ok(None) => {
                tracing::error!(destination = %name, "its last settings cannot be used any more: declare it again")
            }
            Err(error) => {
                tracing::error!(destination = %name, %error, "its last settings are not used: declare it again")
            }
        }
    }
    Ok(all)
}

/// Forgets destinations that are not declared, that nothing waits for, and that no stored revision leads to, an hour after
/// that was first seen.
///
/// # Errors
/// As the log.
pub async fn forget(
    log: &Arc<dyn Log>,
    snapshot: &Snapshot,
    busy: &BTreeSet<Name>,
    revisions: &[Arc<Channel>],
    now: Timestamp,
) -> Result<(), LogError> {
    let leads = |name: &Name| {
        let routes = revisions.iter().flat_map(|channel| &channel.settings.routes);
        routes.map(|route| &route.to).any(|to| matches!(to, RouteTarget::Destination(to) if to == name))
    };
    for key in log.keys(PREFIX).await? {
        let Some(name) = name_of(&key) else { continue };
        if snapshot.destinations.contains_key(&name) || busy.contains(&name) || leads(&name) {
            continue;
        }
        let Some((since, version)) = retire(log, &key, now).await? else { continue };
        if since.plus(MARGIN) < now && remove(log, &key, version).await? {
            tracing::info!(destination = %name, "what was remembered of a removed destination is forgotten");
        }
    }
    Ok(())
}

fn name_of(key: &Key) -> Option<Name> {
    let (namespace, name) = key.as_str().strip_prefix(PREFIX)?.split_once('.')?;
    Some(Name::new(namespace, name))
}
