//! Destinations that nobody delivers to now: what stands in the log behind their commits, and what the history says of them.

use std::collections::BTreeSet;

use barid_custody::kind;
use barid_ledger::Waiting;
use barid_log::LogError;
use barid_model::{Name, Partitions};
use barid_pipeline::commit::DeliveryCommit;
use barid_pipeline::subject;
use barid_runtime::control::protocol::{DestinationState, DestinationStatus};

use crate::commands::history::History;

/// All but these, which somebody has told of. One that is no longer declared until it is empty.
///
/// # Errors
/// As the log.
pub async fn stopped(
    history: &History,
    known: &Waiting,
    told: &BTreeSet<Name>,
) -> Result<Vec<DestinationStatus>, LogError> {
    let mut all = Vec::new();
    let partitions = Partitions::new(u16::try_from(history.log.identity().partitions).unwrap_or(1));
    let snapshot = history.channels.snapshot();
    let undeclared = history.channels.undeclared().await?;
    let specs = snapshot.destinations.values().chain(undeclared.values());
    for spec in specs.filter(|spec| !told.contains(&spec.name)) {
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
