//! The disk: how much room there is, and what the log and the ledger take of it.

use std::path::{Path, PathBuf};

use barid_log::SpaceLevel;
use barid_runtime::control::protocol::StorageStatus;
use barid_runtime::control::{CommandError, CommandResult};

use crate::commands::history::History;

/// The disk under a data directory.
pub async fn status(history: &History) -> CommandResult<StorageStatus> {
    let data = history.data.clone();
    let sizes = tokio::task::spawn_blocking(move || sizes(&data)).await.map_err(CommandError::failed)?;
    let behind = history.behind(&history.ends().await?).await?;
    let level = level_word(*history.log.space().borrow());
    Ok(StorageStatus {
        directory: history.data.clone(),
        level: level.to_owned(),
        free_bytes: sizes.free,
        total_bytes: sizes.total,
        log_bytes: sizes.log,
        ledger_bytes: sizes.ledger,
        ledger_behind: behind,
    })
}

#[derive(Default)]
struct Sizes {
    free: u64,
    total: u64,
    log: u64,
    ledger: u64,
}

fn sizes(data: &Path) -> Sizes {
    let volume = rustix::fs::statvfs(data).ok();
    let bytes = |count: fn(&rustix::fs::StatVfs) -> u64| {
        volume.as_ref().map_or(0, |volume| count(volume).saturating_mul(volume.f_frsize))
    };
    let ledger = files(data).filter(|(path, _)| name(path).starts_with("ledger.sqlite"));
    Sizes {
        free: bytes(|volume| volume.f_bavail),
        total: bytes(|volume| volume.f_blocks),
        log: files(&data.join("log")).map(|(_, bytes)| bytes).sum(),
        ledger: ledger.map(|(_, bytes)| bytes).sum(),
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The files of a folder with their sizes; what goes while it is read counts nothing.
fn files(folder: &Path) -> impl Iterator<Item = (PathBuf, u64)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some((entry.path(), metadata.len()))
    })
}

/// The word of a space level in status and metrics.
#[must_use]
pub const fn level_word(level: SpaceLevel) -> &'static str {
    match level {
        SpaceLevel::Free => "free",
        SpaceLevel::NoIntake => "noIntake",
        SpaceLevel::NoRouting => "noRouting",
        SpaceLevel::Exhausted => "exhausted",
    }
}
