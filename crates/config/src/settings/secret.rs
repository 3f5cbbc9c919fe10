//! Where a secret is to be read: never its value.

use std::path::{Path, PathBuf};

/// The certificate chain of a TLS secret.
pub const TLS_CRT: &str = "tls.crt";
/// The private key of a TLS secret.
pub const TLS_KEY: &str = "tls.key";
/// The authorities of a TLS secret.
pub const CA_CRT: &str = "ca.crt";

/// A file of a secret: `secrets/<namespace>/<secret>/<key>` below the documents' directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretFile {
    /// The namespace of the document that refers to it.
    pub namespace: String,
    /// The secret.
    pub secret: String,
    /// The key inside it.
    pub key: String,
}

impl SecretFile {
    /// Its path below the documents' directory.
    #[must_use]
    pub fn path(&self, directory: &Path) -> PathBuf {
        directory.join("secrets").join(&self.namespace).join(&self.secret).join(&self.key)
    }
}

/// Where one secret value is to be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Secret {
    /// In a file.
    File(SecretFile),
    /// In an environment variable.
    Env(String),
}

/// `namespace/secret/key`.
impl std::fmt::Display for SecretFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.secret, self.key)
    }
}

/// The place, as recognition and logs name it: `namespace/secret/key` or `env:NAME`.
impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(file) => file.fmt(f),
            Self::Env(name) => write!(f, "env:{name}"),
        }
    }
}
