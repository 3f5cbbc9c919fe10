//! ChannelTest: what the user expects of a channel, checked before it goes live.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use barid_transform::document::Reference;

use super::is_empty;

/// Tests of one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChannelTest {
    /// The channel.
    pub channel: Reference,
    /// What holds for all cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<Given>,
    /// The cases; each asserts something. 1 to 1000.
    pub cases: Vec<TestCase>,
}

/// What holds for all cases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Given {
    /// When the messages are received, RFC 3339. Default `2026-01-01T00:00:00Z`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
    /// Constants of the Exchange that differ here.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub constants: BTreeMap<String, String>,
}

/// One message in, what comes out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TestCase {
    /// What it shows, as a sentence.
    pub name: String,
    /// The message.
    pub send: Send,
    /// What is expected of it; something has to be.
    pub expect: Expectation,
}

/// The message: exactly one of `file` and `text`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Send {
    /// A file, relative to the document's own folder; inside the documents' directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The message itself; line ends become CR.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The facility that sends it: its first identity is proven. Default: a sender that only declares MSH-3 and MSH-4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
    /// The listener it comes in at. Default: the channel's first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
}

/// What is expected.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expectation {
    /// The acknowledgement code: AA, AE, AR, CA, CE or CR; `none` where none is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack: Option<String>,
    /// Findings of parse and validation, each `CODE PATH` such as `101 PID-3`; these and no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<String>>,
    /// How many lanes it is in; 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lanes: Option<u32>,
    /// Whether the channel's filter keeps it from all routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered: Option<bool>,
    /// What each route makes of it; routes that are not named are not looked at.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub routes: Vec<RouteCheck>,
}

/// What one route makes of the message.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteCheck {
    /// The route.
    pub name: String,
    /// Whether the route does not want it. Default `false`: it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered: Option<bool>,
    /// Whether its mapping fails, so that it is quarantined. Default `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<bool>,
    /// How many parts it makes. Default: not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    /// What its fields hold, in the first part.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub fields: Vec<FieldCheck>,
    /// A file that it equals byte for byte, relative to the document's own folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
}

/// What one field holds: exactly one of `is`, `matches`, `absent` and `null`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldCheck {
    /// Where.
    pub path: String,
    /// Its text, unescaped and decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
    /// A regular expression that matches its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
    /// `true`: it has no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absent: Option<bool>,
    /// `true`: it is the delete indicator `""`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub null: Option<bool>,
}
