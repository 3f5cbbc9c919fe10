//! Where the history is kept: a file of this replica's own, or a database that several share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use barid_ledger::{Bound, Ledger, LedgerError, SqliteLedger};
use barid_ledger_postgres::{Options, PostgresLedger};
use barid_model::ErrorClass;
use barid_runtime::{Exit, Failure};

/// How long a database is waited for at the start: as long as it may take to start itself.
const START: Duration = Duration::from_secs(60);
/// Time between two attempts.
const AGAIN: Duration = Duration::from_secs(1);

/// Where the history is kept.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StorageOptions {
    /// Where the history is kept: `sqlite:PATH`, or `postgres://USER@HOST:PORT/DATABASE`, which several replicas may share [default: ledger.sqlite in --data]
    #[arg(long, env = "BARID_LEDGER", value_name = "URL", hide_env_values = true)]
    pub ledger: Option<String>,
    /// File with the password of the history's database
    #[arg(long, env = "BARID_LEDGER_PASSWORD_FILE", value_name = "FILE")]
    pub ledger_password_file: Option<PathBuf>,
    /// Authorities of the database's certificate (PEM); needed unless the URL says sslmode=disable
    #[arg(long, env = "BARID_LEDGER_AUTHORITIES", value_name = "FILE")]
    pub ledger_authorities: Option<PathBuf>,
}

impl StorageOptions {
    /// Opens the history, and ties it to the log with this incarnation; with its name where several processes share it. A
    /// database that is away is waited for.
    ///
    /// # Errors
    /// [`Failure`] where the options make no sense, or the storage cannot be used.
    pub async fn open(self, data: &Path, incarnation: [u8; 16]) -> Result<(Arc<dyn Ledger>, Option<String>), Failure> {
        let place = self.place(data)?;
        let shared = match &place {
            Place::File(_) => None,
            Place::Database(options) => Some(options.name()),
        };
        let deadline = tokio::time::Instant::now() + START;
        loop {
            let place = place.clone();
            let opening = tokio::task::spawn_blocking(move || place.open(incarnation)).await;
            match opening.map_err(|error| Failure::new(Exit::Failure, error.to_string()))? {
                Ok(ledger) => return Ok((ledger, shared)),
                Err(error) if error.class() == ErrorClass::Retryable && tokio::time::Instant::now() < deadline => {
                    tracing::warn!(%error, "the history cannot be opened yet");
                    tokio::time::sleep(AGAIN).await;
                }
                Err(error) => return Err(Failure::new(Exit::Storage, error.to_string())),
            }
        }
    }

    fn place(&self, data: &Path) -> Result<Place, Failure> {
        let wrong = |text: String| Failure::new(Exit::Configuration, text);
        match self.ledger.as_deref() {
            None => Ok(Place::File(data.join("ledger.sqlite"))),
            Some(url) => match url.split_once(':') {
                Some(("sqlite", path)) if !path.is_empty() => Ok(Place::File(path.into())),
                Some(("postgres" | "postgresql", _)) => {
                    let (password, authorities) = (&self.ledger_password_file, &self.ledger_authorities);
                    let options = Options::read(url, password.as_deref(), authorities.as_deref());
                    options.map(|options| Place::Database(Box::new(options))).map_err(|error| wrong(error.to_string()))
                }
                _ => Err(wrong("--ledger is sqlite:PATH or postgres://USER@HOST:PORT/DATABASE".to_owned())),
            },
        }
    }
}

#[derive(Debug, Clone)]
enum Place {
    File(PathBuf),
    Database(Box<Options>),
}

impl Place {
    fn open(&self, incarnation: [u8; 16]) -> Result<Arc<dyn Ledger>, LedgerError> {
        let ledger: Arc<dyn Ledger> = match self {
            Self::File(path) => Arc::new(SqliteLedger::open(path)?),
            Self::Database(options) => Arc::new(PostgresLedger::open((**options).clone())?),
        };
        if ledger.bind(incarnation)? == Bound::Reset {
            tracing::warn!("the ledger belonged to another log: it is rebuilt from this one");
        }
        Ok(ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> StorageOptions {
        StorageOptions { ledger: Some(url.to_owned()), ..StorageOptions::default() }
    }

    #[test]
    fn the_url_says_where_the_history_is_kept() {
        let data = Path::new("/data");
        let file = |place: Result<Place, Failure>| match place.unwrap() {
            Place::File(path) => path,
            Place::Database(_) => panic!("a database"),
        };
        assert_eq!(file(StorageOptions::default().place(data)), Path::new("/data/ledger.sqlite"));
        assert_eq!(file(options("sqlite:/elsewhere/history").place(data)), Path::new("/elsewhere/history"));
        let place = options("postgres://barid@db:5433/barid?sslmode=disable").place(data).unwrap();
        assert!(matches!(place, Place::Database(_)));
        for url in ["mysql://db", "sqlite:", "ledger.sqlite", "postgres://barid@db/barid"] {
            assert_eq!(options(url).place(data).unwrap_err().exit, Exit::Configuration, "{url}");
        }
    }
}
