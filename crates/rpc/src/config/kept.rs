//! The last snapshot that a replica applied, on disk: a start needs no publisher.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;

use super::Published;
use crate::Invalid;
use crate::limits;

/// The last good snapshot cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The file system's reason.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is damaged: its parts are not those that it names.
    #[error("{}: {source}; remove it, and it is fetched anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Invalid,
    },
}

/// A file that holds the last good snapshot.
#[derive(Debug, Clone)]
pub struct LastGood {
    path: PathBuf,
}

impl LastGood {
    /// In this file; the directory has to be there.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// What is there; none where there is no file. Blocking.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn load(&self) -> Result<Option<Published>, KeptError> {
        let bytes = match barid_files::read(&self.path, limits::MESSAGE_BYTES_MAX as u64) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.fault(source)),
        };
        let decoded = Published::decode(&Bytes::from(bytes));
        decoded.map(Some).map_err(|source| KeptError::Damaged { path: self.path.clone(), source })
    }

    /// Replaces what is there, durably and at once: after a crash it is the old one or the new one. Blocking.
    ///
    /// # Errors
    /// [`KeptError::File`].
    pub fn store(&self, snapshot: &Published) -> Result<(), KeptError> {
        barid_files::replace(&self.path, &snapshot.encode()).map_err(|source| self.fault(source))
    }

    fn fault(&self, source: io::Error) -> KeptError {
        KeptError::File { path: self.path.clone(), source }
    }
}
