//! What is ready and what is not, by name, so that `/readyz` and `barid status` can say what a start or a drain waits for.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

/// A part that is not ready.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotReady {
    /// Which part.
    pub part: String,
    /// Why.
    pub why: String,
}

/// The parts of a process and whether they are ready. A process without parts is ready.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    parts: Arc<RwLock<BTreeMap<&'static str, Option<String>>>>,
}

impl Readiness {
    /// A part; not ready (`starting`) until it says so, unless it was named before.
    #[must_use]
    pub fn part(&self, name: &'static str) -> Part {
        self.parts.write().entry(name).or_insert_with(|| Some("starting".to_owned()));
        Part { name, readiness: self.clone() }
    }

    /// What is not ready; empty when all is.
    #[must_use]
    pub fn missing(&self) -> Vec<NotReady> {
        let parts = self.parts.read();
        parts
            .iter()
            .filter_map(|(part, why)| why.as_ref().map(|why| NotReady { part: (*part).to_owned(), why: why.clone() }))
            .collect()
    }
}

/// One part's hand on the readiness.
#[derive(Debug, Clone)]
pub struct Part {
    name: &'static str,
    readiness: Readiness,
}

impl Part {
    /// It is ready.
    pub fn ready(&self) {
        self.readiness.parts.write().insert(self.name, None);
    }

    /// It is not, or no longer.
    pub fn not_ready(&self, why: impl Into<String>) {
        self.readiness.parts.write().insert(self.name, Some(why.into()));
    }
}
