//! The data directory: the log, the ledger beside it, and what a start found there.

use std::path::Path;
use std::sync::Arc;

use barid_custody::Channels;
use barid_ledger::{Bound, Ledger, LedgerError, SqliteLedger};
use barid_ledger_service::commands::history::History;
use barid_log::disk::{DiskLog, Observer, OpenError, Options};
use barid_log::{Log, LogError, SpaceLevel};
use barid_model::{Clock, LaneHasher, Partitions};
use barid_runtime::admin::Part;
use barid_runtime::{Exit, Failure};

/// Keeps room for the ledger's next start.
const LEDGER_RESERVE: &str = "ledger.reserve";
/// Its bytes: the index of a write-ahead log of its usual size, and some.
const LEDGER_RESERVE_BYTES: u64 = 1 << 20;

/// The part of its volume that the ledger's journal may have, as a divisor, and its bounds: a long question beside a full
/// load makes the largest in some seconds, and less than the least would only be cut with each batch.
const JOURNAL_SHARE: u64 = 64;
const JOURNAL_BYTES: std::ops::RangeInclusive<u64> = 1 << 20..=256 << 20;
/// What is asked for before a start is tried again: the files of the log with their reserve, and of the ledger, with some room to
/// take messages. It starts with less, and takes none.
const FIRST_START_MIB: u64 = 64;

/// The log and what follows from it.
#[derive(Clone)]
pub(super) struct Storage {
    pub(super) log: Arc<dyn Log>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) hasher: LaneHasher,
    pub(super) partitions: Partitions,
}

impl Storage {
    /// What can be asked of it.
    pub(super) fn history(&self, channels: &Arc<Channels>, clock: &Arc<dyn Clock>, data: &Path) -> History {
        History {
            log: Arc::clone(&self.log),
            ledger: Arc::clone(&self.ledger),
            hasher: self.hasher,
            channels: Arc::clone(channels),
            clock: Arc::clone(clock),
            data: data.to_owned(),
        }
    }
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
    // Messages are patient data; a directory that is there has the mode its owner wanted.
    let made = std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700).create(data);
    made.map_err(|error| {
        if is_full(&error) { no_room(data) } else { failed(format!("cannot make {}: {error}", data.display())) }
    })?;
    let partitions = Partitions::STANDALONE;
    let options = Options {
        observer: Some(observer),
        waiters: tokio::runtime::Handle::try_current().ok(),
        ..Options::new(u32::from(partitions.count()), Partitions::HASH)
    };
    let (log, recovery) = DiskLog::open(&data.join("log"), options)
        .map_err(|error| if is_full(&error) { no_room(data) } else { failed(explain(&error)) })?;
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
    let full = |error: LedgerError| match error {
        LedgerError::Full { .. } => no_room(data),
        other => failed(other.to_string()),
    };
    let ledger = open_ledger(data).map_err(full)?;
    match ledger.bind(identity.incarnation).map_err(full)? {
        Bound::Same | Bound::New => {}
        Bound::Reset => tracing::warn!("the ledger belonged to another log: it is rebuilt from this one"),
    }
    let hasher = LaneHasher::new(identity.lane_key);
    Ok(Storage { log: Arc::new(log), ledger: Arc::new(ledger), hasher, partitions })
}

/// Opens the ledger. On a full volume it would lack room for the files of its write-ahead log, so some is kept for that
/// moment.
fn open_ledger(data: &Path) -> Result<SqliteLedger, LedgerError> {
    let reserve = data.join(LEDGER_RESERVE);
    // Where there is none, there was no room for it either.
    drop(std::fs::remove_file(&reserve));
    let volume = rustix::fs::statvfs(data).map_or(0, |volume| volume.f_blocks.saturating_mul(volume.f_frsize));
    let journal = (volume / JOURNAL_SHARE).clamp(*JOURNAL_BYTES.start(), *JOURNAL_BYTES.end());
    let ledger = SqliteLedger::open_within(&data.join("ledger.sqlite"), journal)?;
    let mut private = std::fs::File::options();
    std::os::unix::fs::OpenOptionsExt::mode(&mut private, 0o600);
    let kept = private.write(true).create(true).truncate(true).open(&reserve).and_then(|file| {
        Ok(rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, LEDGER_RESERVE_BYTES)?)
    });
    if let Err(error) = kept {
        tracing::debug!(%error, "no room is kept for the ledger of the next start");
        drop(std::fs::remove_file(&reserve));
    }
    Ok(ledger)
}

/// Says in the readiness whether new messages are taken, as far as that depends on the disk.
pub(super) async fn tell_space(log: Arc<dyn Log>, part: Part) -> Result<(), LogError> {
    let mut space = log.space();
    loop {
        match why_not(*space.borrow_and_update()) {
            None => part.ready(),
            Some(why) => part.not_ready(why),
        }
        if space.changed().await.is_err() {
            return Ok(());
        }
    }
}

const fn why_not(level: SpaceLevel) -> Option<&'static str> {
    match level {
        SpaceLevel::Free => None,
        SpaceLevel::NoIntake => Some("too little free space: new messages are refused until there is more"),
        SpaceLevel::NoRouting => Some("hardly any free space: new messages are refused and routing waits"),
        SpaceLevel::Exhausted => Some("no free space: nothing can be stored"),
    }
}

/// Whether something failed for want of room.
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let full = |error: &std::io::Error| {
        matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
    };
    error.downcast_ref::<std::io::Error>().is_some_and(full) || error.source().is_some_and(is_full)
}

/// A start without the room for what every start needs.
fn no_room(data: &Path) -> Failure {
    let text = format!(
        "there is no space left on the volume of {}: free at least {FIRST_START_MIB} MiB there, or name a directory on \
         another volume with --data, and start again; nothing that was accepted is lost",
        data.display()
    );
    Failure::new(Exit::Storage, text)
}

fn explain(error: &OpenError) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
