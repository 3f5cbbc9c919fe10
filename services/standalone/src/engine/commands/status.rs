//! How an engine is: what comes in and from whom, what waits and since when, what expires, how much room there is.
//!
//! Everything here is read from what the parts show of themselves, and what waits for a person from the ledger; nothing
//! waits for a part that is busy.

mod certificates;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use barid_delivery::report;
use barid_ledger_service::commands::status::{channels, destinations, senders, set_aside, storage};
use barid_runtime::control::CommandResult;
use barid_runtime::control::protocol::{EngineState, RouterStatus, SnapshotStatus, Status};

use super::history::History;
use super::{Engine, log_failed};
use crate::view;

/// The version that runs.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The status of a running engine.
pub(super) async fn status(engine: &Engine) -> CommandResult<Status> {
    let (parts, now) = (&engine.parts, engine.parts.clock.now());
    let snapshot = parts.channels.snapshot();
    let sent = barid_ingress::report::senders(&parts.listeners, &parts.traffic);
    let log = &parts.storage.log;
    let router = barid_router::report::waiting(log, &parts.metrics.handles()).await.map_err(log_failed)?;
    let delivery = report::destinations(log, parts.storage.partitions, &parts.pauses, &parts.destinations, now);
    let waiting = engine.history.ask(|ledger| ledger.waiting()).await?;
    Ok(Status {
        version: VERSION.to_owned(),
        pid: Some(std::process::id()),
        state: state(engine),
        started: Some(engine.started),
        now,
        admin: Some(engine.admin.to_string()),
        not_ready: parts.process.readiness.missing(),
        snapshot: SnapshotStatus {
            number: snapshot.number,
            loaded: parts.configuration.loaded(),
            directory: Some(parts.configuration.directory().to_owned()),
            problems: parts.configuration.problems().iter().map(view::problem).collect(),
        },
        certificates: certificates::all(engine, &snapshot).await,
        listeners: barid_ingress::report::listeners(&parts.listeners).await,
        senders: senders::all(&engine.history, &snapshot, sent, engine.started, now).await?,
        channels: channels(&snapshot, &parts.pauses, |name| {
            (parts.traffic.channel(name), parts.metrics.handed_on(name))
        }),
        router: set_aside(router, &waiting),
        destinations: delivery.await.map_err(log_failed)?,
        storage: storage::status(&engine.history).await?,
        replicas: Vec::new(),
        live: Some(parts.live.status(snapshot.channels.keys(), snapshot.facilities.keys()).await),
    })
}

/// The status of a data directory on which no engine runs.
pub(in crate::engine) async fn offline(history: &History) -> CommandResult<Status> {
    let snapshot = history.channels.snapshot();
    let waiting = history.ask(|ledger| ledger.waiting()).await?;
    Ok(Status {
        version: VERSION.to_owned(),
        pid: None,
        state: EngineState::Stopped,
        started: None,
        now: history.clock.now(),
        admin: None,
        not_ready: Vec::new(),
        snapshot: SnapshotStatus { number: snapshot.number, ..SnapshotStatus::default() },
        listeners: Vec::new(),
        senders: senders::stopped(history).await?,
        channels: Vec::new(),
        router: set_aside(RouterStatus::default(), &waiting),
        destinations: destinations::stopped(history, &waiting, &BTreeSet::new()).await.map_err(log_failed)?,
        certificates: Vec::new(),
        storage: storage::status(history).await?,
        replicas: Vec::new(),
        live: None,
    })
}

fn state(engine: &Engine) -> EngineState {
    if engine.parts.draining.load(Ordering::SeqCst) || engine.parts.process.drain().has_started() {
        EngineState::Draining
    } else if engine.parts.process.readiness.missing().is_empty() {
        EngineState::Running
    } else {
        EngineState::Starting
    }
}
