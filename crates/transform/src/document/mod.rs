//! What people write: the steps of a mapping, the rows of a code table, and what a route does to the bytes at the end.
//!
//! These types are the documents' shape and nothing else: they are read strictly (an unknown field is an error), no
//! field has two shapes, and a step is flat. What they mean is checked and compiled in [`crate::Mapping`]; the
//! reference page is generated from their comments.

mod format;
mod step;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use format::{Case, DateFormat, Format, OnMismatch, Pad, Replace, Side};
pub use step::{AddSegment, Apply, Copy, Delete, End, Lookup, Move, OnMiss, Set, Step};

/// The name of another document, in the namespace of the document that names it unless one is given.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reference {
    /// The document's `metadata.name`.
    pub name: String,
    /// The document's `metadata.namespace`; the namespace of the referring document where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// One row of a code table: what a code becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CodeRow {
    /// The code as it comes in, compared exactly, letter case included.
    pub from: String,
    /// What it becomes.
    pub to: String,
    /// The words for `to`, for a step that asks for them with `display`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// The coding system of `to`, for a step that asks for it with `system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
}

/// How the bytes leave for a destination.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outbound {
    /// The character set to send, as MSH-18 names it (HL7 table 0211), such as `UNICODE UTF-8` or `8859/1`. The text is
    /// converted and MSH-18 says so. Left out, characters and MSH-18 stay as they came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// What happens to a character that `charset` does not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_unmappable: Option<OnUnmappable>,
    /// How segments end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment_ends: Option<SegmentEnds>,
}

/// What happens to a character that the outgoing character set does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnUnmappable {
    /// The delivery is set aside; the default.
    #[default]
    Fail,
    /// A question mark is sent in its place.
    Replace,
    /// Its UTF-8 bytes are sent as a hexadecimal escape (`\\XC3A9\\`).
    Escape,
}

/// How segments end in what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SegmentEnds {
    /// Each with a carriage return, as the standard asks; the default.
    #[default]
    Cr,
    /// As they came.
    AsReceived,
}
