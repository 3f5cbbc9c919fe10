//! What goes wrong inside, before it is known which file it concerns.

use rusqlite::ErrorCode;

use crate::LedgerError;
use crate::gather::Invalid;

/// A failure inside the SQLite ledger.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(rusqlite::Error),
    Invalid(String),
    Newer { found: u32, known: u32 },
    Foreign,
    File(std::io::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Invalid> for Fault {
    fn from(Invalid(text): Invalid) -> Self {
        Self::Invalid(text)
    }
}

impl Fault {
    /// The question or the change makes no sense.
    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }

    /// The error of the file at `place`. What SQLite says names tables and causes, never values.
    pub(super) fn at(self, place: &str) -> LedgerError {
        let place = place.to_owned();
        match self {
            Self::Invalid(text) => LedgerError::Invalid(text),
            Self::Newer { found, known } => LedgerError::Newer { place, found, known },
            Self::Foreign => LedgerError::Foreign { place },
            Self::File(error) => LedgerError::Storage { place, text: error.to_string() },
            Self::Sql(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LedgerError::Locked { place },
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    LedgerError::Corrupt { place, text: error.to_string() }
                }
                Some(ErrorCode::DiskFull) => LedgerError::Full { place },
                _ => LedgerError::Storage { place, text: error.to_string() },
            },
        }
    }
}
