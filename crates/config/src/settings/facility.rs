//! A facility as it is recognised.

use std::collections::BTreeMap;
use std::time::Duration;

use barid_model::Name;

use super::secret::Secret;
use crate::document::{CertificateMatch, Hours, MshMatch};

/// A facility.
#[derive(Debug, Clone, PartialEq)]
pub struct FacilitySpec {
    /// Its name.
    pub name: Name,
    /// Its name for people.
    pub display_name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How it is recognised: alternatives.
    pub identities: Vec<IdentitySettings>,
    /// Facilities whose MSH-4 it may use.
    pub speaks_for: Vec<Name>,
    /// Charset where MSH-18 is empty and the bytes are not UTF-8, as written.
    pub fallback_charset: String,
    /// Its time zone, an IANA name.
    pub time_zone: String,
    /// How often it should be heard of.
    pub expect: Option<ExpectSettings>,
    /// How fast it may send; none: no bound.
    pub rate: Option<RateSettings>,
}

/// One way to recognise a facility: all that is set has to hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IdentitySettings {
    /// Its client certificate.
    pub certificate: Option<CertificateMatch>,
    /// What its messages declare.
    pub msh: Option<MshMatch>,
    /// Its networks, as written; none: any.
    pub addresses: Vec<String>,
    /// The listener it uses.
    pub listener: Option<Name>,
    /// Where its bearer token is to be read.
    pub token: Option<Secret>,
}

/// How often a facility should be heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectSettings {
    /// At least one message in this time.
    pub every: Duration,
    /// Only in this part of the day.
    pub hours: Option<Hours>,
}

/// How fast a facility may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateSettings {
    /// Messages a second in the long run.
    pub per_second: u32,
    /// Messages at once after a pause.
    pub burst: u32,
}
