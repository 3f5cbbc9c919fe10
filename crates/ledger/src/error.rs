//! What can go wrong with a ledger, and what to do about it.
//!
//! Nothing here loses a message: the ledger is a view, so the last remedy is always to delete it and let it be rebuilt.

use barid_model::ErrorClass;

/// An operation of the ledger failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another process holds it.
    #[error("the ledger {place} is locked by another process: stop that process, or wait until it is done")]
    Locked {
        /// The file.
        place: String,
    },
    /// Its file is damaged.
    #[error(
        "the ledger {place} is damaged ({text}): stop Barid and delete it with the files of the same name ending in \
         -wal and -shm; it is a view and is rebuilt from the log"
    )]
    Corrupt {
        /// The file.
        place: String,
        /// What the database says.
        text: String,
    },
    /// A newer Barid wrote it.
    #[error(
        "the ledger {place} has schema {found}, this Barid knows up to {known}: run the newer Barid, or delete the \
         file to have it rebuilt from the log"
    )]
    Newer {
        /// The file.
        place: String,
        /// Its schema version.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// The file is a database of something else.
    #[error("{place} is not a ledger of Barid: name another file")]
    Foreign {
        /// The file.
        place: String,
    },
    /// Its storage is full.
    #[error("no space for the ledger {place}: free some; it goes on where it stood, and messages flow without it")]
    Full {
        /// The file.
        place: String,
    },
    /// The question or the change makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Anything else the storage says.
    #[error("the ledger {place} failed: {text}")]
    Storage {
        /// The file.
        place: String,
        /// What the database says.
        text: String,
    },
}

impl LedgerError {
    /// What the caller may do.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Locked { .. } | Self::Full { .. } | Self::Storage { .. } => ErrorClass::Retryable,
            Self::Invalid(_) => ErrorClass::Rejected,
            Self::Corrupt { .. } | Self::Newer { .. } | Self::Foreign { .. } => ErrorClass::Fatal,
        }
    }
}
