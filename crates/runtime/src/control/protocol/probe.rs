//! A first contact with a destination, made where its secrets are: by the engine.

use std::collections::BTreeMap;

use barid_model::Name;
use serde::{Deserialize, Serialize};

/// Goes to a destination as far as one can without sending a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeRequest {
    /// Which destination.
    pub destination: Name,
}

/// What was met.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probed {
    /// One entry an endpoint, URL or folder.
    pub met: Vec<MetView>,
}

/// What was met at one endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetView {
    /// The endpoint, URL or folder.
    pub target: String,
    /// Whether it can be used.
    pub usable: bool,
    /// Why not.
    pub problem: Option<String>,
    /// Milliseconds until it was connected, TLS included.
    pub took_ms: f64,
    /// What was learned: `address`, `tls`, `issuer`, `expires`, `status`….
    pub facts: BTreeMap<String, String>,
}
