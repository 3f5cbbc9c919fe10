//! Settings of destinations.
#![allow(missing_docs)]
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretFile {
    pub namespace: String,
    pub secret: String,
    pub key: String,
}
impl SecretFile {
    #[must_use]
    pub fn path(&self, directory: &Path) -> PathBuf {
        directory.join("secrets").join(&self.namespace).join(&self.secret).join(&self.key)
    }
}
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Secret {
    File(SecretFile),
    Env(String),
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsClient {
    pub ca: Option<SecretFile>,
    pub certificate: Option<(SecretFile, SecretFile)>,
    pub server_name: Option<String>,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpCredentials {
    Bearer(Secret),
    Basic { username: String, password: Secret },
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MllpRelease {
    One,
    Two,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerThen {
    Delivered,
    Retry,
    Quarantine,
    Hold,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnReject {
    #[default]
    Quarantine,
    Hold,
    Retry,
}
