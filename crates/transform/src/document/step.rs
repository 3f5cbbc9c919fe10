//! One step of a mapping: one verb, and when and over what it is done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Format, Reference};

/// One step of a mapping. It has exactly one verb (`set`, `copy`, `move`, `delete`, `lookup`, `format`, `addSegment` or
/// `apply`) and, if wanted, `when`, `forEach` and `as`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Sets a place to the value of an expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Set>,
    /// Copies a place to another, bytes and all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<Copy>,
    /// Moves a place to another; the first is empty afterwards.
    #[serde(default, rename = "move", skip_serializing_if = "Option::is_none")]
    pub r#move: Option<Move>,
    /// Removes a segment or repetition, or empties a field or part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<Delete>,
    /// Translates a code with a CodeTable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup: Option<Lookup>,
    /// Rewrites the text at a place: dates, padding, letter case, replacement, trimming.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Adds a segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_segment: Option<AddSegment>,
    /// Runs the steps of a Mapping document here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<Apply>,
    /// A condition (an expression that gives true or false). With `forEach` it is asked for each item; where it uses
    /// `value` it is asked for each place the verb's path names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Does the verb once for each segment (`OBX[*]`) or each repetition of a field (`PID-3[*]`) that is there when the
    /// step begins. The one at hand is called `item`, or as `as` says: in paths `item` stands for it (`item-5.1` within
    /// a segment, `item.4.1` within a repetition, `item` for all of it); in expressions `item['5.1']`, `item['4.1']`
    /// and `item.text` read it, and `index` counts from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<String>,
    /// The name of the item at hand in `forEach`: lower case letters and digits, `item` where it is left out.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub r#as: Option<String>,
}

/// Sets a place to the value of an expression. The text is escaped, so that no value can break the message's structure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Set {
    /// Where: `PID-3.1`, `OBX[*]-8` (each of them), `item-5`. A field without an index is its first repetition: its parts
    /// are replaced, the other repetitions stay.
    pub path: String,
    /// The expression: text in quotes (`'MOH'`), `msg['PID-3.1']`, `value.upper()`. What it gives is text: to take parts
    /// or repetitions along, use `copy`. `null` sets the delete
    /// indicator `""`, of a field in place of all its repetitions.
    pub to: String,
}

/// Copies a place to another as it stands: parts, repetitions and escapes go along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Copy {
    /// From where. With `[*]`, `to` has `[*]` at the same place, and each is copied to its own.
    pub from: String,
    /// To where. With `[*]`, to each.
    pub to: String,
}

/// Moves a place to another as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Move {
    /// From where. With `[*]`, `to` has `[*]` at the same place, and each is moved to its own.
    pub from: String,
    /// To where.
    pub to: String,
}

/// Removes what a path names: a segment (`ZPI`, `NTE[*]`) or a repetition (`PID-3[2]`) goes, a field or part is emptied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delete {
    /// What. With `[*]`, each. MSH cannot be removed, nor MSH-1 and MSH-2 be emptied.
    pub path: String,
}

/// Translates a code with a CodeTable. A place that is empty or holds the delete indicator `""` is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lookup {
    /// Where the code stands. With `[*]`, each.
    pub path: String,
    /// The CodeTable.
    pub table: Reference,
    /// Where the new code goes; in place of the old one where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<String>,
    /// Where the row's `display` goes, if wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// Where the row's `system` goes, if wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// What happens to a code that the table does not have: `keep` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_miss: Option<OnMiss>,
    /// What a code becomes that the table does not have. Excludes `onMiss`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// What happens to a code that the table does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnMiss {
    /// The code stays, and is copied to `into` where there is one.
    #[default]
    Keep,
    /// The target is emptied.
    Empty,
    /// The mapping fails: the message, or the delivery of this route, is quarantined.
    Fail,
}

/// Adds a segment. Exactly one of `after`, `before` and `at` says where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddSegment {
    /// Its id: three characters such as `ZPI`.
    pub id: String,
    /// After this segment (`PID`, `OBX[2]`, `item`); with `[*]` after the last one. The mapping fails where it is not
    /// there: ask with `when: msg.has('PID')` first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Before this segment; with `[*]` before the first one. The mapping fails where it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// At the end of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<End>,
    /// What stands in it, by path within it: `{ZPI-1: "'1'", ZPI-2.1: "msg['PID-3.1']"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// A place of the message as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// After the last segment.
    End,
}

/// Runs the steps of a Mapping document, as if they stood here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Apply {
    /// The Mapping. It may apply others, 8 deep, and never itself. The items of a `forEach` around it are known in it.
    pub mapping: Reference,
}
