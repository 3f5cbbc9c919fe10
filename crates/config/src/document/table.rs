//! Mapping, CodeTable and Profile: what channels share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use barid_transform::document::{CodeRow, Step};

use super::{AllowedFrom, is_empty};

/// Steps that channels share by `apply`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mapping {
    /// The steps, in order. At most 1000.
    pub steps: Vec<Step>,
    /// Which other namespaces may apply it. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_from: Option<AllowedFrom>,
}

/// Codes of one system in terms of another.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CodeTable {
    /// The rows; two may not have the same `from`. 1 to 100000.
    pub rows: Vec<CodeRow>,
    /// Which other namespaces may look codes up in it. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_from: Option<AllowedFrom>,
}

/// What a conformant message is. Accepted and kept; its constraints are not checked yet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// The HL7 version it builds on, such as `2.5.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_version: Option<String>,
    /// Its constraints, kept as written.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub constraints: BTreeMap<String, serde_json::Value>,
    /// Which other namespaces' channels may use it. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_from: Option<AllowedFrom>,
}
