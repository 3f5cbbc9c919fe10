//! What goes wrong inside, before it is known which database it concerns.

use barid_ledger::LedgerError;
use barid_ledger::store::Invalid;
use tokio_postgres::error::SqlState;

/// A failure inside the PostgreSQL ledger.
#[derive(Debug)]
pub(crate) enum Fault {
    Sql(tokio_postgres::Error),
    Invalid(String),
    Newer {
        found: u32,
        known: u32,
    },
    Foreign,
    /// Another process writes.
    Held,
    /// Another process emptied it.
    Emptied,
    /// The connection was made anew, perhaps to a server that has lost what was written.
    Renewed,
    /// No answer in time.
    Silent,
    /// All connections are in use.
    Busy,
    /// A row is not what it should be.
    Row(&'static str),
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
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
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }

    /// Whether the connection is of no use any more.
    pub(crate) fn is_of_connection(&self) -> bool {
        match self {
            Self::Silent => true,
            Self::Sql(error) => error.as_db_error().is_none_or(|db| {
                [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT]
                    .contains(db.code())
            }),
            _ => false,
        }
    }

    /// The error of the database at `place`. What PostgreSQL says is cut to its message: its detail may have values.
    pub(crate) fn at(self, place: &str) -> LedgerError {
        let place = place.to_owned();
        let text = match self {
            Self::Invalid(text) => return LedgerError::Invalid(text),
            Self::Newer { found, known } => return LedgerError::Newer { place, found, known },
            Self::Foreign => return LedgerError::Foreign { place },
            Self::Held => return LedgerError::Locked { place },
            Self::Emptied => "another process emptied it; what is to be written is read again".to_owned(),
            Self::Renewed => "the connection was lost and made anew; what is to be written is read again".to_owned(),
            Self::Silent => "the database does not answer in time".to_owned(),
            Self::Busy => "all its connections are in use: ask again in a moment".to_owned(),
            Self::Row(text) => format!("a row cannot be read: {text}"),
            Self::Sql(error) => match error.as_db_error() {
                Some(db) if *db.code() == SqlState::DISK_FULL => return LedgerError::Full { place },
                Some(db) => format!("{} ({})", db.message(), db.code().code()),
                None => std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
                    .map(ToString::to_string)
                    .last()
                    .unwrap_or_default(),
            },
        };
        LedgerError::Storage { place, text }
    }
}
