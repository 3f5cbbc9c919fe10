//! A compiled mapping.
/// A compiled mapping.
#[derive(Debug, Clone, Default)]
pub struct Mapping {}
