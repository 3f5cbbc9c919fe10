//! The data directory: the log, the ledger beside it, and what a start found there.

use std::path::Path;
use std::sync::Arc;

use barid_ledger::{Bound, Ledger, SqliteLedger};
use barid_log::disk::{DiskLog, Observer, OpenError, Options};
use barid_log::{Log, SpaceLevel};
use barid_model::{LaneHasher, Partitions};
use barid_runtime::{Exit, Failure};

/// The log and what follows from it.
#[derive(Clone)]
pub(super) struct Storage {
    pub(super) log: Arc<dyn Log>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) hasher: LaneHasher,
    pub(super) partitions: Partitions,
}

/// Who nobody tells of group commits.
pub(super) fn unobserved() -> Observer {
    Observer(Arc::new(|_| {}))
}

/// Opens the log and the ledger; reports what recovery found.
///
/// # Errors
/// [`Failure`] with what to do.
pub(super) fn open(data: &Path, observer: Observer) -> Result<Storage, Failure> {
    let failed = |text: String| Failure::new(Exit::Storage, text);
    std::fs::create_dir_all(data).map_err(|error| failed(format!("cannot make {}: {error}", data.display())))?;
    let partitions = Partitions::STANDALONE;
    let options = Options { observer: Some(observer), ..Options::new(u32::from(partitions.count()), Partitions::HASH) };
    let (log, recovery) = DiskLog::open(&data.join("log"), options).map_err(|error| failed(explain(&error)))?;
    if recovery.torn_bytes > 0 {
        tracing::info!(
            bytes = recovery.torn_bytes,
            "cut off a write that was not finished; nobody was acknowledged for it"
        );
    }
    for place in &recovery.damaged_places {
        tracing::error!(%place, "stored records are damaged here; what they held is not delivered");
    }
    for (subject, lost) in &recovery.lost {
        tracing::error!(%subject, from = %lost.from, to = %lost.to, "records are lost by damage");
    }
    let identity = log.identity().clone();
    let ledger = SqliteLedger::open(&data.join("ledger.sqlite")).map_err(|error| failed(error.to_string()))?;
    match ledger.bind(identity.incarnation).map_err(|error| failed(error.to_string()))? {
        Bound::Same | Bound::New => {}
        Bound::Reset => tracing::warn!("the ledger belonged to another log: it is rebuilt from this one"),
    }
    let hasher = LaneHasher::new(identity.lane_key);
    Ok(Storage { log: Arc::new(log), ledger: Arc::new(ledger), hasher, partitions })
}

fn explain(error: &OpenError) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The word of a space level in status and metrics.
pub(super) const fn level_word(level: SpaceLevel) -> &'static str {
    match level {
        SpaceLevel::Free => "free",
        SpaceLevel::NoIntake => "noIntake",
        SpaceLevel::NoRouting => "noRouting",
        SpaceLevel::Exhausted => "exhausted",
    }
}
