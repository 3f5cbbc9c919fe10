//! What the parse stage needs to know of a facility.

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_hl7::Charset;
use barid_model::Name;

use crate::identity::Identity;

/// A facility's rules.
#[derive(Debug, Clone)]
pub struct FacilityRules {
    /// Its document.
    pub name: Name,
    /// What people call it.
    pub display_name: Arc<str>,
    /// What channels select it by.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// How it is recognised: alternatives.
    pub identities: Vec<Identity>,
    /// The facilities whose messages it may send (gateways, regional laboratories).
    pub speaks_for: Vec<Name>,
    /// The character set of its messages where MSH-18 is empty and the bytes are not UTF-8.
    pub fallback_charset: Option<Charset>,
}
