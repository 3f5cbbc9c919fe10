//! The name of a declared document: its namespace and its own name.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

/// The namespace of a document that names none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// A declared document's namespace and name, shown as `namespace/name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    namespace: Arc<str>,
    name: Arc<str>,
}

impl Name {
    /// A name in a namespace.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// A name in the default namespace.
    #[must_use]
    pub fn local(name: &str) -> Self {
        Self::new(DEFAULT_NAMESPACE, name)
    }

    /// Reads `namespace/name`, or `name` in the default namespace.
    #[must_use]
    pub fn read(text: &str) -> Self {
        match text.split_once('/') {
            Some((namespace, name)) => Self::new(namespace, name),
            None => Self::local(text),
        }
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name inside its namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For people: without the namespace where it is the default one.
    #[must_use]
    pub fn short(&self) -> String {
        if &*self.namespace == DEFAULT_NAMESPACE { self.name.to_string() } else { self.to_string() }
    }

    /// For subjects of the log: `namespace.name` (neither may hold a dot that matters: names are DNS labels).
    #[must_use]
    pub fn subject_part(&self) -> String {
        format!("{}.{}", self.namespace, self.name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::read(&text))
    }
}
