//! Where messages go: what each destination does now, what waits for it and since when.

use std::sync::atomic::Ordering;

use barid_config::DestinationSpec;
use barid_config::settings::Connect;
use barid_delivery::owner::status::View;
use barid_ledger::Waiting;
use barid_log::LogError;
use barid_model::{Name, Partitions, Timestamp};
use barid_pipeline::commit::DeliveryCommit;
use barid_pipeline::subject;
use barid_runtime::control::protocol::{DestinationState, DestinationStatus};

use crate::engine::commands::Engine;
use crate::engine::commands::history::History;
use barid_custody::What;
use barid_delivery::backlog::waiting;
use barid_delivery::destinations::Running;

/// All destinations that run; one that is no longer declared until it is empty.
pub(super) async fn all(engine: &Engine, now: Timestamp) -> Result<Vec<DestinationStatus>, LogError> {
    let mut all = Vec::new();
    for (name, running) in engine.parts.destinations.all() {
        let view = running.shared.view();
        let storage = &engine.parts.storage;
        let deliveries = waiting(&storage.log, &name, &view, storage.partitions).await?;
        let depth = deliveries.saturating_sub(view.parked);
        if running.declared || deliveries > 0 || view.quarantined > 0 {
            all.push(one(engine, name, &running, view, depth, now));
        }
    }
    Ok(all)
}

fn one(engine: &Engine, name: Name, running: &Running, view: View, depth: u64, now: Timestamp) -> DestinationStatus {
    let last = running.shared.last.load(Ordering::Relaxed);
    let connector = running.connector.status();
    // What nothing waits for is not tried: what went wrong before says nothing of now.
    let waits = depth > 0 || view.parked > 0;
    DestinationStatus {
        kind: kind(&running.spec),
        state: state(running, &view, waits, depth),
        pause: engine.parts.pauses.get(What::Destination, &name).map(super::pause),
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

fn kind(spec: &DestinationSpec) -> String {
    let word = spec.connect.word();
    let secure = match &spec.connect {
        Connect::Http(http) => http.url.starts_with("https:"),
        Connect::Mllp(_) => spec.tls.is_some(),
        Connect::File(_) => false,
    };
    if secure { format!("{word}s") } else { word.to_owned() }
}

/// Destinations while no engine runs: what stands in the log behind their commits.
pub(super) async fn stopped(history: &History, known: &Waiting) -> Result<Vec<DestinationStatus>, LogError> {
    let mut all = Vec::new();
    let partitions = Partitions::new(u16::try_from(history.log.identity().partitions).unwrap_or(1));
    let snapshot = history.channels.snapshot();
    let undeclared = history.channels.undeclared().await?;
    for spec in snapshot.destinations.values().chain(undeclared.values()) {
        let commit = DeliveryCommit::read(&history.log, &spec.name).await?;
        let mut depth = 0;
        for partition in partitions.all() {
            let last = *history.log.changed(&subject::out(&spec.name, partition)?).borrow();
            depth += last.0.saturating_sub(commit.position(partition));
        }
        let at = known.at(Some(&spec.name));
        if depth + at.parked + at.quarantined == 0 && undeclared.contains_key(&spec.name) {
            continue;
        }
        all.push(DestinationStatus {
            name: spec.name.clone(),
            kind: kind(spec),
            state: DestinationState::Stopped,
            pause: None,
            connections: 0,
            endpoint: None,
            waiting: depth,
            oldest: None,
            parked: at.parked,
            held_lanes: at.held,
            quarantined: at.quarantined,
            delivered: 0,
            last: None,
            error: None,
            retry: None,
        });
    }
    Ok(all)
}
