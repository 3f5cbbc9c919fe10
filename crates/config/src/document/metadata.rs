//! What every document has: its name, and who else may refer to it.

use std::collections::BTreeMap;

use barid_model::Name;
use barid_model::name::DEFAULT_NAMESPACE;
use barid_transform::document::Reference;
use serde::{Deserialize, Serialize};

use super::is_empty;

/// A document's name and labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Its name: lower case letters, digits and `-`, at most 63 characters, unique for its kind in its namespace.
    pub name: String,
    /// The namespace that owns it, named like it. Default `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What selectors and expressions see (`facility.labels['region']`). At most 64.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Notes for people and tools; no effect. At most 64.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Metadata {
    /// Its namespace, the default one where none is written.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
    }

    /// Namespace and name.
    #[must_use]
    pub fn full_name(&self) -> Name {
        Name::new(self.namespace(), &self.name)
    }
}

/// The full name a reference means, seen from a document in `namespace`.
#[must_use]
pub fn full_name(reference: &Reference, namespace: &str) -> Name {
    Name::new(reference.namespace.as_deref().unwrap_or(namespace), &reference.name)
}

/// Which other namespaces may refer to a document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AllowedFrom {
    /// Every namespace. Default `false`.
    #[serde(default)]
    pub all: bool,
    /// These namespaces.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub namespaces: Vec<String>,
}

impl AllowedFrom {
    /// Whether a document in `namespace` may refer to this one.
    #[must_use]
    pub fn allows(&self, namespace: &str) -> bool {
        self.all || self.namespaces.iter().any(|allowed| allowed == namespace)
    }
}
