//! What header and file name expressions see of a delivery.

use std::sync::Arc;

use barid_model::record::OutRecord;

/// What an expression sees.
pub(super) struct DeliveryFacts<'a> {
    record: &'a OutRecord,
}

impl<'a> DeliveryFacts<'a> {
    pub(super) fn of(record: &'a OutRecord) -> Self {
        Self { record }
    }
}

/// An expression that gives a text.
#[derive(Clone)]
pub struct Expression(Arc<dyn Fn(&OutRecord) -> Result<String, String> + Send + Sync>);

impl Expression {
    /// From a function.
    pub fn of(function: impl Fn(&OutRecord) -> Result<String, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    pub(super) fn text(&self, facts: &DeliveryFacts<'_>) -> Result<String, String> {
        (self.0)(facts.record)
    }
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Expression")
    }
}
