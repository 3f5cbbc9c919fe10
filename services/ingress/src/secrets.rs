//! Where the values behind names of secrets come from: files below the documents' directory, or what the process shell
//! provides for environment variables. Values are read when they are needed and never logged.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use barid_config::settings::{Secret, SecretFile};

/// Largest secret file that is read: a certificate chain with a hundred authorities.
pub(crate) const SECRET_BYTES_MAX: u64 = 1024 * 1024;

/// Gives secret values. Called on a blocking thread, never for a message.
pub trait Secrets: Send + Sync + 'static {
    /// The bytes of a file.
    ///
    /// # Errors
    /// As reading it.
    fn file(&self, file: &SecretFile) -> io::Result<Vec<u8>>;

    /// The value, without the line end a file may have.
    ///
    /// # Errors
    /// As reading it.
    fn value(&self, secret: &Secret) -> io::Result<Vec<u8>>;
}

/// Reads an environment variable; given by the shell of the process, the only part that sees its environment.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Secrets as files: `DIR/secrets/<namespace>/<secret>/<key>`.
pub struct SecretFiles {
    directory: PathBuf,
    environment: Environment,
}

impl SecretFiles {
    /// Below the directory of the documents.
    #[must_use]
    pub fn new(directory: PathBuf, environment: Environment) -> Self {
        Self { directory, environment }
    }
}

impl Secrets for SecretFiles {
    fn file(&self, file: &SecretFile) -> io::Result<Vec<u8>> {
        let path = file.path(&self.directory);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        barid_files::read(&path, SECRET_BYTES_MAX).map_err(named)
    }

    fn value(&self, secret: &Secret) -> io::Result<Vec<u8>> {
        match secret {
            Secret::File(file) => {
                let mut bytes = self.file(file)?;
                while matches!(bytes.last(), Some(b'\n' | b'\r')) {
                    bytes.pop();
                }
                Ok(bytes)
            }
            Secret::Env(name) => match (self.environment)(name) {
                Some(text) => Ok(text.into_bytes()),
                None => Err(io::Error::new(io::ErrorKind::NotFound, format!("environment variable {name} is not set"))),
            },
        }
    }
}
