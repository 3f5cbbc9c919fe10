//! Secrets, by name only: their values are read where they are used and never enter a snapshot.

use serde::{Deserialize, Serialize};

/// A secret that is a TLS pair: `tls.crt` and `tls.key`, or `ca.crt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretName {
    /// Its name, in the document's own namespace; in files the folder `secrets/<namespace>/<secret>`.
    pub secret: String,
}

/// One secret value: `{secret, key}` or `{env}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretValue {
    /// The secret's name, in the document's own namespace; with `key`, not with `env`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The key inside the secret; in files the file `secrets/<namespace>/<secret>/<key>`, its last line end left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// An environment variable of the process; not with `secret`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
}
