//! Names in the log: subjects and keys.
//!
//! One character set serves every implementation (it is what NATS subjects and key-value keys both take): tokens of letters, digits, `_`, `=`, `/` and `-`,
//! separated by single dots. Names never carry patient data (G7); the check cannot see that, it only keeps a name from being a pattern or a path escape.

use std::fmt;
use std::sync::Arc;

use crate::{LogError, Purpose};

/// Longest name of a subject or key, in bytes: what fits a length byte on disk, and far under what NATS takes.
pub const MAX_NAME_BYTES: usize = 255;

fn check(name: &str) -> Result<(), LogError> {
    let bad = |why| Err(LogError::BadName { name: name.chars().take(64).collect(), why });
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return bad("a name has 1 to 255 bytes");
    }
    if name.split('.').any(str::is_empty) {
        return bad("no empty token between dots");
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._=/-".contains(&b)) {
        return bad("only letters, digits, '_', '=', '/', '-' and '.'");
    }
    Ok(())
}

/// A subject: one ordered sequence of records with one writer, such as `in.03`, `out.default.registry.03`, `outcome.default.registry`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(Arc<str>);

impl Subject {
    /// Checks the name.
    ///
    /// # Errors
    /// [`LogError::BadName`] says what a name may hold.
    pub fn new(name: impl AsRef<str>) -> Result<Self, LogError> {
        check(name.as_ref())?;
        Ok(Self(name.as_ref().into()))
    }

    /// A name that was checked before it was stored (or is internal, and made so that no checked name equals it).
    pub(crate) fn stored(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which appends go first when space is short, by the first word: `in` and `refused` are intake, `out` and `routed` routing, all others delivery.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        match self.0.split('.').next() {
            Some("in" | "refused") => Purpose::Intake,
            Some("out" | "routed") => Purpose::Routing,
            _ => Purpose::Delivery,
        }
    }
}

/// The name of a small piece of keyed state: a commit, a checkpoint, an answer that is waited for. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    /// Checks the name.
    ///
    /// # Errors
    /// [`LogError::BadName`] says what a name may hold.
    pub fn new(name: impl AsRef<str>) -> Result<Self, LogError> {
        check(name.as_ref())?;
        Ok(Self(name.as_ref().into()))
    }

    /// A name that was checked before it was stored (or is internal, and made so that no checked name equals it).
    pub(crate) fn stored(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! name_traits {
    ($t:ty) => {
        impl fmt::Debug for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl std::borrow::Borrow<str> for $t {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}
name_traits!(Subject);
name_traits!(Key);
