//! The installation, with its defaults.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::ProcessingId;

/// The installation.
#[derive(Debug, Clone, PartialEq)]
pub struct ExchangeSpec {
    /// The document's name; `default` without one.
    pub name: String,
    /// What MSH-11 has to be; none: not checked.
    pub processing_id: Option<ProcessingId>,
    /// Barid's own MSH-3.
    pub application: String,
    /// Barid's own MSH-4.
    pub facility: String,
    /// `const.<name>`.
    pub constants: Arc<BTreeMap<String, String>>,
}

impl Default for ExchangeSpec {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            processing_id: None,
            application: "BARID".to_owned(),
            facility: String::new(),
            constants: Arc::default(),
        }
    }
}
