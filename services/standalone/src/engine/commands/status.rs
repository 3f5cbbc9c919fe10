//! How an engine is: what comes in and from whom, what waits and since when, what expires, how much room there is.
//!
//! Everything here is read from what the parts show of themselves, and what waits for a person from the ledger; nothing
//! waits for a part that is busy.

mod certificates;
mod destinations;
mod senders;
mod storage;

use std::sync::atomic::Ordering;

use barid_config::document::ChannelState;
use barid_ledger::Waiting;
use barid_log::{LogError, Position, ReadLimit};
use barid_model::Timestamp;
use barid_model::record::{InRecord, Intake, Record as _};
use barid_pipeline::subject;
use barid_runtime::control::CommandResult;
use barid_runtime::control::protocol::{
    ChannelStatus, EngineState, ListenerStatus, PauseStatus, RouterStatus, SnapshotStatus, Status,
};

use super::history::History;
use super::{Engine, log_failed};
use crate::view;
use barid_custody::{Pause, What};

/// The version that runs.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The status of a running engine.
pub(super) async fn status(engine: &Engine) -> CommandResult<Status> {
    let (parts, now) = (&engine.parts, engine.parts.clock.now());
    let snapshot = parts.channels.snapshot();
    let listeners = parts.listeners.status().await;
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
        listeners: listeners.into_iter().map(listener).collect(),
        senders: senders::all(engine, &snapshot, now).await?,
        channels: channels(engine),
        router: set_aside(router(engine).await.map_err(log_failed)?, &waiting),
        destinations: destinations::all(engine, now).await.map_err(log_failed)?,
        storage: storage::status(&engine.history).await?,
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
        destinations: destinations::stopped(history, &waiting).await.map_err(log_failed)?,
        certificates: Vec::new(),
        storage: storage::status(history).await?,
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

fn listener(status: barid_ingress::ListenerStatus) -> ListenerStatus {
    ListenerStatus {
        name: status.listener,
        kind: format!("{}{}", status.transport, if status.tls { "s" } else { "" }),
        address: status.address.map(|address| address.to_string()),
        connections: status.connections as u64,
        connections_max: status.connections_max as u64,
        accepted: status.accepted,
        refused: status.refused,
        error: status.fault.map(|fault| format!("{}: {}", fault.text, fault.remedy)),
    }
}

fn pause(pause: Pause) -> PauseStatus {
    PauseStatus { actor: pause.actor, reason: pause.reason, at: pause.at }
}

fn channels(engine: &Engine) -> Vec<ChannelStatus> {
    let status = |channel: &std::sync::Arc<barid_config::Channel>| {
        let paused = engine.parts.pauses.get(What::Channel, &channel.name);
        let state = match (&paused, channel.settings.state) {
            (Some(pause), _) if pause.closed => "closed",
            (_, ChannelState::Closed) => "closed",
            (Some(_), _) | (None, ChannelState::Paused) => "paused",
            (None, ChannelState::Running) => "running",
        };
        ChannelStatus {
            name: channel.name.clone(),
            revision: channel.revision,
            state: state.to_owned(),
            pause: paused.map(pause),
            accepted: engine.parts.traffic.channel(&channel.name),
            handed_on: engine.parts.metrics.handed_on(&channel.name),
        }
    };
    engine.parts.channels.snapshot().channels.values().map(status).collect()
}

/// What is accepted and not yet routed.
async fn router(engine: &Engine) -> Result<RouterStatus, LogError> {
    let log = &engine.parts.storage.log;
    let (mut waiting, mut oldest): (u64, Option<Timestamp>) = (0, None);
    for (partition, handle) in engine.parts.metrics.handles() {
        let both = [(Intake::Received, &handle.done), (Intake::Chained, &handle.done_chained)];
        for (intake, done) in both {
            let subject = subject::intake(partition, intake)?;
            let done = Position(done.load(std::sync::atomic::Ordering::Relaxed));
            let last = *log.changed(&subject).borrow();
            if last <= done {
                continue;
            }
            waiting += last.0 - done.0;
            let batch = log.read(&subject, done.next(), ReadLimit { records: 1, bytes: 1 }).await?;
            let record = batch.entries.into_iter().next().and_then(|entry| InRecord::decode(entry.record).ok());
            let received = record.map(|record| record.envelope.received);
            oldest = [oldest, received].into_iter().flatten().min();
        }
    }
    Ok(RouterStatus { waiting, oldest, ..RouterStatus::default() })
}

/// With what is set aside and stands at no destination: by the ledger, whose definition all lists and sums share.
fn set_aside(router: RouterStatus, waiting: &Waiting) -> RouterStatus {
    RouterStatus { quarantined: waiting.messages, not_handed_on: waiting.at(None).quarantined, ..router }
}
