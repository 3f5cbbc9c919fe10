//! Facility: an organisation that sends, and how it is recognised.

use serde::{Deserialize, Serialize};

use barid_transform::document::Reference;

use super::{AllowedFrom, Hours, Period, SecretValue, is_empty};

/// An organisation that sends.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Facility {
    /// Its name for people. Default: the document's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// How it is recognised: alternatives; within one, all must hold. Two facilities may not have the same one. 1 to 64.
    pub identities: Vec<Identity>,
    /// Facilities whose MSH-4 it may use: for gateways and regional laboratories.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub speaks_for: Vec<Reference>,
    /// Charset of its bytes where MSH-18 is empty and they are not UTF-8. Default `windows-1252`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_charset: Option<String>,
    /// Its time zone (IANA name), for times without one and for `expect.hours`. Default `UTC`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// How often it should be heard of; silence is reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// How fast it may send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<FacilityLimits>,
    /// Which other namespaces' channels may name it. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_from: Option<AllowedFrom>,
}

/// One way to recognise a facility: everything that is written has to hold, and something has to be.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// Its client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateMatch>,
    /// What its messages declare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msh: Option<MshMatch>,
    /// Its network addresses: `10.1.2.3`, `10.1.0.0/16` or the like for IPv6. At most 256.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub addresses: Vec<String>,
    /// The listener it uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<Reference>,
    /// Its bearer token (HTTPS).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretValue>,
}

/// What a client certificate has to say; all that is written has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateMatch {
    /// One of its DNS names, compared without case; `*.example.mr` matches one label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_name: Option<String>,
    /// The common name of its subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// The organisation of its subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// SHA-256 of the certificate, 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// What a message has to declare; compared with the whole field or its first component.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MshMatch {
    /// MSH-3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sending_application: Option<String>,
    /// MSH-4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sending_facility: Option<String>,
}

/// How often a facility should be heard of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    /// At least one message in this time, `1m` or more.
    pub every: Period,
    /// Only in this part of the day, in its time zone. Default: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
}

/// How fast a facility may send, to all listeners together; above it waits for its acknowledgements, and is refused with 207
/// (HTTP: 429) what would wait longer than ten seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FacilityLimits {
    /// Messages a second in the long run, 1 to 100000.
    pub messages_per_second: u32,
    /// Messages it may send at once after a pause. Default: ten seconds' worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
}
