//! What is searched for, and the page that answers.

use barid_model::{Name, Timestamp};
use serde::{Deserialize, Serialize};

/// Most rows of a page: some hundred kilobytes of JSON, a few milliseconds of the ledger.
pub const PAGE_ROWS_MAX: u32 = 1_000;
/// Rows of a page where nothing is asked for: what a person reads.
pub const PAGE_ROWS_DEFAULT: u32 = 50;

/// Which accepted messages. All that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct MessageQuery {
    /// Received at or after.
    #[serde(with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Received before.
    #[serde(with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Taken by this channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Name>,
    /// From this facility: `namespace/name`, or the declared MSH-4 of an unknown one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
    /// Through this listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<Name>,
    /// With a delivery to this destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Name>,
    /// `ADT`, or `ADT^A01`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    /// MSH-10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_id: Option<String>,
    /// A patient identifier in clear, hashed by the engine and recorded nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// Own search keys of the channel's `index`, in clear: name and value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<(String, String)>,
    /// In this state: a word of [`state`](super::state).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why they exist: `received`, `replayed`, `edited`, `chained`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Only those that a destination may have twice.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub possible_duplicate: bool,
    /// Rows of the page, at most [`PAGE_ROWS_MAX`]; [`PAGE_ROWS_DEFAULT`] where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the page before ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl MessageQuery {
    /// Rows to return, within bounds.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.limit.unwrap_or(PAGE_ROWS_DEFAULT).clamp(1, PAGE_ROWS_MAX)
    }

    /// Whether it selects everything: too much for a replay without saying so.
    #[must_use]
    pub fn is_unbounded(&self) -> bool {
        Self { limit: None, cursor: None, ..self.clone() } == Self::default()
    }
}

/// Which refused messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RefusedQuery {
    /// Refused at or after.
    #[serde(with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Refused before.
    #[serde(with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// From this facility.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
    /// Through this listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<Name>,
    /// Rows of the page, at most [`PAGE_ROWS_MAX`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the page before ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Which waiting deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ParkedQuery {
    /// At this destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Name>,
    /// Of this channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Name>,
    /// From this facility.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
    /// For this reason: `held`, `stalled`, `follows`, `paused`, `rerun`, `quarantined`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Parked at or after.
    #[serde(with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Parked before.
    #[serde(with = "crate::time::option", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Rows of the page, at most [`PAGE_ROWS_MAX`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the page before ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Some rows, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The cursor of the next page; none at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), next: None }
    }
}
