//! The verb `format`: one way of rewriting the text at a place.

use serde::{Deserialize, Serialize};

/// Rewrites the text at a place. Exactly one of `date`, `pad`, `case`, `replace` and `trim` says how. A place that is
/// empty or holds the delete indicator `""` is left alone. Of a value with parts (`DOE^JOHN`) `case`, `replace` and `trim`
/// rewrite each part; `date` and `pad` want the path of one part.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Format {
    /// Where. A field without an index is its first repetition; with `[*]`, each.
    pub path: String,
    /// Writes a date or time in another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<DateFormat>,
    /// Fills up to a width.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad: Option<Pad>,
    /// Changes letter case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<Case>,
    /// Replaces what a regular expression matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<Replace>,
    /// Removes white space at both ends, where `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trim: Option<bool>,
}

/// Writes a date or time in another way. Patterns are made of `yyyy` `MM` `dd` `HH` `mm` `ss` `SSS` (thousandths), `XX`
/// (offset as `+0100`) and `XXX` (`+01:00`); other letters stand in single quotes, other characters for themselves.
/// A time that the value does not have is written as zero; a month or day it does not have is never made up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DateFormat {
    /// The pattern of the text as it stands; left out, HL7's own form `yyyy[MM[dd[HH[mm[ss[.S]]]]]][+0100]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The pattern to write.
    pub to: String,
    /// What happens where the text is not as `from` says, or lacks what `to` asks for: `fail` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_mismatch: Option<OnMismatch>,
}

/// What happens to a text that is not of the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnMismatch {
    /// The mapping fails: the message, or the delivery of this route, is quarantined.
    #[default]
    Fail,
    /// It stays.
    Keep,
    /// It is emptied.
    Empty,
}

/// Fills a text up to a width.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pad {
    /// To how many characters, 1 to 1000. Longer texts stay.
    pub width: u32,
    /// With which character; a space where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// On which side; at the start where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
}

/// A side of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// In front: `7` becomes `007`.
    #[default]
    Start,
    /// Behind.
    End,
}

/// Letter case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Case {
    /// Capital letters.
    Upper,
    /// Small letters.
    Lower,
    /// Each word with a capital letter, the rest small.
    Title,
}

/// Replaces every match of a regular expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Replace {
    /// The regular expression, at most 1,000 characters. It runs in time proportional to the text, whatever it is.
    pub pattern: String,
    /// What each match becomes; `$1` or `${name}` stand for its groups, `$$` for a dollar sign.
    pub with: String,
}
