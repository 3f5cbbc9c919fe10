//! Where messages go: what each destination that runs here does now, what waits for it and since when, in the words of the
//! control protocol.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use barid_config::Snapshot;
use barid_config::settings::SecretFile;
use barid_custody::{Pause, Pauses, What, kind};
use barid_log::{Log, LogError};
use barid_model::{Name, Partitions, Timestamp};
use barid_runtime::control::protocol::{CertificateStatus, DestinationState, DestinationStatus, PauseStatus};

use crate::backlog::waiting;
use crate::connect::ReceiverCertificate;
use crate::connect::secret::SECRET_BYTES_MAX;
use crate::destinations::{Destinations, Running};
use crate::owner::status::View;

/// All destinations that run here; one that is no longer declared until it is empty.
///
/// # Errors
/// As the log.
pub async fn destinations(
    log: &Arc<dyn Log>,
    partitions: Partitions,
    pauses: &Pauses,
    destinations: &Destinations,
    now: Timestamp,
) -> Result<Vec<DestinationStatus>, LogError> {
    let mut all = Vec::new();
    for (name, running) in destinations.all() {
        let view = running.shared.view();
        let deliveries = waiting(log, &name, &view, partitions).await?;
        let depth = deliveries.saturating_sub(view.parked);
        if running.declared || deliveries > 0 || view.quarantined > 0 {
            let pause = pauses.get(What::Destination, &name).map(pause);
            all.push(one(name, &running, view, pause, depth, now));
        }
    }
    Ok(all)
}

/// The certificates that receivers have shown lately.
#[must_use]
pub fn certificates(destinations: &Destinations) -> Vec<CertificateStatus> {
    let all = destinations.all();
    let shown = all.iter().flat_map(|(name, running)| {
        let shown = running.connector.status().certificates;
        shown.into_iter().map(move |shown| receiver(name, shown))
    });
    shown.collect()
}

/// The certificates in the files that destinations name, below this folder.
#[must_use]
pub fn files(snapshot: &Snapshot, folder: &Path) -> Vec<CertificateStatus> {
    let read = |(owner, file): (String, &SecretFile)| {
        // One that cannot be read is told of by who uses it.
        let pem = barid_files::read(&file.path(folder), SECRET_BYTES_MAX);
        let all = pem.map(|pem| barid_pem::expires(&pem)).unwrap_or_default();
        all.into_iter().map(move |one| CertificateStatus {
            owner: owner.clone(),
            subject: one.subject,
            expires: Timestamp::from_millis(one.at.saturating_mul(1_000)),
        })
    };
    snapshot.destination_certificates().flat_map(read).collect()
}

/// A pause by command, as it is shown.
#[must_use]
pub fn pause(pause: Pause) -> PauseStatus {
    PauseStatus { actor: pause.actor, reason: pause.reason, at: pause.at }
}

fn receiver(name: &Name, shown: ReceiverCertificate) -> CertificateStatus {
    let owner = format!("receiver {} of destination {name}", shown.endpoint);
    let expires = Timestamp::from_millis(shown.expires.saturating_mul(1_000));
    CertificateStatus { owner, subject: shown.subject, expires }
}

fn one(
    name: Name,
    running: &Running,
    view: View,
    pause: Option<PauseStatus>,
    depth: u64,
    now: Timestamp,
) -> DestinationStatus {
    let last = running.shared.last.load(Ordering::Relaxed);
    let connector = running.connector.status();
    // What nothing waits for is not tried: what went wrong before says nothing of now.
    let waits = depth > 0 || view.parked > 0;
    DestinationStatus {
        kind: kind(&running.spec),
        state: state(running, &view, waits, depth),
        pause,
        connections: connector.open,
        endpoint: Some(connector.target).filter(|target| !target.is_empty()),
        waiting: depth,
        oldest: view.oldest,
        parked: view.parked,
        held_lanes: view.held.1 as u64,
        quarantined: view.quarantined,
        delivered: running.shared.delivered.load(Ordering::Relaxed),
        last: (last != 0).then(|| Timestamp::from_micros(last)),
        error: view.error.filter(|_| waits),
        retry: view.retry_in.filter(|_| waits).map(|wait| now.plus(wait)),
        name,
    }
}

const fn state(running: &Running, view: &View, waits: bool, depth: u64) -> DestinationState {
    if !running.declared {
        // Also where it is paused or cannot be reached: that stands beside it.
        DestinationState::Draining
    } else if view.paused {
        DestinationState::Paused
    } else if view.failures > 0 && waits {
        DestinationState::BackingOff
    } else if view.sending > 0 || depth > 0 {
        DestinationState::Sending
    } else {
        DestinationState::Idle
    }
}
