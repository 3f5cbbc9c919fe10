//! Secrets by reference: certificates, keys, tokens and passwords, read when they are needed and again when they
//! change, so that a renewed certificate needs no restart.
//!
//! A secret lives in the namespace of the document that names it. Values never appear in errors or `Debug`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use barid_config::settings::{Secret, SecretFile};
use parking_lot::Mutex;

/// Largest secret, in bytes: a bundle of all public certificate authorities is a third of it.
pub const SECRET_BYTES_MAX: u64 = 1024 * 1024;

/// How long a file is believed before it is looked at again: a renewed secret is used within this time.
const RECHECK: Duration = Duration::from_secs(1);

/// A secret's value; shows its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Arc<[u8]>);

impl SecretValue {
    /// Wraps a value.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes as stored.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value as text without the line end that editors and `echo` add; none where it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok().map(|text| text.trim_end_matches(['\r', '\n']))
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretValue({} B)", self.0.len())
    }
}

/// A secret could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at} cannot be read: {why}")]
pub struct SecretError {
    /// Which one; with a file, its path.
    pub at: String,
    /// Why, in words.
    pub why: String,
}

/// Where secrets come from.
pub trait Secrets: Send + Sync {
    /// The newest value.
    ///
    /// # Errors
    /// [`SecretError`] where it is missing, unreadable or too large.
    fn read(&self, at: &Secret) -> Result<SecretValue, SecretError>;
}

/// Secrets as files `DIR/secrets/<namespace>/<secret>/<key>`, the layout of mounted Kubernetes secrets, and the
/// environment as it was at the start.
pub struct FileSecrets {
    directory: PathBuf,
    environment: BTreeMap<String, String>,
    seen: Mutex<HashMap<SecretFile, Seen>>,
}

struct Seen {
    checked: Instant,
    stamp: (SystemTime, u64),
    value: SecretValue,
}

impl FileSecrets {
    /// Secrets of the documents in a directory, and the environment, which only the shell of the process reads.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, environment: BTreeMap<String, String>) -> Self {
        Self { directory: directory.into(), environment, seen: Mutex::new(HashMap::new()) }
    }

    fn path(&self, at: &SecretFile) -> Result<PathBuf, SecretError> {
        let parts = [&at.namespace, &at.secret, &at.key];
        if parts.iter().any(|part| part.is_empty() || part.starts_with("..") || part.contains(['/', '\\', '\0'])) {
            let why = "namespace, name and key are single names, without slashes or leading dots".to_owned();
            return Err(SecretError { at: format!("{}/{}/{}", at.namespace, at.secret, at.key), why });
        }
        Ok(at.path(&self.directory))
    }

    fn read_file(&self, at: &SecretFile) -> Result<SecretValue, SecretError> {
        let path = self.path(at)?;
        let fail = |why: String| SecretError { at: path.display().to_string(), why };
        let now = Instant::now();
        let mut seen = self.seen.lock();
        if let Some(known) = seen.get(at)
            && now.duration_since(known.checked) < RECHECK
        {
            return Ok(known.value.clone());
        }
        let meta = std::fs::metadata(&path).map_err(|error| fail(error.to_string()))?;
        let stamp = (meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), meta.len());
        if let Some(known) = seen.get_mut(at)
            && known.stamp == stamp
        {
            known.checked = now;
            return Ok(known.value.clone());
        }
        let bytes = barid_files::read(&path, SECRET_BYTES_MAX).map_err(|error| fail(error.to_string()))?;
        let value = SecretValue::new(&bytes);
        seen.insert(at.clone(), Seen { checked: now, stamp, value: value.clone() });
        Ok(value)
    }
}

impl Secrets for FileSecrets {
    fn read(&self, at: &Secret) -> Result<SecretValue, SecretError> {
        match at {
            Secret::File(file) => self.read_file(file),
            Secret::Env(name) => {
                let value = self.environment.get(name).map(|value| SecretValue::new(value.as_bytes()));
                let why = "the environment had no such variable when the process started".to_owned();
                value.ok_or_else(|| SecretError { at: format!("${name}"), why })
            }
        }
    }
}

impl fmt::Debug for FileSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileSecrets({})", self.directory.display())
    }
}
