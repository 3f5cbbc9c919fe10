//! What runs, and what is wrong with what should.

use barid_model::Name;
use serde::{Deserialize, Serialize};

/// One thing wrong with a document, or worth a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProblemView {
    /// The document, as `Kind namespace/name`; empty where it could not be read so far.
    #[serde(default)]
    pub document: String,
    /// The file.
    pub file: String,
    /// The line, from 1; 0 where it concerns the whole file.
    pub line: u32,
    /// The column, from 1; 0 where unknown.
    pub column: u32,
    /// The field.
    pub field: String,
    /// What is wrong.
    pub text: String,
    /// What would be right.
    pub remedy: String,
    /// `error` or `warning`.
    pub severity: String,
}

/// A document's kind and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentRef {
    /// `Channel`, `Destination`, ….
    pub kind: String,
    /// Its name.
    pub name: Name,
}

/// Asks what is in effect for a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExplainRequest {
    /// Which document.
    pub document: DocumentRef,
}

/// What is in effect for a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Which document.
    pub document: DocumentRef,
    /// Its revision or hash.
    pub revision: String,
    /// Its settings, defaults included, in the order of the reference.
    pub settings: Vec<Setting>,
}

/// One setting in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// Its place in the document, such as `duplicates.window`.
    pub path: String,
    /// Its value.
    pub value: String,
    /// Where it comes from: `built in`, `Exchange national`, `this document, line 12`.
    pub from: String,
}

/// The documents that run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotView {
    /// The snapshot's number.
    pub number: u64,
    /// The good version of every document, as the compiler stores them; secrets by reference only.
    pub documents: serde_json::Value,
}
