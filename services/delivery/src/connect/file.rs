//! One file a message, for receivers that collect files.
//!
//! A file appears under its name whole or not at all: it is written as `.tmp-…` in the same folder, synced, renamed
//! without replacing anything, and the folder is synced; only then is the message delivered. The same message again
//! finds its file and is delivered without writing. Another file under the name gets no harm: this one is then
//! named `name-<first 8 digits of the delivery's id>.ext`, which is the same on every attempt.
//!
//! The name comes from an expression. Folders in it are made; characters that a shell or another system would stumble over
//! become `_`; a name with `..` is nobody's intention, so its message is set aside. Files and folders are for their owner
//! alone unless `mode` says otherwise. A collector that reads names beginning with a dot has to be told not to.

mod answer;
mod connection;
mod name;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::facts::Expression;
use super::probe::Met;
use super::status::Status;
use super::{Connection, Connector};
use connection::Slot;

/// Longest name of a file or folder, in bytes: what all file systems take, with room for the temporary prefix.
pub const NAME_MAX: usize = 200;
/// Most folders in a name.
pub const FOLDERS_MAX: usize = 8;

/// Settings of a file destination.
#[derive(Debug, Clone)]
pub struct FileSettings {
    /// The folder; made where it is missing.
    pub directory: PathBuf,
    /// Gives the file's name.
    pub name: Expression,
    /// Permission bits of files; folders get the same and may be entered by whoever reads.
    pub mode: u32,
    /// How long a disk may take; then the attempt counts as failed, though it may still come to its end.
    pub timeout: Duration,
}

/// A file destination.
pub struct Files {
    settings: Arc<FileSettings>,
    slots: AtomicU64,
}

impl Files {
    /// A destination with these settings.
    #[must_use]
    pub fn new(settings: FileSettings) -> Self {
        Self { settings: Arc::new(settings), slots: AtomicU64::new(0) }
    }
}

impl Connector for Files {
    fn open(&self) -> Box<dyn Connection> {
        Box::new(Slot::new(Arc::clone(&self.settings), self.slots.fetch_add(1, Ordering::Relaxed)))
    }

    fn status(&self) -> Status {
        Status { target: self.settings.directory.display().to_string(), ..Status::default() }
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Met>> {
        Box::pin(connection::probe(&self.settings))
    }
}
