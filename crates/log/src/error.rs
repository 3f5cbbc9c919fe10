//! What can go wrong at the log, in the classes its users act on.
//!
//! A group commit fails for many waiters at once, so the error is cheap to clone and holds text instead of its source. It never holds record bytes.

use std::sync::Arc;

use barid_model::ErrorClass;

use crate::{Key, Position, Purpose, Revision, Subject};

/// An error of the log. [`LogError::is_retryable`], [`LogError::is_unknown`] and [`LogError::is_fatal`] say what the caller does.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The subject has gone on without this writer: it is stale and must stop (open a new one, which reads the last record).
    #[error("subject {subject} is at {actual}, this writer knew {known}: it is stale")]
    WrongLast {
        /// The subject.
        subject: Subject,
        /// What the writer gave.
        known: Position,
        /// Where the subject is, appends in flight included.
        actual: Position,
    },
    /// The key's value is another than the caller knew.
    #[error("key {key} is at revision {actual}, the caller knew {expected}")]
    WrongRevision {
        /// The key.
        key: Key,
        /// What the caller gave.
        expected: Revision,
        /// What it is; 0 when there is no value.
        actual: Revision,
    },
    /// Too little space for appends of this purpose. Nothing was stored; it passes when space returns.
    #[error("no space for {0:?} appends")]
    NoSpace(Purpose),
    /// The log cannot take this now (it is closing, or cannot be reached). Nothing was stored.
    #[error("log not available: {0}")]
    Busy(Arc<str>),
    /// An earlier append of this [`Writer`](crate::Writer) failed or is in doubt; nothing of this one was stored. Call `settle` first.
    #[error("an earlier append to {0} is not settled")]
    Unsettled(Subject),
    /// Whether it is stored is not known. Settle by reading the subject's last record before the next append.
    #[error("result unknown: {0}")]
    Unknown(Arc<str>),
    /// The log has failed for good (a sync failed): nothing that was not acknowledged may be believed, the process must stop and start again.
    #[error("log failed, the process must restart: {0}")]
    Failed(Arc<str>),
    /// Stored bytes cannot be read; the text names file and offset.
    #[error("damaged: {0}")]
    Damaged(Arc<str>),
    /// A record, an append or a value over its limit.
    #[error("{bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A subject or key name that is not allowed.
    #[error("bad name {name:?}: {why}")]
    BadName {
        /// Its beginning.
        name: String,
        /// What is allowed.
        why: &'static str,
    },
    /// Reading or writing storage failed.
    #[error("storage: {0}")]
    Storage(Arc<str>),
}

impl LogError {
    /// What a caller may do about it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoSpace(_) | Self::Busy(_) | Self::Unsettled(_) | Self::Unknown(_) => ErrorClass::Retryable,
            Self::WrongRevision { .. } | Self::TooLarge { .. } | Self::BadName { .. } => ErrorClass::Rejected,
            Self::WrongLast { .. } | Self::Failed(_) | Self::Damaged(_) | Self::Storage(_) => ErrorClass::Fatal,
        }
    }

    /// Nothing was stored and the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::NoSpace(_) | Self::Busy(_) | Self::Unsettled(_))
    }

    /// The append may or may not be stored: settle before the next.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Failed(_))
    }

    /// The writer (`WrongLast`) or the process (`Failed`) must stop.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::WrongLast { .. } | Self::Failed(_))
    }
}
