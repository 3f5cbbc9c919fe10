//! The story of one message: all that is known of it, in the order of time, ready for people and for JSON (G6).

use std::time::Duration;

use barid_model::{Finding, MessageUid, Timestamp};
use serde::{Deserialize, Serialize};

use crate::view::{CommandView, MessageView};

/// Most related messages (duplicates, children) that are told; all count in [`Story::related_cut`].
pub const RELATED_MAX: usize = 200;

/// The story of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// The message, with its deliveries.
    pub message: MessageView,
    /// What happened, in the order of time.
    pub events: Vec<Event>,
    /// What was made from it: replays, edits, chained messages, pieces.
    pub children: Vec<Related>,
    /// Resends that were recognised.
    pub duplicates: Vec<Related>,
    /// What people did about it.
    pub commands: Vec<CommandView>,
    /// Whether there are more children, duplicates or commands than are told here.
    pub related_cut: bool,
}

/// Another message that has to do with this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Related {
    /// The other message.
    pub uid: MessageUid,
    /// Why it exists.
    pub cause: String,
    /// When it was received.
    pub received: Option<Timestamp>,
    /// The channel that took it.
    pub channel: Option<String>,
}

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// The message was accepted.
    Accepted,
    /// A second IN record with the same uid.
    AcceptedAgain,
    /// The router routed it, dropped it as a duplicate or set it aside.
    Routed,
    /// A delivery was parked.
    Parked,
    /// An OUTCOME record told of a delivery.
    Outcome,
    /// A resend of it was recognised.
    Resent,
    /// Another message was made from it.
    Child,
    /// A person did something.
    Command,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What kind of thing.
    pub kind: Kind,
    /// In words, without data of the message.
    pub text: String,
    /// The delivery it concerns, as `route`, `route/part` or `route/part/run`.
    pub delivery: Option<String>,
    /// Why, in findings.
    pub findings: Vec<Finding>,
}

/// What is kept of a PARK or OUTCOME record beside the row of its delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "fields are those of the record")]
pub struct Step {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    pub attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub possible_duplicate: bool,
    /// The position in PARK an OUTCOME record names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub park: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lanes: Option<Vec<String>>,
}

impl Step {
    /// In words, for a delivery to `destination`.
    pub fn sentence(&self, destination: &str, latency: Option<Duration>) -> String {
        let mut text = match (&self.outcome, &self.why) {
            (Some(outcome), _) => format!("{outcome} ({destination})"),
            (None, Some(why)) => format!("parked for {destination}: {}", meaning(why)),
            (None, None) => format!("parked for {destination}"),
        };
        if let Some(answer) = &self.answer {
            text.push_str(&format!(", answer {answer}"));
        }
        if self.attempts > 1 {
            text.push_str(&format!(", {} attempts", self.attempts));
        }
        if let Some(latency) = latency {
            text.push_str(&format!(", {} after it was received", short(latency)));
        }
        if self.possible_duplicate {
            text.push_str(", the destination may have it twice");
        }
        if let Some(actor) = &self.actor {
            text.push_str(&format!(", by {actor}"));
        }
        if let Some(reason) = &self.reason {
            text.push_str(&format!(": {reason}"));
        }
        text
    }
}

fn meaning(why: &str) -> &str {
    match why {
        "held" => "its lane waits for a person",
        "paused" => "its channel is paused",
        "rerun" => "it is run again and waits its turn",
        "stalled" => "its lane did not move",
        "follows" => "one before it in its lane waits",
        "quarantined" => "set aside, its lane goes on",
        other => other,
    }
}

/// A duration as people say it.
fn short(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000_000 => format!("{} ms", micros / 1_000),
        10_000_000..600_000_000 => format!("{} s", micros / 1_000_000),
        _ => format!("{} min", micros / 60_000_000),
    }
}

/// A delivery in words: `route`, `route/part` or `route/part/run`.
pub fn delivery_word(route: &str, part: u32, run: u32) -> String {
    match (part, run) {
        (0, 0) => route.to_owned(),
        (part, 0) => format!("{route}/{part}"),
        (part, run) => format!("{route}/{part}/{run}"),
    }
}
